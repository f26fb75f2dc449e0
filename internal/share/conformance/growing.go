package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"infrabackup/internal/blocksum"
	"infrabackup/internal/share"
)

// growing writes a file as it grows and reads it back at the same time.
func growing(ctx context.Context, store share.Store, folder string) error {
	path := folder + "/file"
	long := noise(80, 4<<20)
	if err := write(ctx, store, path, long); err != nil {
		return err
	}
	for _, size := range []int{0, 1, 2<<20 + 5} {
		data := noise(uint64(81+size), size)
		if err := grow(ctx, store, path, data, 0); err != nil {
			return fmt.Errorf("%d bytes: %w", size, err)
		}
		if err := holds(ctx, store, path, data); err != nil {
			return err
		}
	}
	// What a longer file held behind the offset is gone.
	data := append(bytes.Clone(long[:1<<20]), noise(82, 2<<20)...)
	if err := errors.Join(write(ctx, store, path, long), grow(ctx, store, path, data, 1<<20), holds(ctx, store, path, data)); err != nil {
		return err
	}
	if _, err := store.UploadGrowing(ctx, path, bytes.NewReader(data), int64(len(data))+1, share.Whole(len(data)), nil); err == nil {
		return broken("going on behind the end was accepted")
	}
	for name, call := range map[string]func(extent share.Extent) error{
		"UploadGrowing": func(extent share.Extent) error {
			_, err := store.UploadGrowing(ctx, path, bytes.NewReader(data), 0, extent, nil)
			return err
		},
		"DownloadGrowing": func(extent share.Extent) error {
			_, err := store.DownloadGrowing(ctx, path, extent, io.Discard)
			return err
		},
	} {
		progress := blocksum.NewProgress()
		progress.Advance(1 << 20)
		progress.Fail(errCaller)
		if err := call(progress); !errors.Is(err, errCaller) {
			return broken("%s of a file that was given up gave %w", name, err)
		}
	}
	return errors.Join(write(ctx, store, path, data), holds(ctx, store, path, data))
}

// grow uploads data piece by piece, each when the reader has all that was flushed before.
func grow(ctx context.Context, store share.Store, path string, data []byte, from int64) error {
	source, onShare := blocksum.NewProgress(), blocksum.NewProgress()
	size := int64(len(data))
	go func() {
		for end := from; end < size; end += 1<<20 + 1 {
			source.Advance(end)
		}
		source.End(size)
	}()
	uploaded := make(chan error, 1)
	go func() {
		n, err := store.UploadGrowing(ctx, path, bytes.NewReader(data), from, source, onShare.Advance)
		if err == nil && n != size {
			err = broken("UploadGrowing of %d bytes reports %d", size, n)
		}
		if err != nil {
			onShare.Fail(err)
		}
		onShare.End(size)
		uploaded <- err
	}()
	var got bytes.Buffer
	n, err := store.DownloadGrowing(ctx, path, onShare, &got)
	if err := errors.Join(<-uploaded, err); err != nil {
		return err
	}
	if n != size || !bytes.Equal(got.Bytes(), data) {
		return broken("%s reads back differently while it is written: %d bytes, want %d", path, n, size)
	}
	return nil
}
