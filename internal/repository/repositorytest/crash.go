package repositorytest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// Way is how a store dies in the middle of a call.
type Way int

// The ways.
const (
	Before Way = iota // nothing of the call is done
	Half              // of an upload, half of the bytes arrive; other calls are done
	After             // the call is done and the reply is lost
)

// Ways are all of them.
var Ways = []Way{Before, Half, After}

// String implements fmt.Stringer.
func (w Way) String() string { return [...]string{"before", "half", "after"}[w] }

// CrashStore is a store that fails at one of the calls that change something. From then on
// every call fails, until it is revived, unless it only stumbles.
type CrashStore struct {
	share.Store
	dieAt   int // 1 for the first call; 0 for never
	way     Way
	stumble bool
	Calls   int  // that change something
	Hit     bool // it has failed
	dead    bool
	Every   int   // one in so many calls is tried by [EveryDeath], 0 for all
	Written int64 // bytes
}

// ErrDead is what a dead store says.
var ErrDead = fault.Newf(fault.ShareUnreachable, "the store is dead")

// Revive makes the store live for ever.
func (m *CrashStore) Revive() { m.dieAt, m.dead = 0, false }

// Kill lets the store fail at a call from now on.
func (m *CrashStore) Kill(at int, w Way, stumble bool) {
	m.dieAt, m.way, m.stumble, m.Calls, m.Hit, m.dead = at, w, stumble, 0, false, false
}

func (m *CrashStore) change(call func(half bool) error) error {
	if m.dead {
		return ErrDead
	}
	m.Calls++
	if m.Calls != m.dieAt {
		return call(false)
	}
	m.Hit, m.dead = true, !m.stumble
	if m.way != Before {
		if err := call(m.way == Half); err != nil {
			return err
		}
	}
	return ErrDead
}

// Upload implements share.Store.
func (m *CrashStore) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	return m.change(func(cut bool) error {
		if cut {
			size /= 2
		}
		m.Written += size - from
		return m.Store.Upload(ctx, path, src, from, size, flushed)
	})
}

// UploadGrowing implements share.Store.
func (m *CrashStore) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (size int64, err error) {
	err = m.change(func(cut bool) error {
		if size, _, err = extent.Wait(ctx, math.MaxInt64); err != nil {
			return err
		}
		if cut {
			size = max(from, size/2)
		}
		m.Written += size - from
		size, err = m.Store.UploadGrowing(ctx, path, src, from, share.Whole(size), flushed)
		return err
	})
	return size, err
}

// MkdirAll implements share.Store.
func (m *CrashStore) MkdirAll(ctx context.Context, path string) error {
	return m.change(func(bool) error { return m.Store.MkdirAll(ctx, path) })
}

// Rename implements share.Store.
func (m *CrashStore) Rename(ctx context.Context, from, to string) error {
	return m.change(func(bool) error { return m.Store.Rename(ctx, from, to) })
}

// Remove implements share.Store.
func (m *CrashStore) Remove(ctx context.Context, path string) error {
	return m.change(func(bool) error { return m.Store.Remove(ctx, path) })
}

// Stat implements share.Store.
func (m *CrashStore) Stat(ctx context.Context, path string) (share.Info, error) {
	if m.dead {
		return share.Info{}, ErrDead
	}
	return m.Store.Stat(ctx, path)
}

// List implements share.Store.
func (m *CrashStore) List(ctx context.Context, path string) ([]share.Info, error) {
	if m.dead {
		return nil, ErrDead
	}
	return m.Store.List(ctx, path)
}

// Strangers implements share.Store.
func (m *CrashStore) Strangers(ctx context.Context, path string) ([]string, error) {
	if m.dead {
		return nil, ErrDead
	}
	return m.Store.Strangers(ctx, path)
}

// Download implements share.Store.
func (m *CrashStore) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	if m.dead {
		return 0, ErrDead
	}
	return m.Store.Download(ctx, path, offset, w)
}

// Open implements share.Store.
func (m *CrashStore) Open(ctx context.Context, path string) (share.File, error) {
	if m.dead {
		return nil, ErrDead
	}
	return m.Store.Open(ctx, path)
}

// EveryDeath runs do with a store that dies or stumbles at its first call, then at its
// second and so on, in every way, until do lives through it. Begin makes the world new
// each time, and look looks after the death.
func EveryDeath(t *testing.T, store *CrashStore, begin func(), do func() error, look func(t *testing.T)) {
	t.Helper()
	DeathsOf(t, store, []bool{false, true}, begin, do, look)
}

// DeathsOf is EveryDeath with stores that only die or only stumble.
func DeathsOf(t *testing.T, store *CrashStore, stumbles []bool, begin func(), do func() error, look func(t *testing.T)) {
	t.Helper()
	deaths, step := 0, max(store.Every, 1)
	for _, stumble := range stumbles {
		for _, w := range Ways {
			for n := 1; ; n += step {
				require.Less(t, n, 200)
				begin()
				store.Kill(n, w, stumble)
				err := do()
				hit := store.Hit
				store.Revive()
				if !hit {
					require.NoError(t, err)
					break
				}
				require.True(t, err == nil && stumble || errors.Is(err, ErrDead), "%v", err)
				deaths++
				t.Run(fmt.Sprintf("call %d, %s, stumbles %t", n, w, stumble), look)
			}
		}
	}
	require.Greater(t, step*deaths, 3*len(Ways))
}
