package queue

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// numbers are jobs; err, when not nil, comes after them.
func numbers(n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

// busy counts jobs that go on.
type busy struct{ now, most atomic.Int64 }

func (b *busy) begin() {
	now := b.now.Add(1)
	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
	}
}

func (b *busy) end() { b.now.Add(-1) }

func TestInOrder(t *testing.T) {
	for _, n := range []int{0, 1, readAhead, 1000} {
		var b busy
		var got []int
		err := InOrder(t.Context(), numbers(n, nil), func(_ context.Context, i int) int {
			b.begin()
			defer b.end()
			return i
		}, func(i int) error {
			got = append(got, i)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, got, n)
		require.IsIncreasing(t, append([]int{-2, -1}, got...))
		require.LessOrEqual(t, b.most.Load(), int64(readAhead))
	}
}

// TestInOrderWorksAhead has the first readAhead jobs wait for each other.
func TestInOrderWorksAhead(t *testing.T) {
	var arrived atomic.Int64
	all := make(chan struct{})
	err := InOrder(t.Context(), numbers(readAhead, nil), func(context.Context, int) int {
		if arrived.Add(1) == readAhead {
			close(all)
		}
		<-all
		return 0
	}, func(int) error { return nil })
	require.NoError(t, err)
}

func TestInOrderEndsWithTheFirstError(t *testing.T) {
	failed := errors.New("failed")
	ctx, cancel := context.WithCancel(t.Context())
	for name, c := range map[string]struct {
		ctx  context.Context
		jobs iter.Seq2[int, error]
		use  func(int) error
		want error
	}{
		"of use":  {t.Context(), numbers(1000, nil), func(int) error { return failed }, failed},
		"of jobs": {t.Context(), numbers(10, failed), func(int) error { return nil }, failed},
		"of ctx": {ctx, numbers(1000, nil), func(i int) error {
			if i == 10 {
				cancel()
			}
			return nil
		}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			var b busy
			done := 0
			err := InOrder(c.ctx, c.jobs, func(ctx context.Context, i int) int {
				b.begin()
				defer b.end()
				return i
			}, func(i int) error {
				done++
				return c.use(i)
			})
			require.ErrorIs(t, err, c.want)
			require.Zero(t, b.now.Load(), "a job goes on")
			require.Less(t, done, 1000)
		})
	}
}

// TestInOrderWaits has a job that ends only when its context does.
func TestInOrderWaits(t *testing.T) {
	failed := errors.New("failed")
	var ended atomic.Bool
	second := make(chan struct{})
	err := InOrder(t.Context(), numbers(2, nil), func(ctx context.Context, i int) int {
		if i == 1 {
			close(second)
			<-ctx.Done()
			ended.Store(true)
		}
		return i
	}, func(int) error {
		<-second
		return failed
	})
	require.ErrorIs(t, err, failed)
	require.True(t, ended.Load())
}
