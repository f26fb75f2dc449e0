package repository

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

var errCrash = errors.New("the host died")

// crashing is a store whose n-th change of the share fails, before or after it was
// done, and all calls after it.
type crashing struct {
	share.Store
	left  int  // changes that are still done
	after bool // the last one is done, and its reply lost
	dead  bool
}

func (c *crashing) change(do func() error) error {
	if c.dead {
		return errCrash
	}
	if c.left--; c.left > 0 {
		return do()
	}
	c.dead = true
	if c.after {
		return errors.Join(do(), errCrash)
	}
	return errCrash
}

func (c *crashing) alive() error {
	if c.dead {
		return errCrash
	}
	return nil
}

// Upload implements share.Store.
func (c *crashing) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	return c.change(func() error { return c.Store.Upload(ctx, path, src, from, size, flushed) })
}

// Rename implements share.Store.
func (c *crashing) Rename(ctx context.Context, from, to string) error {
	return c.change(func() error { return c.Store.Rename(ctx, from, to) })
}

// Remove implements share.Store.
func (c *crashing) Remove(ctx context.Context, path string) error {
	return c.change(func() error { return c.Store.Remove(ctx, path) })
}

// MkdirAll implements share.Store.
func (c *crashing) MkdirAll(ctx context.Context, path string) error {
	return c.change(func() error { return c.Store.MkdirAll(ctx, path) })
}

// Stat implements share.Store.
func (c *crashing) Stat(ctx context.Context, path string) (share.Info, error) {
	if err := c.alive(); err != nil {
		return share.Info{}, err
	}
	return c.Store.Stat(ctx, path)
}

// List implements share.Store.
func (c *crashing) List(ctx context.Context, path string) ([]share.Info, error) {
	if err := c.alive(); err != nil {
		return nil, err
	}
	return c.Store.List(ctx, path)
}

// Strangers implements share.Store.
func (c *crashing) Strangers(ctx context.Context, path string) ([]string, error) {
	if err := c.alive(); err != nil {
		return nil, err
	}
	return c.Store.Strangers(ctx, path)
}

// Download implements share.Store.
func (c *crashing) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	if err := c.alive(); err != nil {
		return 0, err
	}
	return c.Store.Download(ctx, path, offset, w)
}

// hooked is a store that calls back before it lists, reads or renames.
type hooked struct {
	share.Store
	mu       sync.Mutex
	list     func(path string)
	download func(path string)
	rename   func(from, to string)
}

func (h *hooked) call(hook func(string), path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if hook != nil {
		hook(path)
	}
}

// List implements share.Store.
func (h *hooked) List(ctx context.Context, path string) ([]share.Info, error) {
	h.call(h.list, path)
	return h.Store.List(ctx, path)
}

// Download implements share.Store.
func (h *hooked) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	h.call(h.download, path)
	return h.Store.Download(ctx, path, offset, w)
}

// Rename implements share.Store.
func (h *hooked) Rename(ctx context.Context, from, to string) error {
	if h.rename != nil {
		h.rename(from, to)
	}
	return h.Store.Rename(ctx, from, to)
}

// refusing is a store that refuses to read files and to rename anything below a folder,
// which it lists unless it is closed.
type refusing struct {
	share.Store
	code   fault.Code
	below  string // or one file
	closed bool
}

func (r *refusing) refuse(path string) error {
	if path == r.below || strings.HasPrefix(path, r.below+"/") {
		return fault.New(r.code, "cannot open "+path, nil)
	}
	return nil
}

// Download implements share.Store.
func (r *refusing) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	if err := r.refuse(path); err != nil {
		return 0, err
	}
	return r.Store.Download(ctx, path, offset, w)
}

// Open implements share.Store.
func (r *refusing) Open(ctx context.Context, path string) (share.File, error) {
	if err := r.refuse(path); err != nil {
		return nil, err
	}
	return r.Store.Open(ctx, path)
}

// Rename implements share.Store.
func (r *refusing) Rename(ctx context.Context, from, to string) error {
	if err := r.refuse(from); err != nil {
		return err
	}
	return r.Store.Rename(ctx, from, to)
}

// List implements share.Store.
func (r *refusing) List(ctx context.Context, path string) ([]share.Info, error) {
	if err := r.refuse(path); err != nil && r.closed {
		return nil, err
	}
	return r.Store.List(ctx, path)
}
