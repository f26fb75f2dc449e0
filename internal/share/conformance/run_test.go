package conformance_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
	"infrabackup/internal/share/conformance"
	"infrabackup/internal/share/dir"
)

func folder(t *testing.T) *dir.Store {
	store, err := dir.Open(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func failed(results []conformance.Result) (names []string) {
	for _, result := range results {
		if result.Err != nil {
			names = append(names, result.Name)
		}
	}
	return names
}

// Stores with one defect each. The cases must find every one of them.
type (
	replaces  struct{ share.Store } // a rename that replaces a file
	forgets   struct{ share.Store } // no progress reported
	shortens  struct{ share.Store } // a silently short download
	unsorted  struct{ share.Store }
	tolerates struct{ share.Store } // removing nothing is fine
	restarts  struct{ share.Store } // continuing writes the beginning too
	unchecked struct{ share.Store } // any path may be looked at
	deaf      struct{ share.Store } // does not hear the context's end
)

// restarting is a server that does not answer when the checks begin to clean up.
type restarting struct {
	share.Store
	away int // how often
}

func (s *restarting) List(ctx context.Context, path string) ([]share.Info, error) {
	if path == "scratch" && s.away > 0 {
		s.away--
		return nil, fault.Newf(fault.ShareUnreachable, "it is restarted")
	}
	return s.Store.List(ctx, path)
}

// TestCleansUpBehindARestart: a server that is restarted meanwhile is waited for, so that nothing is left
// on the share; one that stays away is not, for ever.
func TestCleansUpBehindARestart(t *testing.T) {
	for _, test := range []struct {
		away int
		took time.Duration
		left int
	}{{3, 3 * time.Second, 0}, {1000, 16 * time.Second, 1}} {
		synctest.Test(t, func(t *testing.T) {
			store := &restarting{folder(t), test.away}
			began := time.Now()
			results := conformance.Try(t.Context(), store, "scratch")
			last := results[len(results)-1]
			require.Equal(t, []any{"clean-up", test.left > 0}, []any{last.Name, last.Err != nil})
			require.Equal(t, test.took, time.Since(began))
			entries, err := store.List(t.Context(), "")
			require.NoError(t, err)
			require.Len(t, entries, test.left)
		})
	}
}

func (s replaces) Rename(ctx context.Context, from, to string) error {
	err := s.Store.Rename(ctx, from, to)
	if errors.Is(err, fs.ErrExist) && s.Remove(ctx, to) == nil {
		return s.Store.Rename(ctx, from, to)
	}
	return err
}

func (s forgets) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, _ func(int64)) error {
	return s.Store.Upload(ctx, path, src, from, size, nil)
}

func (s shortens) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	n, err := s.Store.Download(ctx, path, offset, &limited{w: w, left: 1 << 20})
	return min(n, 1<<20), err
}

type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	part := p[:min(len(p), l.left)]
	l.left -= len(part)
	if _, err := l.w.Write(part); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s unsorted) List(ctx context.Context, path string) ([]share.Info, error) {
	list, err := s.Store.List(ctx, path)
	slices.Reverse(list)
	return list, err
}

func (s tolerates) Remove(ctx context.Context, path string) error {
	if err := s.Store.Remove(ctx, path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s restarts) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	if from > 0 && from < size {
		if info, err := s.Stat(ctx, path); err == nil && info.Size >= from {
			from = 0
		}
	}
	return s.Store.Upload(ctx, path, src, from, size, flushed)
}

func (s unchecked) Stat(ctx context.Context, path string) (share.Info, error) {
	return s.Store.Stat(ctx, filepath.Clean(path))
}

func (s deaf) Space(ctx context.Context) (share.Space, error) {
	return s.Store.Space(context.WithoutCancel(ctx))
}

