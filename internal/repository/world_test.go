package repository

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
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
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/tests/tier"
)

var testStart = time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)

// way is how a store dies in the middle of a call.
type way int

// The ways.
const (
	before way = iota // nothing of the call is done
	half              // of an upload, half of the bytes arrive; other calls are done
	after             // the call is done and the reply is lost
)

var ways = []way{before, half, after}

func (w way) String() string { return [...]string{"before", "half", "after"}[w] }

// mortal is a store that fails at one of the calls that change something. From then on
// every call fails, until it is revived, unless it only stumbles.
type mortal struct {
	share.Store
	dieAt   int // 1 for the first call; 0 for never
	way     way
	stumble bool
	calls   int
	hit     bool // it has failed
	dead    bool
	written int64
}

var errDead = fault.Newf(fault.ShareUnreachable, "the store is dead")

// revive makes the store live for ever.
func (m *mortal) revive() { m.dieAt, m.dead = 0, false }

func (m *mortal) kill(at int, w way, stumble bool) {
	m.dieAt, m.way, m.stumble, m.calls, m.hit, m.dead = at, w, stumble, 0, false, false
}

func (m *mortal) change(call func(half bool) error) error {
	if m.dead {
		return errDead
	}
	m.calls++
	if m.calls != m.dieAt {
		return call(false)
	}
	m.hit, m.dead = true, !m.stumble
	if m.way != before {
		if err := call(m.way == half); err != nil {
			return err
		}
	}
	return errDead
}

// Upload implements share.Store.
func (m *mortal) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	return m.change(func(cut bool) error {
		if cut {
			size /= 2
		}
		m.written += size - from
		return m.Store.Upload(ctx, path, src, from, size, flushed)
	})
}

// MkdirAll implements share.Store.
func (m *mortal) MkdirAll(ctx context.Context, path string) error {
	return m.change(func(bool) error { return m.Store.MkdirAll(ctx, path) })
}

// Rename implements share.Store.
func (m *mortal) Rename(ctx context.Context, from, to string) error {
	return m.change(func(bool) error { return m.Store.Rename(ctx, from, to) })
}

// Remove implements share.Store.
func (m *mortal) Remove(ctx context.Context, path string) error {
	return m.change(func(bool) error { return m.Store.Remove(ctx, path) })
}

// Stat implements share.Store.
func (m *mortal) Stat(ctx context.Context, path string) (share.Info, error) {
	if m.dead {
		return share.Info{}, errDead
	}
	return m.Store.Stat(ctx, path)
}

// List implements share.Store.
func (m *mortal) List(ctx context.Context, path string) ([]share.Info, error) {
	if m.dead {
		return nil, errDead
	}
	return m.Store.List(ctx, path)
}

// Strangers implements share.Store.
func (m *mortal) Strangers(ctx context.Context, path string) ([]string, error) {
	if m.dead {
		return nil, errDead
	}
	return m.Store.Strangers(ctx, path)
}

// Download implements share.Store.
func (m *mortal) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	if m.dead {
		return 0, errDead
	}
	return m.Store.Download(ctx, path, offset, w)
}

// Open implements share.Store.
func (m *mortal) Open(ctx context.Context, path string) (share.File, error) {
	if m.dead {
		return nil, errDead
	}
	return m.Store.Open(ctx, path)
}

// keys is an operator's key.
type keys struct {
	identity  seal.Identity
	recipient seal.Recipient
}

func newKeys(t testing.TB, postQuantum bool) keys {
	t.Helper()
	text, r, err := seal.GenerateIdentity(postQuantum, testStart)
	require.NoError(t, err)
	ids, err := seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(t, err)
	return keys{identity: ids[0], recipient: r}
}

