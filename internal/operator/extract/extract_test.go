package extract_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/extract"
	"infrabackup/internal/seal"
)

const (
	instance = "t-0ec3988e"
	backupID = "1945dfe4-d16c-4b36-9096-1deceb046647"
)

// extraction is one of a backup with AD and CA, into a folder of its own.
func extraction(t *testing.T, r extract.Request) (x *extract.Extraction, to extract.Folder) {
	t.Helper()
	data := filepath.Join("..", "..", "..", "tests", "compat", "testdata", "v1")
	repo, err := operator.OpenFolder(filepath.Join(data, "share"), instance, false)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, repo.Close()) })
	b, err := repo.Backup(t.Context(), backup.Ref{ID: backupID}, false)
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(data, "operator.key"))
	require.NoError(t, err)
	keys, err := seal.ParseIdentities(text)
	require.NoError(t, err)
	key, err := extract.Unlock(t.Context(), b, keys)
	require.NoError(t, err)
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, root.Close()) })
	return extract.New(b, key, r, extract.Notes{
		NoPart:  func(s backup.ServiceResult) { t.Error("there is no part of", s.Service) },
		Inexact: func(path string, _, _ time.Time) { t.Error("the time is not kept of", path) },
		Damaged: func(_ int64, folder string) { t.Error("damaged:", folder) },
	}), extract.Folder{Root: root, Called: "--to"}
}

// files counts what lies in a folder.
func files(t *testing.T, to extract.Folder) (n int64) {
	t.Helper()
	require.NoError(t, fs.WalkDir(to.FS(), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// item is any item of a service.
func item(t *testing.T, service backup.Service) (id string) {
	t.Helper()
	x, _ := extraction(t, extract.Request{Service: service})
	require.NoError(t, x.List(t.Context(), func(e backup.CatalogEntry) error {
		id = e.ID
		return nil
	}))
	require.NotEmpty(t, id)
	return id
}

func TestRun(t *testing.T) {
	for name, r := range map[string]extract.Request{
		"everything": {},
		"a service":  {Service: backup.CA},
		"an item":    {Service: backup.AD, Item: item(t, backup.AD)},
	} {
		t.Run(name, func(t *testing.T) {
			x, to := extraction(t, r)
			n, err := x.Run(t.Context(), to)
			require.NoError(t, err)
			require.Positive(t, n)
			require.Equal(t, n, files(t, to))
			again, _ := extraction(t, r)
			_, err = again.Run(t.Context(), to)
			require.Error(t, err, "nothing is overwritten")
			require.Equal(t, n, files(t, to))
		})
	}
}

func TestWhatIsNotThere(t *testing.T) {
	for name, r := range map[string]extract.Request{
		"an item":   {Service: backup.CA, Item: "none"},
		"a service": {Service: backup.ARM},
	} {
		t.Run(name, func(t *testing.T) {
			x, to := extraction(t, r)
			_, err := x.Run(t.Context(), to)
			require.ErrorIs(t, err, fault.ItemNotFound)
			require.Zero(t, files(t, to))
		})
	}
	x, _ := extraction(t, extract.Request{Service: backup.CA, Item: "none"})
	require.ErrorIs(t, x.List(t.Context(), func(backup.CatalogEntry) error { return nil }), fault.ItemNotFound)
}
