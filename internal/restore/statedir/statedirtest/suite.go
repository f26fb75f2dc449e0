package statedirtest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/restore/statedir"
)

// Run holds stores to the contract. Each call of open gives a new one over the same empty place,
// as another process has it.
func Run(t *testing.T, open func(t *testing.T) statedir.Store) {
	ctx := t.Context()
	store := open(t)
	names, err := store.List(ctx)
	require.NoError(t, err)
	require.Empty(t, names, "it was never written to")

	require.NoError(t, store.Make(ctx, "one"))
	require.NoError(t, store.Make(ctx, "one"), "it may be there")
	require.NoError(t, store.Make(ctx, "two"))
	names, err = open(t).List(ctx)
	require.NoError(t, err)
	slices.Sort(names)
	require.Equal(t, []string{"one", "two"}, names)

	folder, err := store.Open(ctx, "one")
	require.NoError(t, err)
	_, err = folder.Read(ctx, "plan", 10)
	require.ErrorIs(t, err, fs.ErrNotExist)
	files := map[string][]byte{"plan": []byte("small"), "before/000000.age": {}, "outcome/000000.age": bytes.Repeat([]byte("large "), 500_000)}
	for name, data := range files {
		require.NoError(t, folder.Create(ctx, name, data), name)
		require.ErrorIs(t, folder.Create(ctx, name, []byte("another")), fs.ErrExist, name)
	}
	for name, data := range files {
		got, err := folder.Read(ctx, name, int64(len(data)))
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(data, got), "%s is as it was written first", name)
		if len(data) > 0 {
			_, err = folder.Read(ctx, name, int64(len(data))-1)
			require.Error(t, err, "%s is larger than that", name)
			require.NotErrorIs(t, err, fs.ErrNotExist)
		}
	}

	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() { errs[i] = folder.Create(ctx, fmt.Sprintf("outcome/%06d.age", i+1), []byte{byte(i)}) })
	}
	all.Wait()
	for i, err := range errs {
		require.NoError(t, err, i)
	}
	require.NoError(t, folder.Close())

	folder, err = open(t).Open(ctx, "one")
	require.NoError(t, err, "it was given up")
	got, err := folder.Read(ctx, "outcome/000008.age", 1)
	require.NoError(t, err)
	require.Equal(t, []byte{7}, got)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, folder.Create(ended, "late", nil))
	_, err = folder.Read(ctx, "late", 1)
	require.ErrorIs(t, err, fs.ErrNotExist, "who has gone writes nothing")
	require.NoError(t, folder.Close())
}
