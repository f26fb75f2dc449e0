package live

import (
	"bytes"
	"context"
	"io"
	"slices"
	"time"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
)

// DefaultLimit is how many bytes a capture may hold compressed: some millions of items.
const DefaultLimit = 1 << 30

// Capture is what a cloud held. It is a side of a comparison ([diff.Source]).
type Capture struct {
	side result.Side
	all  []*part
}

// part is what came of one service.
type part struct {
	service diff.Service
	data    buffer
	catalog []backup.CatalogEntry
}

// Options say what is captured.
type Options struct {
	// Instance is what the cloud is called in a comparison.
	Instance backup.Instance
	// Services leaves out all others; empty for all that there is a collector for.
	Services []backup.Service
	// Limit is how many bytes may be held, DefaultLimit when zero.
	Limit int64
	Now   func() time.Time
	// Begun, when not nil, is told of each service before it is read.
	Begun func(backup.Service)
}

// Take reads everything that the collectors collect. A service that cannot be read whole is
// one without items, with the reason, as in a backup. Errors are LIMIT_EXCEEDED, and that of
// the context.
func Take(ctx context.Context, collectors []collect.Collector, o Options) (*Capture, error) {
	c := &Capture{side: result.Side{Name: "the live cloud " + o.Instance.Name, Instance: o.Instance, StartedAt: o.Now().UTC()}}
	left := o.Limit
	if left == 0 {
		left = DefaultLimit
	}
	for _, collector := range collectors {
		if len(o.Services) > 0 && !slices.Contains(o.Services, collector.Service()) {
			continue
		}
		if o.Begun != nil {
			o.Begun(collector.Service())
		}
		p := &part{service: diff.Service{Service: collector.Service()}, data: buffer{left: left}}
		if err := p.fill(ctx, collector); err != nil {
			if ended := context.Cause(ctx); ended != nil {
				return nil, ended
			}
			if fault.CodeOf(err) == fault.LimitExceeded && p.data.full {
				return nil, err
			}
			*p = part{service: diff.Service{Service: collector.Service(), Missing: err.Error()}}
		}
		left -= int64(p.data.Len())
		c.all = append(c.all, p)
	}
	return c, nil
}

// fill captures one service.
func (p *part) fill(ctx context.Context, c collect.Collector) error {
	w, err := archive.NewWriter(&p.data, c.Service(), func(e backup.CatalogEntry) error {
		p.catalog = append(p.catalog, e)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = c.Collect(ctx, w)
	summary, closing := w.Close()
	if err == nil {
		err = closing
	}
	p.service.Gaps = summary.Gaps
	return err
}

// Side implements [diff.Source].
func (c *Capture) Side() result.Side { return c.side }

// Services implements [diff.Source].
func (c *Capture) Services() (all []diff.Service) {
	for _, p := range c.all {
		all = append(all, p.service)
	}
	return all
}

// Catalog implements [diff.Source].
func (c *Capture) Catalog(ctx context.Context, fn func(backup.CatalogEntry) error) error {
	for _, p := range c.all {
		for _, e := range p.catalog {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := fn(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Open implements [diff.Source].
func (c *Capture) Open(_ context.Context, service backup.Service) (diff.Part, error) {
	for _, p := range c.all {
		if p.service.Service == service && p.service.Missing == "" {
			r, err := archive.NewReader(bytes.NewReader(p.data.Bytes()), int64(p.data.Len()))
			if err != nil {
				return nil, err // not a typed nil in the interface
			}
			return r, nil
		}
	}
	return nil, fault.Newf(fault.ItemNotFound, "nothing of %s was captured", service)
}

// buffer holds a part, up to a bound.
type buffer struct {
	bytes.Buffer
	left int64
	full bool
}

var _ io.Writer = (*buffer)(nil)

func (b *buffer) Write(data []byte) (int, error) {
	if int64(b.Len())+int64(len(data)) > b.left {
		b.full = true
		return 0, fault.New(fault.LimitExceeded, "the cloud holds more than can be held in memory; compare fewer services at a time", nil)
	}
	return b.Buffer.Write(data)
}
