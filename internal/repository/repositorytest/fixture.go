package repositorytest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
)

// Controller is who writes to a fixture's folder.
const Controller = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

// Fixture makes backups on a share and keeps its ledger, as a controller does.
type Fixture struct {
	T       testing.TB
	Folder  string // of the share
	Store   share.Store
	Repo    *repository.Repository
	Key     *seal.SigningKey // in use
	Signers []byte           // that are trusted
	IDs     []seal.Identity  // that open the backups
	To      seal.Recipient   // to which they are encrypted
	Random  *rand.Rand
	Clock   time.Time
	// Fill, when not nil, writes the items of the next backups, which are drawn otherwise.
	Fill func(w *archive.Writer) error

	Head backup.LedgerHead
	Live []*Backup // that were published and not removed, oldest first
}

// Backup is a backup on the share.
type Backup struct {
	ID        backup.ID
	Folder    string // its name
	Sums      []byte
	Manifest  *backup.Manifest
	BackupKey *seal.BackupKey
}

// SigningKey makes one.
func SigningKey(t testing.TB) *seal.SigningKey {
	t.Helper()
	text, err := seal.GenerateSigningKey(RandomBytes{rand.New(rand.NewPCG(rand.Uint64(), 1))})
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return key
}

// RandomBytes makes a reader of a source of numbers.
type RandomBytes struct{ *rand.Rand }

// Read implements io.Reader.
func (r RandomBytes) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return len(p), nil
}

// New makes an instance on a folder of its own. The same seed makes the same history.
func New(t testing.TB, seed uint64) *Fixture {
	t.Helper()
	return NewIn(t, t.TempDir(), seed)
}

// NewIn is New on a folder that is there.
func NewIn(t testing.TB, folder string, seed uint64) *Fixture {
	t.Helper()
	store, err := dir.Open(folder)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	k := &Fixture{T: t, Folder: folder, Store: store, Key: SigningKey(t), Random: rand.New(rand.NewPCG(seed, 2)),
		Clock: time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)}
	k.Repo = repository.New(store, "local")
	k.Signers = seal.AllowedSigners(k.Key.Public())
	text, recipient, err := seal.GenerateIdentity(false, k.Clock)
	require.NoError(t, err)
	k.To = recipient
	k.IDs, err = seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return k
}

// Entry is what is recorded of a backup, or of none.
func (k *Fixture) Entry(action backup.LedgerAction, b *Backup) backup.LedgerEntry {
	e := backup.LedgerEntry{At: k.Clock, Controller: Controller, Action: action, By: "test"}
	if b == nil {
		return e
	}
	e.BackupID, e.Folder = b.ID, b.Folder
	if action != backup.LedgerDeleted && action != backup.LedgerPruned {
		e.SumsSHA256, e.Recipients = folder.Describe("", b.Sums).SHA256, b.Manifest.Recipients
	}
	return e
}

// Enter appends to the ledger.
func (k *Fixture) Enter(e backup.LedgerEntry) {
	k.T.Helper()
	next, own, err := k.Repo.Ledger().Append(context.Background(), k.Head, e, k.Key, k.Signers)
	require.NoError(k.T, err)
	require.True(k.T, own)
	k.Head = next
}

// Forge writes an entry behind a head that the ledger need not have, as somebody who has
// the signing key may, and returns the head that names it.
func (k *Fixture) Forge(head backup.LedgerHead, e backup.LedgerEntry) backup.LedgerHead {
	k.T.Helper()
	e.Sequence, e.Previous, e.Instance, e.Signer = head.Sequence+1, head.SHA256, k.Repo.Files().Instance(), k.Key.Fingerprint()
	line, err := e.Encode()
	require.NoError(k.T, err)
	signature, err := k.Key.Sign(line)
	require.NoError(k.T, err)
	data := append(slices.Clone(line), signature...)
	require.NoError(k.T, os.MkdirAll(k.Path(backup.LedgerDir), 0o700))
	require.NoError(k.T, os.WriteFile(k.Path(backup.LedgerDir, backup.LedgerFile(e.Sequence)), data, 0o600))
	return backup.LedgerHead{Sequence: e.Sequence, SHA256: folder.Describe("", line).SHA256}
}

