package sharetest

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

// Way is how a store crashes in the middle of a call.
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

// Crashing is a store that crashes at one of the calls that change something: the call
// fails in one of the ways, and every call after it fails, until it is revived, unless it
// only stumbles.
type Crashing struct {
	share.Store
	At      int  // the change at which it crashes, 1 for the first, 0 for never
	Way     Way  // how
	Stumble bool // only that call fails
	// End, when not nil, is called at the crash, before the call or behind it, and ends the
	// process. Where it returns, because the process had its crash, the call is like others.
	End func()
	// Count, when not nil, counts changes for several stores of a process, which may be used
	// by several goroutines: it returns the number of the one that comes.
	Count func() int

	Changes int   // calls that change something, without Count
	Written int64 // bytes, without Count
	Hit     bool  // it has crashed
	Down    bool  // every call fails
	Every   int   // one in so many calls is tried by [EveryCrash], 0 for all
}

// ErrCrashed is what a store says that has crashed.
var ErrCrashed = fault.Newf(fault.ShareUnreachable, "the store has crashed")

// Revive makes the store live for ever.
func (c *Crashing) Revive() { c.At, c.Down = 0, false }

// Arm lets the store crash at a change from now on.
func (c *Crashing) Arm(at int, way Way, stumble bool) {
	c.At, c.Way, c.Stumble, c.Changes, c.Hit, c.Down = at, way, stumble, 0, false, false
}

func (c *Crashing) next() int {
	if c.Count != nil {
		return c.Count()
	}
	c.Changes++
	return c.Changes
}

func (c *Crashing) change(call func(half bool) error) error {
	if c.Down {
		return ErrCrashed
	}
	switch {
	case c.next() != c.At:
		return call(false)
	case c.End != nil:
		if c.Way == Before {
			c.End()
		}
		err := call(false)
		c.End()
		return err
	}
	c.Hit, c.Down = true, !c.Stumble
	if c.Way != Before {
		if err := call(c.Way == Half); err != nil {
			return err
		}
	}
	return ErrCrashed
}

// reading returns the error of a call that changes nothing.
func (c *Crashing) reading() error {
	if c.Down {
		return ErrCrashed
	}
	return nil
}

// Upload implements share.Store.
func (c *Crashing) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	return c.change(func(cut bool) error {
		if cut {
			size /= 2
		}
		if c.Count == nil {
			c.Written += size - from
		}
		return c.Store.Upload(ctx, path, src, from, size, flushed)
	})
}

// UploadGrowing implements share.Store.
func (c *Crashing) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (size int64, err error) {
	err = c.change(func(cut bool) error {
		if cut {
			if size, _, err = extent.Wait(ctx, math.MaxInt64); err != nil {
				return err
			}
			extent = share.Whole(max(from, size/2))
		}
		size, err = c.Store.UploadGrowing(ctx, path, src, from, extent, flushed)
		if c.Count == nil {
			c.Written += size - from
		}
		return err
	})
	return size, err
}

// MkdirAll implements share.Store.
func (c *Crashing) MkdirAll(ctx context.Context, path string) error {
	return c.change(func(bool) error { return c.Store.MkdirAll(ctx, path) })
}

// Rename implements share.Store.
func (c *Crashing) Rename(ctx context.Context, from, to string) error {
	return c.change(func(bool) error { return c.Store.Rename(ctx, from, to) })
}

// Remove implements share.Store.
func (c *Crashing) Remove(ctx context.Context, path string) error {
	return c.change(func(bool) error { return c.Store.Remove(ctx, path) })
}

// Stat implements share.Store.
func (c *Crashing) Stat(ctx context.Context, path string) (share.Info, error) {
	if err := c.reading(); err != nil {
		return share.Info{}, err
	}
	return c.Store.Stat(ctx, path)
}

// List implements share.Store.
func (c *Crashing) List(ctx context.Context, path string) ([]share.Info, error) {
	if err := c.reading(); err != nil {
		return nil, err
	}
	return c.Store.List(ctx, path)
}

// Strangers implements share.Store.
func (c *Crashing) Strangers(ctx context.Context, path string) ([]string, error) {
	if err := c.reading(); err != nil {
		return nil, err
	}
	return c.Store.Strangers(ctx, path)
}

// Download implements share.Store.
func (c *Crashing) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	if err := c.reading(); err != nil {
		return 0, err
	}
	return c.Store.Download(ctx, path, offset, w)
}

// DownloadGrowing implements share.Store.
func (c *Crashing) DownloadGrowing(ctx context.Context, path string, extent share.Extent, w io.Writer) (int64, error) {
	if err := c.reading(); err != nil {
		return 0, err
	}
	return c.Store.DownloadGrowing(ctx, path, extent, w)
}

// Open implements share.Store.
func (c *Crashing) Open(ctx context.Context, path string) (share.File, error) {
	if err := c.reading(); err != nil {
		return nil, err
	}
	return c.Store.Open(ctx, path)
}

// EveryCrash runs do with a store that crashes or stumbles at its first call, then at its
// second and so on, in every way, until do gets through. Begin makes the world new
// each time, and look looks after the crash.
func EveryCrash(t *testing.T, store *Crashing, begin func(), do func() error, look func(t *testing.T)) {
	t.Helper()
	CrashesOf(t, store, []bool{false, true}, begin, do, look)
}

// CrashesOf is EveryCrash with stores that only crash or only stumble.
func CrashesOf(t *testing.T, store *Crashing, stumbles []bool, begin func(), do func() error, look func(t *testing.T)) {
	t.Helper()
	crashes, step := 0, max(store.Every, 1)
	for _, stumble := range stumbles {
		for _, w := range Ways {
			for n := 1; ; n += step {
				require.Less(t, n, 200)
				begin()
				store.Arm(n, w, stumble)
				err := do()
				hit := store.Hit
				store.Revive()
				if !hit {
					require.NoError(t, err)
					break
				}
				require.True(t, err == nil && stumble || errors.Is(err, ErrCrashed), "%v", err)
				crashes++
				t.Run(fmt.Sprintf("call %d, %s, stumbles %t", n, w, stumble), look)
			}
		}
	}
	require.Greater(t, step*crashes, 3*len(Ways))
}
