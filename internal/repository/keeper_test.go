package repository

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

const testController = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

// keeper makes backups on a share and keeps its ledger, as a controller does.
type keeper struct {
	t       testing.TB
	folder  string // of the share
	store   share.Store
	repo    *Repository
	key     *seal.SigningKey
	signers []byte
	ids     []seal.Identity
	to      seal.Recipient
	random  *rand.Rand
	clock   time.Time

	head backup.LedgerHead
	live []*kept
}

// kept is a backup on the share.
type kept struct {
	id        backup.ID
	folder    string // its name
	sums      []byte
	manifest  *backup.Manifest
	backupKey *seal.BackupKey
}

func signingKey(t testing.TB) *seal.SigningKey {
	t.Helper()
	text, err := seal.GenerateSigningKey(randomBytes{rand.New(rand.NewPCG(rand.Uint64(), 1))})
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return key
}

// randomBytes makes a reader of a source of numbers.
type randomBytes struct{ *rand.Rand }

// Read implements io.Reader.
func (r randomBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

func newKeeper(t testing.TB, seed uint64) *keeper {
	t.Helper()
	return newKeeperIn(t, t.TempDir(), seed)
}

func newKeeperIn(t testing.TB, folder string, seed uint64) *keeper {
	t.Helper()
	store, err := dir.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	k := &keeper{t: t, folder: folder, store: store, key: signingKey(t), random: rand.New(rand.NewPCG(seed, 2)),
		clock: time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)}
	k.repo = New(store, "local")
	k.signers = seal.AllowedSigners(k.key.Public())
	text, recipient, err := seal.GenerateIdentity(false, k.clock)
	require.NoError(t, err)
	k.to = recipient
	k.ids, err = seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return k
}

// entry is what is recorded of a backup, or of none.
func (k *keeper) entry(action backup.LedgerAction, b *kept) backup.LedgerEntry {
	e := backup.LedgerEntry{At: k.clock, Controller: testController, Action: action, By: "test"}
	if b == nil {
		return e
	}
	e.BackupID, e.Folder = b.id, b.folder
	if action != backup.LedgerDeleted && action != backup.LedgerPruned {
		e.SumsSHA256, e.Recipients = describe("", b.sums).SHA256, b.manifest.Recipients
	}
	return e
}

// enter appends to the ledger.
func (k *keeper) enter(e backup.LedgerEntry) {
	k.t.Helper()
	next, own, err := k.repo.AppendLedger(context.Background(), k.head, e, k.key, k.signers)
	require.NoError(k.t, err)
	require.True(k.t, own)
	k.head = next
}

// forge writes an entry behind a head that the ledger need not have, as somebody who has
// the signing key may, and returns the head that names it.
func (k *keeper) forge(head backup.LedgerHead, e backup.LedgerEntry) backup.LedgerHead {
	k.t.Helper()
	e.Sequence, e.Previous, e.Instance, e.Signer = head.Sequence+1, head.SHA256, k.repo.instance, k.key.Fingerprint()
	data, err := signEntry(e, k.key, k.signers)
	require.NoError(k.t, err)
	require.NoError(k.t, os.MkdirAll(k.path(backup.LedgerDir), 0o700))
	require.NoError(k.t, os.WriteFile(k.path(backup.LedgerDir, backup.LedgerFile(e.Sequence)), data, 0o600))
	line, _ := splitEntry(data)
	return headOf(e.Sequence, line)
}

// put makes a backup without entering it in the ledger.
func (k *keeper) put() *kept {
	k.t.Helper()
	ctx := context.Background()
	k.clock = k.clock.Add(time.Duration(1+k.random.IntN(90_000)) * time.Second)
	id, err := backup.NewID(randomBytes{k.random})
	require.NoError(k.t, err)
	require.NoError(k.t, k.repo.Begin(ctx, id))
	require.NoError(k.t, k.store.MkdirAll(ctx, k.repo.at(backup.BackupsDir)))
	b := &kept{id: id, folder: backup.FolderName(id, k.clock)}
	b.backupKey, err = seal.NewBackupKey(k.to)
	require.NoError(k.t, err)
	files, result := k.parts(id, b.backupKey)
	b.manifest = &backup.Manifest{
		Format: backup.FormatVersion, Product: "test", BackupID: id, Instance: backup.Instance{Name: k.repo.instance},
		Status: backup.Succeeded, StartedAt: k.clock, FinishedAt: k.clock, RequestedBy: "test", Services: []backup.ServiceResult{result},
		Files: files, Recipients: []backup.Recipient{{Kind: k.to.Kind, Fingerprint: k.to.Fingerprint}},
		BackupKey: b.backupKey.Recipient(), Signer: k.key.Fingerprint(),
	}
	encoded, err := b.manifest.Encode()
	require.NoError(k.t, err)
	keyFile, sums, signature := k.seal(b)
	b.sums = sums
	for name, data := range map[string][]byte{
		backup.ManifestFile: encoded, backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature,
	} {
		_, err := k.repo.Put(ctx, id, name, data)
		require.NoError(k.t, err)
	}
	require.NoError(k.t, k.repo.WriteInstanceFiles(ctx, k.signers))
	return b
}

