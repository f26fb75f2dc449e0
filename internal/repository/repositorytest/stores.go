package repositorytest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// HookStore is a store that calls back before it lists, reads or renames.
type HookStore struct {
	share.Store
	mu         sync.Mutex
	OnList     func(path string)
	OnDownload func(path string)
	OnRead     func(path string, bytes int64) // after it was read
	OnRename   func(from, to string)
}

func (h *HookStore) call(hook func(string), path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if hook != nil {
		hook(path)
	}
}

// List implements share.Store.
func (h *HookStore) List(ctx context.Context, path string) ([]share.Info, error) {
	h.call(h.OnList, path)
	return h.Store.List(ctx, path)
}

// Download implements share.Store.
func (h *HookStore) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	h.call(h.OnDownload, path)
	n, err := h.Store.Download(ctx, path, offset, w)
	h.call(func(path string) {
		if h.OnRead != nil {
			h.OnRead(path, n)
		}
	}, path)
	return n, err
}

// Rename implements share.Store.
func (h *HookStore) Rename(ctx context.Context, from, to string) error {
	if h.OnRename != nil {
		h.OnRename(from, to)
	}
	return h.Store.Rename(ctx, from, to)
}

// RefusingStore is a store that refuses to read files and to rename anything below a folder,
// which it lists unless it is closed.
type RefusingStore struct {
	share.Store
	Code   fault.Code
	Below  string // or one file
	Closed bool
}

func (r *RefusingStore) refuse(path string) error {
	if path == r.Below || strings.HasPrefix(path, r.Below+"/") {
		return fault.New(r.Code, "cannot open "+path, nil)
	}
	return nil
}

// Download implements share.Store.
func (r *RefusingStore) Download(ctx context.Context, path string, offset int64, w io.Writer) (int64, error) {
	if err := r.refuse(path); err != nil {
		return 0, err
	}
	return r.Store.Download(ctx, path, offset, w)
}

// Open implements share.Store.
func (r *RefusingStore) Open(ctx context.Context, path string) (share.File, error) {
	if err := r.refuse(path); err != nil {
		return nil, err
	}
	return r.Store.Open(ctx, path)
}

// Rename implements share.Store.
func (r *RefusingStore) Rename(ctx context.Context, from, to string) error {
	if err := r.refuse(from); err != nil {
		return err
	}
	return r.Store.Rename(ctx, from, to)
}

// List implements share.Store.
func (r *RefusingStore) List(ctx context.Context, path string) ([]share.Info, error) {
	if err := r.refuse(path); err != nil && r.Closed {
		return nil, err
	}
	return r.Store.List(ctx, path)
}

// LyingStore is a store that does not do what it says.
type LyingStore struct {
	share.Store
	Corrupt   bool // stores a flipped bit
	LoseReply bool // renames, and then reports a failure
}

// Upload implements share.Store. As the contract says, a small file is read back.
func (l *LyingStore) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	if l.Corrupt && size > 0 {
		data := make([]byte, size)
		if _, err := src.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		data[size/2] ^= 1
		src = bytes.NewReader(data)
	}
	err := l.Store.Upload(ctx, path, src, from, size, flushed)
	if err == nil && l.Corrupt && size > 0 && from == 0 && size <= share.SmallFile {
		return fault.Newf(fault.ShareCorrupted, "%s gave back other bytes than were written", path)
	}
	return err
}

// UploadGrowing implements share.Store.
func (l *LyingStore) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	if l.Corrupt {
		src = flipped{src}
	}
	return l.Store.UploadGrowing(ctx, path, src, from, extent, flushed)
}

// flipped gives back another bit at the end of everything that is read.
type flipped struct{ io.ReaderAt }

// ReadAt implements [io.ReaderAt].
func (f flipped) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f.ReaderAt.ReadAt(p, offset)
	if n > 0 {
		p[n-1] ^= 1
	}
	return n, err
}

// Rename implements share.Store.
func (l *LyingStore) Rename(ctx context.Context, from, to string) error {
	err := l.Store.Rename(ctx, from, to)
	if err == nil && l.LoseReply {
		return fault.Newf(fault.ShareUnreachable, "the reply was lost")
	}
	return err
}