// Put makes a backup without entering it in the ledger.
func (k *Fixture) Put() *Backup {
	k.T.Helper()
	ctx := context.Background()
	k.Clock = k.Clock.Add(time.Duration(1+k.Random.IntN(90_000)) * time.Second)
	id, err := backup.NewID(RandomBytes{k.Random})
	require.NoError(k.T, err)
	require.NoError(k.T, k.Repo.Begin(ctx, id))
	require.NoError(k.T, k.Store.MkdirAll(ctx, k.Repo.Files().At(backup.BackupsDir)))
	b := &Backup{ID: id, Folder: backup.FolderName(id, k.Clock)}
	b.BackupKey, err = seal.NewBackupKey(k.To)
	require.NoError(k.T, err)
	files, result := k.parts(id, b.BackupKey)
	b.Manifest = &backup.Manifest{
		Format: backup.FormatVersion, Product: "test", BackupID: id, Instance: backup.Instance{Name: k.Repo.Files().Instance()},
		Status: backup.Succeeded, StartedAt: k.Clock, FinishedAt: k.Clock, RequestedBy: "test", Services: []backup.ServiceResult{result},
		Files: files, Recipients: []backup.Recipient{{Kind: k.To.Kind, Fingerprint: k.To.Fingerprint}},
		BackupKey: b.BackupKey.Recipient(), Signer: k.Key.Fingerprint(),
	}
	encoded, err := b.Manifest.Encode()
	require.NoError(k.T, err)
	keyFile, sums, signature := k.Seal(b)
	b.Sums = sums
	for name, data := range map[string][]byte{
		backup.ManifestFile: encoded, backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature,
	} {
		_, err := k.Repo.Put(ctx, id, name, data)
		require.NoError(k.T, err)
	}
	require.NoError(k.T, k.Repo.WriteInstanceFiles(ctx, k.Signers))
	return b
}

// Seal wraps the backup's key again and makes the sums and the signature that go with
// it.
func (k *Fixture) Seal(b *Backup) (keyFile, sums, signature []byte) {
	k.T.Helper()
	keyFile, err := b.BackupKey.Wrap([]seal.Recipient{k.To})
	require.NoError(k.T, err)
	encoded, err := b.Manifest.Encode()
	require.NoError(k.T, err)
	sums = backup.EncodeSums(append(slices.Clone(b.Manifest.Files), folder.Describe(backup.ManifestFile, encoded), folder.Describe(backup.KeyFile, keyFile)))
	signature, err = k.Key.Sign(sums)
	require.NoError(k.T, err)
	return keyFile, sums, signature
}

// parts writes one part and the catalog.
func (k *Fixture) parts(id backup.ID, key *seal.BackupKey) ([]backup.File, backup.ServiceResult) {
	k.T.Helper()
	var part, catalog bytes.Buffer
	partSeal, err := seal.Encrypt(&part, key.Recipient())
	require.NoError(k.T, err)
	catalogSeal, err := seal.Encrypt(&catalog, key.Recipient())
	require.NoError(k.T, err)
	list := archive.NewCatalogWriter(catalogSeal)
	w, err := archive.NewWriter(partSeal, backup.AD, list.Add)
	require.NoError(k.T, err)
	fill := k.Fill
	if fill == nil {
		fill = k.draw
	}
	require.NoError(k.T, fill(w))
	summary, err := w.Close()
	require.NoError(k.T, err)
	require.NoError(k.T, list.Close())
	require.NoError(k.T, partSeal.Close())
	require.NoError(k.T, catalogSeal.Close())
	files := []backup.File{folder.Describe(backup.PartFile(backup.AD), part.Bytes()), folder.Describe(backup.CatalogFile, catalog.Bytes())}
	for i, data := range []*bytes.Buffer{&part, &catalog} {
		require.NoError(k.T, k.Repo.Upload(context.Background(), id, files[i], bytes.NewReader(data.Bytes()), repository.UploadOptions{Token: "t"}))
	}
	return files, backup.ServiceResult{
		Service: backup.AD, Status: backup.Succeeded, File: files[0].Name, Items: summary.Items, Bytes: files[0].Size, PlainBytes: summary.PlainBytes,
	}
}

// draw writes some items.
func (k *Fixture) draw(w *archive.Writer) error {
	for i := range 1 + k.Random.IntN(3) {
		if err := w.Record(backup.Item{Kind: "thing", ID: fmt.Sprint(i), Name: "thing"}, fmt.Appendf(nil, `{"n":%d}`, k.Random.Uint32())); err != nil {
			return err
		}
	}
	return nil
}

// Publish gives a backup that was put together its name.
func (k *Fixture) Publish(b *Backup) {
	k.T.Helper()
	_, err := k.Repo.Publish(context.Background(), b.ID, b.Manifest.StartedAt)
	require.NoError(k.T, err)
	k.Live = append(k.Live, b)
}

// BackUp makes, publishes and enters a backup.
func (k *Fixture) BackUp() *Backup {
	k.T.Helper()
	b := k.Put()
	k.Publish(b)
	k.Enter(k.Entry(backup.LedgerCreated, b))
	return b
}

// Remove removes a backup and enters that.
func (k *Fixture) Remove(b *Backup, action backup.LedgerAction) {
	k.T.Helper()
	_, err := k.Repo.Delete(context.Background(), b.ID, repository.DeleteOptions{})
	require.NoError(k.T, err)
	k.Enter(k.Entry(action, b))
	k.Live = slices.DeleteFunc(k.Live, func(o *Backup) bool { return o == b })
}