// rsaKeys is one for all tests, since making one takes long.
var rsaKeys = sync.OnceValue(func() keys {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	ids, err := seal.ParseIdentities(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	if err != nil {
		panic(err)
	}
	return keys{identity: ids[0], recipient: ids[0].Recipient()}
})

func newSigner(t testing.TB) *seal.SigningKey {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return key
}

func wrapped(t testing.TB, keyAge []byte, from keys, to ...seal.Recipient) []byte {
	t.Helper()
	again, err := seal.Rewrap(keyAge, []seal.Identity{from.identity}, to)
	require.NoError(t, err)
	return again
}

// world is a share with backups, made the way a run makes them.
type world struct {
	*Repository
	t       *testing.T
	store   *mortal
	lying   *lying
	folder  string // of the instance
	signer  *seal.SigningKey
	signers []byte
	old     keys
	keyAge  []byte // of the backup testID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root := t.TempDir()
	local, err := dir.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	w := &world{t: t, lying: &lying{Store: local}, folder: filepath.Join(root, "lab"), signer: newSigner(t), old: newKeys(t, false)}
	w.store = &mortal{Store: w.lying}
	w.Repository = New(w.store, "lab")
	w.signers = []byte(seal.AllowedSignersLine(w.signer.Public()))
	require.NoError(t, w.beside())
	return w
}

// beside writes what lies beside the backups.
func (w *world) beside() error {
	if err := w.store.MkdirAll(w.t.Context(), w.at(backup.BackupsDir)); err != nil {
		return err
	}
	return w.WriteInstanceFiles(w.t.Context(), w.signers)
}

// make puts a backup together and publishes it.
func (w *world) make(id backup.ID, started time.Time) {
	t, ctx := w.t, w.t.Context()
	t.Helper()
	key, err := seal.NewBackupKey(w.old.recipient)
	require.NoError(t, err)
	require.NoError(t, w.Begin(ctx, id))
	m := &backup.Manifest{
		Format: backup.FormatVersion, Product: "test", BackupID: id, Status: backup.PartialSucceeded,
		Instance: backup.Instance{Name: "lab", FQDN: "azurestack.example"}, StartedAt: started, FinishedAt: started.Add(time.Minute),
		BackupKey: key.Recipient(), Signer: w.signer.Fingerprint(),
		Recipients: []backup.Recipient{{Kind: w.old.recipient.Kind, Fingerprint: w.old.recipient.Fingerprint}},
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
	w.keyAge, err = key.Wrap([]seal.Recipient{w.old.recipient})
	require.NoError(t, err)
	encoded, err := m.Encode()
	require.NoError(t, err)
	sums := backup.EncodeSums(append(m.Files[:len(m.Files):len(m.Files)], put(backup.ManifestFile, encoded), put(backup.KeyFile, w.keyAge)))
	put(backup.SumsFile, sums)
	signature, err := w.signer.Sign(sums)
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

// file is the path of a file of the backup testID, on the local disk.
func (w *world) file(name string) string {
	return filepath.Join(w.folder, backup.BackupPath(testID, testStart), name)
}

func (w *world) sums() string {
	w.t.Helper()
	data, err := os.ReadFile(w.file(backup.SumsFile))
	require.NoError(w.t, err)
	return describe("", data).SHA256
}

// verify reads the whole backup with an operator's key and finds nothing wrong.
func (r *Repository) verifyWith(t *testing.T, k keys, signers []byte, id backup.ID) {
	t.Helper()
	verdict, err := r.Verify(t.Context(), id, VerifyOptions{AllowedSigners: signers, Identities: []seal.Identity{k.identity}})
	require.NoError(t, err)
	require.Empty(t, verdict.Findings)
	require.EqualValues(t, 8, verdict.Items)
}

func (w *world) verify(k keys) {
	w.t.Helper()
	w.verifyWith(w.t, k, w.signers, testID)
}

// open opens the backup's key.
func (w *world) open(id backup.ID, k ...keys) (seal.Identity, error) {
	b, err := w.Open(w.t.Context(), id)
	if err != nil {
		return seal.Identity{}, err
	}
	keyAge, err := b.KeyFile(w.t.Context())
	if err != nil {
		return seal.Identity{}, err
	}
	var ids []seal.Identity
	for _, k := range k {
		ids = append(ids, k.identity)
	}
	return seal.OpenBackupKey(keyAge, ids)
}

// content reads a tree, for comparing, without what matches one of the suffixes.
func content(t *testing.T, folder string, without ...string) map[string]string {
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

// restore puts a tree back that content read.
func restore(t *testing.T, folder string, files map[string]string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(folder))
	for name, data := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600))
	}
}

// everyDeath runs do with a store that dies or stumbles at its first call, then at its
// second and so on, in every way, until do lives through it. Begin makes the world new
// each time, and look looks after the death.
func everyDeath(t *testing.T, store *mortal, begin func(), do func() error, look func(t *testing.T)) {
	t.Helper()
	deathsOf(t, store, []bool{false, true}, begin, do, look)
}

// deathsOf is everyDeath with stores that only die or only stumble.
func deathsOf(t *testing.T, store *mortal, stumbles []bool, begin func(), do func() error, look func(t *testing.T)) {
	t.Helper()
	deaths, step := 0, tier.Size(5, 1, 1)
	for _, stumble := range stumbles {
		for _, w := range ways {
			for n := 1; ; n += step {
				require.Less(t, n, 200)
				begin()
				store.kill(n, w, stumble)
				err := do()
				hit := store.hit
				store.revive()
				if !hit {
					require.NoError(t, err)
					break
				}
				require.True(t, err == nil && stumble || errors.Is(err, errDead), "%v", err)
				deaths++
				t.Run(fmt.Sprintf("call %d, %s, stumbles %t", n, w, stumble), look)
			}
		}
	}
	require.Greater(t, step*deaths, 3*len(ways))
}
