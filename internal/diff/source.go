package diff

import (
	"context"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/result"
)

// Source is one of the two sides that are compared. It is used from one goroutine.
type Source interface {
	// Side says what it is.
	Side() result.Side
	// Services are those that it was asked to hold, whether or not it does.
	Services() []Service
	// Catalog calls fn for every item, those of a service one after the other; errors of fn
	// are returned as they are. It may be called several times, and gives the same each time.
	Catalog(ctx context.Context, fn func(backup.CatalogEntry) error) error
	// Open opens what a service's items are read from. The caller closes it.
	Open(ctx context.Context, service backup.Service) (Part, error)
}

// Service is what a source says of a service.
type Service struct {
	Service backup.Service
	// Missing is why there are no items of it, empty when they are there.
	Missing string
	// Gaps are objects that are known and not held.
	Gaps []backup.Gap
}

// Part gives the bytes of single items. An archive.Reader is one.
type Part interface {
	// ReadItem writes the bytes of an item to w, and makes sure that they are those of the
	// entry.
	ReadItem(entry backup.CatalogEntry, w io.Writer) error
	io.Closer
}
