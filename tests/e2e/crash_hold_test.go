package e2e

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"strings"

	"infrabackup/internal/share"
)

// holdOrder says where a store is to stop.
type holdOrder struct {
	Path string  // part of a path that is written, or renamed to
	Done float64 // fraction of the file that is written before
}

// holding is a store that stops while it writes a file, or before a rename, when there
// is a [holdOrder] in the file order. It then makes the file order+heldSuffix and waits
// to be killed.
type holding struct {
	share.Store
	order string // empty for never
}

// heldSuffix is the end of the name of the file that says that a store has stopped.
const heldSuffix = ".held"

// holds reports whether there is an order for a path.
func (s *holding) holds(path string) (order holdOrder, ok bool) {
	data, err := os.ReadFile(s.order)
	if err != nil || json.Unmarshal(data, &order) != nil {
		return order, false // there is none, or it is just being written
	}
	return order, strings.Contains(path, order.Path)
}

func (s *holding) hold(ctx context.Context) error {
	if err := os.WriteFile(s.order+heldSuffix, nil, 0o600); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Upload implements share.Store.
func (s *holding) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	order, ok := s.holds(path)
	if !ok {
		return s.Store.Upload(ctx, path, src, from, size, flushed)
	}
	if err := s.Store.Upload(ctx, path, src, from, from+int64(float64(size-from)*order.Done), flushed); err != nil {
		return err
	}
	return s.hold(ctx)
}

// UploadGrowing implements share.Store.
func (s *holding) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	order, ok := s.holds(path)
	if !ok {
		return s.Store.UploadGrowing(ctx, path, src, from, extent, flushed)
	}
	size, _, err := extent.Wait(ctx, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	part := from + int64(float64(size-from)*order.Done)
	if _, err := s.Store.UploadGrowing(ctx, path, src, from, share.Whole(part), flushed); err != nil {
		return 0, err
	}
	return 0, s.hold(ctx)
}

// Rename implements share.Store.
func (s *holding) Rename(ctx context.Context, from, to string) error {
	if _, ok := s.holds(to); !ok {
		return s.Store.Rename(ctx, from, to)
	}
	return s.hold(ctx)
}