// Rewrap replaces the key of a backup, as far as the store goes, and enters that.
func (k *Fixture) Rewrap(b *Backup) {
	k.T.Helper()
	keyFile, sums, signature := k.Seal(b)
	for name, data := range map[string][]byte{backup.KeyFile: keyFile, backup.SumsFile: sums, backup.SignatureFile: signature} {
		require.NoError(k.T, k.Repo.Files().Write(context.Background(), k.Repo.Files().At(backup.BackupsDir, b.Folder, name), data))
	}
	b.Sums = sums
	k.Enter(k.Entry(backup.LedgerRewrapped, b))
}

// Path is a file of the instance in the file system.
func (k *Fixture) Path(elements ...string) string {
	return filepath.Join(append([]string{k.Folder, k.Repo.Files().Instance()}, elements...)...)
}

// Of is a file of a backup in the file system.
func (k *Fixture) Of(b *Backup, elements ...string) string {
	return k.Path(append([]string{backup.BackupsDir, b.Folder}, elements...)...)
}

// Options are those of an audit by the controller itself.
func (k *Fixture) Options() audit.Options {
	head := k.Head
	return audit.Options{AllowedSigners: k.Signers, Head: &head}
}

// Verify verifies everything.
func (k *Fixture) Verify(opts audit.Options) backup.Audit {
	k.T.Helper()
	found, err := audit.VerifyAll(context.Background(), k.Repo, opts, nil)
	require.NoError(k.T, err)
	return found
}

// RequireGood makes sure that nothing is found.
func (k *Fixture) RequireGood() {
	k.T.Helper()
	found := k.Verify(k.Options())
	require.True(k.T, found.Good(), "%+v", found)
	require.Len(k.T, found.Backups, len(k.Live))
	require.Equal(k.T, k.Head, found.Head)
	require.Zero(k.T, found.Foreign, "all of it is the product's")
}

// Snapshot copies the instance's folder away.
func (k *Fixture) Snapshot() string {
	k.T.Helper()
	to := filepath.Join(k.T.TempDir(), "copy")
	require.NoError(k.T, os.CopyFS(to, os.DirFS(k.Path())))
	return to
}

// Restore brings back a copy that Snapshot made.
func (k *Fixture) Restore(from string) {
	k.T.Helper()
	require.NoError(k.T, os.RemoveAll(k.Path()))
	require.NoError(k.T, os.CopyFS(k.Path(), os.DirFS(from)))
}

// All are the findings of an audit and of its backups.
func All(a backup.Audit) []backup.Finding {
	out := slices.Clone(a.Findings)
	for _, v := range a.Backups {
		out = append(out, v.Findings...)
	}
	return out
}

// One verifies one backup as a controller does.
func (k *Fixture) One(b *Backup, opts audit.Options) backup.Verdict {
	k.T.Helper()
	v, err := audit.VerifyOne(context.Background(), k.Repo, backup.Ref{ID: b.ID}, audit.OneOptions{Options: opts})
	require.NoError(k.T, err)
	require.Equal(k.T, b.ID, v.BackupID)
	require.NotNil(k.T, v.Ledger)
	return v
}

// Trust adds a key to those that are trusted.
func (k *Fixture) Trust(key *seal.SigningKey) {
	known, err := seal.ParseAllowedSigners(k.Signers)
	require.NoError(k.T, err)
	if !slices.Contains(known, key.Public()) {
		known = append(known, key.Public())
	}
	k.Signers = seal.AllowedSigners(known...)
}

// Rotate lets the current key introduce a new one, and returns the old one.
func (k *Fixture) Rotate() *seal.SigningKey {
	k.T.Helper()
	former, next := k.Key, SigningKey(k.T)
	k.Trust(next)
	k.Present(next)
	k.Key = next
	return former
}

// Present enters that a key is the current one from now on.
func (k *Fixture) Present(key *seal.SigningKey) {
	k.T.Helper()
	e := k.Entry(backup.LedgerSigner, nil)
	e.Key = key.Public()
	k.Enter(e)
}

// TakeOver lets a controller with a new key go on, and returns the old one.
func (k *Fixture) TakeOver() *seal.SigningKey {
	k.T.Helper()
	former := k.Key
	k.Key = SigningKey(k.T)
	k.Trust(k.Key)
	k.Enter(k.Entry(backup.LedgerTakenOver, nil))
	return former
}

// By makes an entry with another key than the current one.
func (k *Fixture) By(key *seal.SigningKey, e backup.LedgerEntry) {
	k.T.Helper()
	current := k.Key
	k.Key = key
	k.Enter(e)
	k.Key = current
}

// Operation is an entry about a backup that only the ledger knows.
func (k *Fixture) Operation(n int) backup.LedgerEntry {
	id := backup.ID(fmt.Sprintf("%08x-5a59-4b0e-9a43-5f0f0f7f6a11", n))
	return backup.LedgerEntry{
		At: k.Clock, Controller: Controller, Action: backup.LedgerCreated, BackupID: id,
		Folder: backup.FolderName(id, k.Clock), SumsSHA256: strings.Repeat("a", 64), By: "test",
	}
}
