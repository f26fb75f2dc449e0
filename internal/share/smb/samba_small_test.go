package smb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/share"
)

// Small files go over the connection that is there: a login takes longer than they do.
func TestSmallFilesNeedNoLogin(t *testing.T) {
	server := startSamba(t, "")
	store := server.open()
	ctx := t.Context()
	exchange := func(name string, size int) {
		data := bytes.Repeat([]byte(name), size/len(name)+1)[:size]
		flushed := int64(0)
		require.NoError(t, store.Upload(ctx, name, bytes.NewReader(data), 0, int64(size), func(n int64) { flushed = n }))
		require.EqualValues(t, size, flushed)
		var got bytes.Buffer
		n, err := store.Download(ctx, name, 0, &got)
		require.NoError(t, err)
		require.EqualValues(t, size, n)
		require.True(t, bytes.Equal(data, got.Bytes()))
		require.NoError(t, store.Remove(ctx, name))
	}
	for i, size := range []int{0, 1, 1000, 1 << 20, share.SmallFile} {
		exchange(fmt.Sprintf("one.%d", i), size)
	}
	require.Equal(t, 1, server.Logins())
	exchange("large", share.SmallFile+1)
	require.Equal(t, 3, server.Logins(), "a connection of its own, up and down")

	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() { exchange(fmt.Sprintf("many.%d", i), 1000) })
	}
	all.Wait()
	require.LessOrEqual(t, server.Logins(), 3+7, "eight at once")
}

// The caller may use the store while it takes what it reads, on as many files as it
// likes.
func TestSmallFilesHoldNothing(t *testing.T) {
	store := startSamba(t, "").open()
	require.NoError(t, store.Upload(t.Context(), "small", bytes.NewReader([]byte("small")), 0, 5, nil))
	readers := 0
	var read func([]byte) (int, error)
	read = func(p []byte) (int, error) {
		if readers++; readers == 20 {
			return len(p), nil
		}
		_, err := store.Download(t.Context(), "small", 0, writer(read))
		return len(p), err
	}
	_, err := store.Download(t.Context(), "small", 0, writer(read))
	require.NoError(t, err)
	require.Equal(t, 20, readers)
}

// Ends of contexts do not reach the calls that use the same connection afterwards.
func TestSmallFilesCancelled(t *testing.T) {
	store := startSamba(t, "").open()
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- store.Upload(ctx, "cancelled", bytes.NewReader([]byte("x")), 0, 1, nil) }()
		cancel()
		if err := <-done; err != nil {
			require.True(t, errors.Is(err, context.Canceled), "%v", err)
		}
		require.NoError(t, store.Upload(t.Context(), "kept", bytes.NewReader([]byte("y")), 0, 1, nil))
	}
}
