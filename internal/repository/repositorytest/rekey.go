package repositorytest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/share/sharetest"
)

// Start is when the backup of a [RekeyFixture] was started, and ID which it is.
var Start = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// ID is that of a backup.
const ID = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// Keys is an operator's key.
type Keys struct {
	Identity  seal.Identity
	Recipient seal.Recipient
}

// NewKeys makes a key.
func NewKeys(t testing.TB, postQuantum bool) Keys {
	t.Helper()
	text, r, err := seal.GenerateIdentity(postQuantum, Start)
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return Keys{Identity: ids[0], Recipient: r}
}

// RSAKeys is one for all tests, since making one takes long.
var RSAKeys = sync.OnceValue(func() Keys {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ids, err := seal.ParseIdentities(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	if err != nil {
		panic(err)
	}
	return Keys{Identity: ids[0], Recipient: ids[0].Recipient()}
})

// Rewrapped is a key file, wrapped to others.
func Rewrapped(t testing.TB, keyAge []byte, from Keys, to ...seal.Recipient) []byte {
	t.Helper()
	again, err := seal.Rewrap(keyAge, []seal.Identity{from.Identity}, to)
	require.NoError(t, err)
	return again
}

// RekeyFixture is a share with backups, made the way a run makes them.
type RekeyFixture struct {
	*repository.Repository
	T       *testing.T
	Store   *sharetest.Crashing
	Lying   *LyingStore
	Folder  string // of the instance, on the local disk
	Signer  *seal.SigningKey
	Signers []byte
	Old     Keys
	KeyAge  []byte // of the backup that was made last
}

// NewRekey makes a share without backups.
func NewRekey(t *testing.T) *RekeyFixture {
	t.Helper()
	root := t.TempDir()
	local, err := dir.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	w := &RekeyFixture{T: t, Lying: &LyingStore{Store: local}, Folder: filepath.Join(root, "lab"), Signer: SigningKey(t), Old: NewKeys(t, false)}
	w.Store = &sharetest.Crashing{Store: w.Lying}
	w.Repository = repository.New(w.Store, "lab")
	w.Signers = []byte(seal.AllowedSignersLine(w.Signer.Public()))
	require.NoError(t, w.Beside())
	return w
}

// Beside writes what lies beside the backups.
func (w *RekeyFixture) Beside() error {
	if err := w.Store.MkdirAll(w.T.Context(), w.Files().At(backup.BackupsDir)); err != nil {
		return err
	}
	return w.WriteInstanceFiles(w.T.Context(), w.Signers)
}

// Make puts a backup together and publishes it.
func (w *RekeyFixture) Make(id backup.ID, started time.Time) {
	t, ctx := w.T, w.T.Context()
	t.Helper()
	key, err := seal.NewBackupKey(w.Old.Recipient)
	require.NoError(t, err)
	require.NoError(t, w.Begin(ctx, id))
	m := &backup.Manifest{
		Format: backup.FormatVersion, Product: "test", BackupID: id, Status: backup.PartialSucceeded,
		Instance: backup.Instance{Name: "lab", FQDN: "azurestack.example"}, StartedAt: started, FinishedAt: started.Add(time.Minute),
		BackupKey: key.Recipient(), Signer: w.Signer.Fingerprint(),
		Recipients: []backup.Recipient{{Kind: w.Old.Recipient.Kind, Fingerprint: w.Old.Recipient.Fingerprint}},
	}
	put := func(name string, data []byte) backup.File {
		file, err := w.Put(ctx, id, name, data)
		require.NoError(t, err)
		return file
	}
	var entries []backup.CatalogEntry
	for _, service := range []backup.Service{backup.AD, backup.CA} {
		part := sealed(t, key, func(out io.Writer) {
			items, err := archive.NewWriter(out, service, func(e backup.CatalogEntry) error { entries = append(entries, e); return nil })
			require.NoError(t, err)
			for i := range 3 {
				require.NoError(t, items.Record(backup.Item{Kind: "thing", ID: fmt.Sprint(i), Name: string(id)}, []byte(`{"a":1}`)))
			}
			blob := make([]byte, 1000)
			_, _ = rand.Read(blob)
			require.NoError(t, items.File(backup.Item{Kind: "file", ID: "f", Name: "f"}, collect.FileInfo{Path: "files/f", Size: int64(len(blob)), Mode: 0o600, ModTime: started}, bytes.NewReader(blob)))
			_, err = items.Close()
			require.NoError(t, err)
		})
		file := put(backup.PartFile(service), part)
		m.Files = append(m.Files, file)
		m.Services = append(m.Services, backup.ServiceResult{Service: service, Status: backup.Succeeded, File: file.Name, Items: 4, Bytes: file.Size})
	}
	m.Services = append(m.Services, backup.ServiceResult{Service: backup.ARM, Status: backup.Failed, Code: "SOURCE_UNREACHABLE"})
	m.Files = append(m.Files, put(backup.CatalogFile, sealed(t, key, func(out io.Writer) {
		catalog := archive.NewCatalogWriter(out)
		for _, entry := range entries {
			require.NoError(t, catalog.Add(entry))
		}
		require.NoError(t, catalog.Close())
	})))
	for _, file := range m.Files {
		m.TotalBytes += file.Size
	}
	w.KeyAge, err = key.Wrap([]seal.Recipient{w.Old.Recipient})
	require.NoError(t, err)
	encoded, err := m.Encode()
	require.NoError(t, err)
	sums := backup.EncodeSums(append(m.Files[:len(m.Files):len(m.Files)], put(backup.ManifestFile, encoded), put(backup.KeyFile, w.KeyAge)))
	put(backup.SumsFile, sums)
	signature, err := w.Signer.Sign(sums)
	require.NoError(t, err)
	put(backup.SignatureFile, signature)
	_, err = w.Publish(ctx, id, started)
	require.NoError(t, err)
}

// sealed is what fill writes, encrypted to a backup key.
func sealed(t testing.TB, key *seal.BackupKey, fill func(io.Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := seal.Encrypt(&out, key.Recipient())
	require.NoError(t, err)
	fill(w)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// File is the path of a file of the backup [ID], on the local disk.
func (w *RekeyFixture) File(name string) string {
	return filepath.Join(w.Folder, backup.BackupPath(ID, Start), name)
}

// Sums is the digest of the SHA256SUMS of the backup [ID].
func (w *RekeyFixture) Sums() string {
	w.T.Helper()
	data, err := os.ReadFile(w.File(backup.SumsFile))
	require.NoError(w.T, err)
	return folder.Describe("", data).SHA256
}

// VerifyWith reads the whole backup with an operator's key and finds nothing wrong.
func VerifyWith(t *testing.T, r *repository.Repository, k Keys, signers []byte, id backup.ID) {
	t.Helper()
	verdict, err := audit.Verify(t.Context(), r, id, audit.VerifyOptions{AllowedSigners: signers, Identities: []seal.Identity{k.Identity}})
	require.NoError(t, err)
	require.Empty(t, verdict.Findings)
	require.EqualValues(t, 8, verdict.Items)
}

// Verify reads the whole backup [ID] and finds nothing wrong.
func (w *RekeyFixture) Verify(k Keys) {
	w.T.Helper()
	VerifyWith(w.T, w.Repository, k, w.Signers, ID)
}

// Unlock opens the backup's key.
func (w *RekeyFixture) Unlock(id backup.ID, k ...Keys) (seal.Identity, error) {
	b, err := w.Open(w.T.Context(), backup.Ref{ID: id})
	if err != nil {
		return seal.Identity{}, err
	}
	keyAge, err := b.KeyFile(w.T.Context())
	if err != nil {
		return seal.Identity{}, err
	}
	var ids []seal.Identity
	for _, k := range k {
		ids = append(ids, k.Identity)
	}
	return seal.OpenBackupKey(keyAge, ids)
}

// Content reads a tree, for comparing, without what matches one of the suffixes.
func Content(t *testing.T, folder string, without ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		for _, suffix := range without {
			if strings.HasSuffix(path, suffix) {
				return nil
			}
		}
		data, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, folder)] = string(data)
		return err
	}))
	return all
}

// RestoreTree puts a tree back that [Content] read.
func RestoreTree(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(folder))
	for name, data := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600))
	}
}

// Without leaves out what lies below a folder.
func Without(files map[string]string, folder string) map[string]string {
	for name := range files {
		if strings.HasPrefix(name, folder+"/") {
			delete(files, name)
		}
	}
	return files
}

// Age sets the time of everything in staging/ back.
func (w *RekeyFixture) Age(by time.Duration) {
	w.T.Helper()
	at := time.Now().Add(-by)
	require.NoError(w.T, filepath.WalkDir(filepath.Join(w.Folder, backup.StagingDir), func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, at, at)
	}))
}
