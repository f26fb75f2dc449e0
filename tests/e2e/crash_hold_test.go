package e2e

import (
	"context"
	"io"
	"os"
	"strings"

	"infrabackup/internal/share"
)

// holding is a store that stops in the middle of writing a file, or before a rename,
// when a part of its path stands in the file order. It then makes the file
// order+heldSuffix and waits to be killed.
type holding struct {
	share.Store
	order string // empty for never
}

// heldSuffix is the end of the name of the file that says that a store has stopped.
const heldSuffix = ".held"

// holds reports whether the order is for a path.
func (s *holding) holds(path string) bool {
	part, err := os.ReadFile(s.order)
	return err == nil && strings.Contains(path, string(part))
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
	if !s.holds(path) {
		return s.Store.Upload(ctx, path, src, from, size, flushed)
	}
	if err := s.Store.Upload(ctx, path, src, from, from+(size-from)/2, flushed); err != nil {
		return err
	}
	return s.hold(ctx)
}

// Rename implements share.Store.
func (s *holding) Rename(ctx context.Context, from, to string) error {
	if !s.holds(to) {
		return s.Store.Rename(ctx, from, to)
	}
	return s.hold(ctx)
}
