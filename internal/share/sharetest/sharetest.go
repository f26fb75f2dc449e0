package sharetest

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/share"
	"infrabackup/internal/share/conformance"
)

// scratch is where the cases work. Its parent exists only while they run.
const scratch = "conformance/scratch"

// TestCases holds an adapter to the port's contract, case by case. Open gives an empty store
// of its own to every call and leaves closing it to the test.
func TestCases(t *testing.T, open func(t *testing.T) share.Store) {
	for _, c := range conformance.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			ctx := limit(t)
			store := open(t)
			require.NoError(t, store.MkdirAll(ctx, c.Name))
			require.NoError(t, c.Check(ctx, store, c.Name))
			require.NoError(t, store.Close())
		})
	}
	t.Run("closed", func(t *testing.T) { testClosed(t, open(t)) })
}

// TestStore is [TestCases], and all cases again at once, as they are tried on an operator's share.
func TestStore(t *testing.T, open func(t *testing.T) share.Store) {
	TestCases(t, open)
	t.Run("doctor", func(t *testing.T) {
		ctx := limit(t)
		store := open(t)
		names := map[string]bool{"scratch-folder": true, "clean-up": true}
		for _, c := range conformance.Cases() {
			names[c.Name] = true
		}
		results := conformance.Run(ctx, store, scratch)
		require.Len(t, results, len(names))
		for _, result := range append(results, conformance.Try(ctx, store, scratch)...) {
			require.NoError(t, result.Err, result.Name)
			require.NotEmpty(t, result.Promise, result.Name)
			require.Contains(t, names, result.Name)
		}
		left, err := store.List(ctx, "")
		require.NoError(t, err)
		require.Empty(t, left, "the conformance run leaves nothing behind")
		require.NoError(t, store.Close())
	})
}

func testClosed(t *testing.T, store share.Store) {
	ctx := limit(t)
	require.NotEmpty(t, store.String())
	require.NoError(t, store.Upload(ctx, "file", bytes.NewReader([]byte("x")), 0, 1, nil))
	require.NoError(t, store.Close())
	require.NoError(t, store.Close(), "closing twice is fine")
	_, err := store.Stat(ctx, "file")
	require.Error(t, err)
	_, err = store.List(ctx, "")
	require.Error(t, err)
	_, err = store.Strangers(ctx, "")
	require.Error(t, err)
	_, err = store.Download(ctx, "file", 0, io.Discard)
	require.Error(t, err)
	_, err = store.Open(ctx, "file")
	require.Error(t, err)
	_, err = store.Space(ctx)
	require.Error(t, err)
	require.Error(t, store.Upload(ctx, "file", bytes.NewReader([]byte("x")), 0, 1, nil))
	require.Error(t, store.MkdirAll(ctx, "folder"))
	require.Error(t, store.Rename(ctx, "file", "other"))
	require.Error(t, store.Remove(ctx, "file"))
}

// limit bounds one test, so that a store that hangs fails it.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}
