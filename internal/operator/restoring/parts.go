package restoring

import (
	"context"
	"errors"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
)

// parts are the parts of a backup that items were read from. Each is opened once: opening one
// costs several round trips to the share, and decrypting its index.
type parts struct {
	// open opens a part, for as long as the operator's command runs.
	open func(backup.Service) (*repository.Items, error)

	mu  sync.Mutex
	all map[backup.Service]*part
}

// part is one of them. Its items are read one at a time.
type part struct {
	mu    sync.Mutex
	items *repository.Items
}

func newParts(ctx context.Context, b *repository.Backup, key seal.Identity) *parts {
	return &parts{all: map[backup.Service]*part{}, open: func(s backup.Service) (*repository.Items, error) { return b.Items(ctx, s, key) }}
}

// item reads an item. After an error the next item opens its part again: the connection may be
// the reason.
func (p *parts) item(ctx context.Context, e backup.CatalogEntry) ([]byte, error) {
	p.mu.Lock()
	one := p.all[e.Service]
	if one == nil {
		one = &part{}
		p.all[e.Service] = one
	}
	p.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if one.items == nil {
		items, err := p.open(e.Service)
		if err != nil {
			return nil, err
		}
		one.items = items
	}
	data, err := one.items.Item(e)
	if err != nil {
		err = errors.Join(err, one.items.Close())
		one.items = nil
	}
	return data, err
}

// close closes all of them.
func (p *parts) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for service, one := range p.all {
		if one.items != nil {
			errs = append(errs, one.items.Close())
		}
		delete(p.all, service)
	}
	return errors.Join(errs...)
}