// seal wraps the backup's key anew and makes the sums and the signature that go with
// it.
func (k *keeper) seal(b *kept) (keyFile, sums, signature []byte) {
	k.t.Helper()
	keyFile, err := b.backupKey.Wrap([]seal.Recipient{k.to})
	require.NoError(k.t, err)
	encoded, err := b.manifest.Encode()
	require.NoError(k.t, err)
	sums = backup.EncodeSums(append(slices.Clone(b.manifest.Files), describe(backup.ManifestFile, encoded), describe(backup.KeyFile, keyFile)))
	signature, err = k.key.Sign(sums)
	require.NoError(k.t, err)
	return keyFile, sums, signature
}

// parts writes one part and the catalogue.
func (k *keeper) parts(id backup.ID, key *seal.BackupKey) ([]backup.File, backup.ServiceResult) {
	k.t.Helper()
	var part, catalog bytes.Buffer
	partSeal, err := seal.Encrypt(&part, key.Recipient())
	require.NoError(k.t, err)
	catalogSeal, err := seal.Encrypt(&catalog, key.Recipient())
	require.NoError(k.t, err)
	list := archive.NewCatalogWriter(catalogSeal)
	w, err := archive.NewWriter(partSeal, backup.AD, list.Add)
	require.NoError(k.t, err)
	for i := range 1 + k.random.IntN(3) {
		require.NoError(k.t, w.Record(backup.Item{Kind: "thing", ID: fmt.Sprint(i), Name: "thing"}, fmt.Appendf(nil, `{"n":%d}`, k.random.Uint32())))
	}
	summary, err := w.Close()
	require.NoError(k.t, err)
	require.NoError(k.t, list.Close())
	require.NoError(k.t, partSeal.Close())
	require.NoError(k.t, catalogSeal.Close())
	files := []backup.File{describe(backup.PartFile(backup.AD), part.Bytes()), describe(backup.CatalogFile, catalog.Bytes())}
	for i, data := range []*bytes.Buffer{&part, &catalog} {
		require.NoError(k.t, k.repo.Upload(context.Background(), id, files[i], bytes.NewReader(data.Bytes()), UploadOptions{Token: "t"}))
	}
	return files, backup.ServiceResult{
		Service: backup.AD, Status: backup.Succeeded, File: files[0].Name, Items: summary.Items, Bytes: files[0].Size, PlainBytes: summary.PlainBytes,
	}
}

// publish gives a backup that was put together its name.
func (k *keeper) publish(b *kept) {
	k.t.Helper()
	_, err := k.repo.Publish(context.Background(), b.id, b.manifest.StartedAt)
	require.NoError(k.t, err)
	k.live = append(k.live, b)
}

// backUp makes, publishes and enters a backup.
func (k *keeper) backUp() *kept {
	k.t.Helper()
	b := k.put()
	k.publish(b)
	k.enter(k.entry(backup.LedgerCreated, b))
	return b
}

// remove removes a backup and enters that.
func (k *keeper) remove(b *kept, action backup.LedgerAction) {
	k.t.Helper()
	_, err := k.repo.Delete(context.Background(), b.id, false)
	require.NoError(k.t, err)
	k.enter(k.entry(action, b))
	k.live = slices.DeleteFunc(k.live, func(o *kept) bool { return o == b })
}

// rewrap replaces the key of a backup, as far as the store goes, and enters that.
func (k *keeper) rewrap(b *kept) {
	k.t.Helper()
	keyFile, sums, signature := k.seal(b)
	for name, data := range map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature} {
		require.NoError(k.t, k.repo.write(context.Background(), k.repo.at(backup.BackupsDir, b.folder, name), data))
	}
	b.sums = sums
	k.enter(k.entry(backup.LedgerRewrapped, b))
}

// path is a file of the instance in the file system.
func (k *keeper) path(elements ...string) string {
	return filepath.Join(append([]string{k.folder, k.repo.instance}, elements...)...)
}

// of is a file of a backup in the file system.
func (k *keeper) of(b *kept, elements ...string) string {
	return k.path(append([]string{backup.BackupsDir, b.folder}, elements...)...)
}

// options are those of an audit by the controller itself.
func (k *keeper) options() AuditOptions {
	head := k.head
	return AuditOptions{AllowedSigners: k.signers, Head: &head}
}

// verify verifies everything.
func (k *keeper) verify(opts AuditOptions) backup.Audit {
	k.t.Helper()
	audit, err := k.repo.VerifyAll(context.Background(), opts, nil)
	require.NoError(k.t, err)
	return audit
}

// requireGood makes sure that nothing is found.
func (k *keeper) requireGood() {
	k.t.Helper()
	audit := k.verify(k.options())
	require.True(k.t, audit.Good(), "%+v", audit)
	require.Len(k.t, audit.Backups, len(k.live))
	require.Equal(k.t, k.head, audit.Head)
	require.Zero(k.t, audit.Foreign, "all of it is the product's")
}

// snapshot copies the instance's folder away, and restore brings the copy back.
func (k *keeper) snapshot() string {
	k.t.Helper()
	to := filepath.Join(k.t.TempDir(), "copy")
	require.NoError(k.t, os.CopyFS(to, os.DirFS(k.path())))
	return to
}

func (k *keeper) restore(from string) {
	k.t.Helper()
	require.NoError(k.t, os.RemoveAll(k.path()))
	require.NoError(k.t, os.CopyFS(k.path(), os.DirFS(from)))
}

// all are the findings of an audit and of its backups.
func all(a backup.Audit) []backup.Finding {
	out := slices.Clone(a.Findings)
	for _, v := range a.Backups {
		out = append(out, v.Findings...)
	}
	return out
}
