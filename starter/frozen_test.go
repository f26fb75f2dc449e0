package main

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/seal"
)

// frozen is a share that a test may change, with one backup of AD and CA from before the
// ledger.
type frozen struct {
	t      *testing.T
	folder string // of the share
	backup string // folder of the backup
	key    string // file with the operator's key
}

const (
	frozenInstance = "t-0ec3988e"
	frozenBackup   = "1945dfe4-d16c-4b36-9096-1deceb046647"
)

func thaw(t *testing.T) *frozen {
	t.Helper()
	f := &frozen{t: t, folder: filepath.Join(t.TempDir(), "share"), key: frozenKey(t)}
	require.NoError(t, os.CopyFS(f.folder, os.DirFS(filepath.Join("..", "tests", "compat", "testdata", "v1", "share"))))
	f.backup = filepath.Join(f.folder, frozenInstance, backup.BackupsDir, "20261123T195927Z_"+frozenBackup)
	return f
}

// frozenKey is a copy of the operator's key, for its owner only.
func frozenKey(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "tests", "compat", "testdata", "v1", "operator.key"))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "operator.key")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	return file
}

// trusted is the list of signers that the operator has a copy of.
func (f *frozen) trusted() string {
	return filepath.Join("..", "tests", "compat", "testdata", "v1", "share", frozenInstance, backup.AllowedSignersFile)
}

// stranger is a key that signed nothing here.
func stranger(t *testing.T) *seal.SigningKey {
	t.Helper()
	text, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(t, err)
	key, err := seal.ParseSigningKey(text)
	require.NoError(t, err)
	return key
}

// sign signs the sums as they are, and makes the share trust who did.
func (f *frozen) sign(by *seal.SigningKey) {
	f.t.Helper()
	sums, err := os.ReadFile(filepath.Join(f.backup, backup.SumsFile))
	require.NoError(f.t, err)
	signature, err := by.Sign(sums)
	require.NoError(f.t, err)
	require.NoError(f.t, os.WriteFile(filepath.Join(f.backup, backup.SignatureFile), signature, 0o600))
	require.NoError(f.t, os.WriteFile(filepath.Join(f.folder, frozenInstance, backup.AllowedSignersFile), seal.AllowedSigners(by.Public()), 0o600))
}

// forge puts a part with a file of the forger's own in the place of the CA's. It is
// encrypted to the backup's public key, so that it opens.
func (f *frozen) forge() {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.backup, backup.ManifestFile))
	require.NoError(f.t, err)
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	require.NoError(f.t, err)
	var part bytes.Buffer
	w, err := seal.Encrypt(&part, m.BackupKey)
	require.NoError(f.t, err)
	items, err := archive.NewWriter(w, backup.CA, func(backup.CatalogEntry) error { return nil })
	require.NoError(f.t, err)
	info := collect.FileInfo{Path: "files/forged", Size: 6, Mode: 0o600, ModTime: m.StartedAt}
	require.NoError(f.t, items.File(backup.Item{Kind: "file", ID: "f", Name: "f"}, info, strings.NewReader("forged")))
	_, err = items.Close()
	require.NoError(f.t, err)
	require.NoError(f.t, w.Close())
	require.NoError(f.t, os.WriteFile(filepath.Join(f.backup, backup.PartFile(backup.CA)), part.Bytes(), 0o600))
}

// change changes a byte in the middle of a file of the backup.
func (f *frozen) change(name string) {
	f.t.Helper()
	file := filepath.Join(f.backup, name)
	data, err := os.ReadFile(file)
	require.NoError(f.t, err)
	data[len(data)/2] ^= 1
	require.NoError(f.t, os.WriteFile(file, data, 0o600))
}

// call runs a command on the share, and extract the one that extracts.
func (f *frozen) call(command string, more ...string) outcome {
	f.t.Helper()
	return call(f.t, "", nil, slices.Concat(strings.Fields(command), []string{frozenBackup, "--instance", frozenInstance, "--identity", f.key, "--from", f.folder}, more)...)
}

func (f *frozen) extract(to string, more ...string) outcome {
	f.t.Helper()
	return f.call("restore extract", append([]string{"--to", to}, more...)...)
}