func TestRunFindsDefects(t *testing.T) {
	for name, c := range map[string]struct {
		defect func(share.Store) share.Store
		found  string
		server bool // a server may have it
	}{
		"replaces":  {func(s share.Store) share.Store { return replaces{s} }, "rename-keeps", true},
		"forgets":   {func(s share.Store) share.Store { return forgets{s} }, "flushed", false},
		"shortens":  {func(s share.Store) share.Store { return shortens{s} }, "write-read", true},
		"unsorted":  {func(s share.Store) share.Store { return unsorted{s} }, "folders", false},
		"tolerates": {func(s share.Store) share.Store { return tolerates{s} }, "remove", true},
		"restarts":  {func(s share.Store) share.Store { return restarts{s} }, "resume", true},
		"unchecked": {func(s share.Store) share.Store { return unchecked{s} }, "names", false},
		"deaf":      {func(s share.Store) share.Store { return deaf{s} }, "cancel", false},
	} {
		t.Run(name, func(t *testing.T) {
			store := folder(t)
			require.Contains(t, failed(conformance.Run(t.Context(), c.defect(store), "a/b/scratch")), c.found)
			if c.server {
				require.Contains(t, failed(conformance.Try(t.Context(), c.defect(store), "a/b/scratch")), c.found)
			}
			left, err := store.List(t.Context(), "")
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// What is there already is neither used nor removed.
func TestRunKeepsWhatIsThere(t *testing.T) {
	store := folder(t)
	require.NoError(t, store.MkdirAll(t.Context(), "instance/scratch/mine"))
	results := conformance.Run(t.Context(), store, "instance/scratch")
	require.Equal(t, []string{"scratch-folder"}, failed(results))
	require.ErrorIs(t, results[0].Err, fault.ShareExists)
	require.Empty(t, failed(conformance.Run(t.Context(), store, "instance/other")))
	entries, err := os.ReadDir(filepath.Join(store.String(), "instance"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.DirExists(t, filepath.Join(store.String(), "instance", "scratch", "mine"))
}

// What an interrupted run has left is cleared away by the next one, and by one of another
// host after a while.
func TestRunClearsLeftOvers(t *testing.T) {
	store, ctx := folder(t), t.Context()
	require.NoError(t, store.MkdirAll(ctx, "x-doctor-1/rename/incoming/id"))
	require.NoError(t, store.MkdirAll(ctx, "x-doctor-1/folders"))
	require.Empty(t, failed(conformance.Run(ctx, store, "x-doctor-1")))
	for _, name := range []string{"x-doctor-2/names/a", "x-doctor-3/mine", "x-doctor-4/folders", "x-doctor-1", "other/folders"} {
		require.NoError(t, store.MkdirAll(ctx, name))
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{"x-doctor-2", "x-doctor-3", "other"} {
		require.NoError(t, os.Chtimes(filepath.Join(store.String(), name), old, old))
	}
	require.NoError(t, conformance.Sweep(ctx, store, "x-doctor", "x-doctor-1", time.Hour))
	left, err := store.List(ctx, "")
	require.NoError(t, err)
	var names []string
	for _, info := range left {
		names = append(names, info.Name)
	}
	require.Equal(t, []string{"other", "x-doctor-1", "x-doctor-3", "x-doctor-4"}, names)
}

// lowers is a store that does not keep upper case.
type lowers struct{ share.Store }

func (s lowers) List(ctx context.Context, path string) ([]share.Info, error) {
	list, err := s.Store.List(ctx, path)
	for i := range list {
		list[i].Name = strings.ToLower(list[i].Name)
	}
	return list, err
}

func TestLostCaseIsNamed(t *testing.T) {
	for name, run := range map[string]func(context.Context, share.Store, string) []conformance.Result{"Run": conformance.Run, "Try": conformance.Try} {
		results := run(t.Context(), lowers{folder(t)}, "scratch")
		found := slices.IndexFunc(results, func(r conformance.Result) bool { return r.Name == "case" })
		require.GreaterOrEqual(t, found, 0, name)
		require.ErrorIs(t, results[found].Err, fault.ShareNames, name)
	}
}

// endsAfter ends the context of the run in its middle.
type endsAfter struct {
	share.Store
	end context.CancelFunc
}

func (s endsAfter) Rename(ctx context.Context, from, to string) error {
	s.end()
	return s.Store.Rename(ctx, from, to)
}

// A run that is given up cleans up all the same.
func TestRunCleansUpAfterCancel(t *testing.T) {
	store := folder(t)
	ctx, cancel := context.WithCancel(t.Context())
	results := conformance.Run(ctx, endsAfter{store, cancel}, "scratch")
	require.Contains(t, failed(results), "rename")
	require.NotContains(t, failed(results), "clean-up")
	left, err := store.List(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, left)
}
