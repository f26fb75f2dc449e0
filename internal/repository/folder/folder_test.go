package folder_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/repositorytest"
	"infrabackup/internal/share/dir"
)

// open makes the folder of an instance on the local disk.
func open(t *testing.T) (files *folder.Folder, root string) {
	t.Helper()
	root = t.TempDir()
	store, err := dir.Open(root)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	files = folder.New(store, "local")
	require.NoError(t, files.MkdirAll(t.Context(), files.At()))
	return files, filepath.Join(root, "local")
}

// TestOneOfManyCreates: a file gets its name once, whoever tries, and no other name stays.
func TestOneOfManyCreates(t *testing.T) {
	files, root := open(t)
	created := make([]bool, 8)
	errs := make([]error, len(created))
	var all sync.WaitGroup
	for i := range created {
		all.Go(func() {
			created[i], errs[i] = files.CreateExclusive(t.Context(), files.At("file"), []byte{byte('a' + i)})
		})
	}
	all.Wait()
	winners := 0
	for i := range created {
		require.NoError(t, errs[i])
		if created[i] {
			winners++
			data, err := os.ReadFile(filepath.Join(root, "file"))
			require.NoError(t, err)
			require.Equal(t, []byte{byte('a' + i)}, data)
		}
	}
	require.Equal(t, 1, winners)
	left, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// TestALostReplyIsNoFailure: what was done is found to be done.
func TestALostReplyIsNoFailure(t *testing.T) {
	files, _ := open(t)
	losing := folder.New(&repositorytest.LyingStore{Store: files.Store, LoseReply: true}, "local")
	created, err := losing.CreateExclusive(t.Context(), losing.At("file"), []byte("x"))
	require.NoError(t, err)
	require.True(t, created)
	require.NoError(t, losing.DeliverSmall(t.Context(), "", "other", []byte("y")))
	require.NoError(t, losing.MkdirAll(t.Context(), losing.At("from")))
	require.NoError(t, losing.Move(t.Context(), "from", "to"))
}

func TestReadingIsBounded(t *testing.T) {
	files, root := open(t)
	require.NoError(t, os.WriteFile(filepath.Join(root, "file"), []byte("12345"), 0o600))
	data, err := files.Read(t.Context(), files.At("file"), 5)
	require.NoError(t, err)
	require.Equal(t, "12345", string(data))
	_, err = files.Read(t.Context(), files.At("file"), 4)
	require.ErrorIs(t, err, fault.BackupDamaged)
	_, err = files.Read(t.Context(), files.At(), 4)
	require.ErrorIs(t, err, fault.BackupDamaged, "a folder")
	_, err = files.Read(t.Context(), files.At("none"), 4)
	require.True(t, folder.IsMissing(err))
}

func TestUntilStable(t *testing.T) {
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		done  int // the pass that is done, 0 for none
		fails int
		want  int
	}{"at once": {1, 0, 1}, "later": {2, 0, 2}, "never": {0, 0, folder.MaxPasses}, "fails": {0, 2, 2}} {
		t.Run(name, func(t *testing.T) {
			n := 0
			err := folder.UntilStable(func(last bool) (bool, error) {
				n++
				require.Equal(t, n == folder.MaxPasses, last)
				if n == c.fails {
					return false, stop
				}
				return n == c.done, nil
			})
			require.Equal(t, c.want, n)
			require.Equal(t, c.fails > 0, errors.Is(err, stop))
		})
	}
}
