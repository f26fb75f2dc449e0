package diff

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"infrabackup/internal/backup"
)

// Sizes of what is in memory at once.
const (
	batchBytes = 24 << 20
	batchItems = 8192
	// maxCompared is the largest item whose content is compared.
	maxCompared = 64 << 20
)

// pair is an item of both sides. One of them is nil for an item that only one side has.
type pair struct {
	a, b  *item
	moved bool
}

// length is how many bytes are read for it.
func (p *pair) length() (n int64) {
	if p.a != nil {
		n += p.a.length
	}
	if p.b != nil {
		n += p.b.length
	}
	return n
}

// reader reads pairs in batches: those of the first side in the order of its part, those of
// the second in the order of its own, so that no frame is decoded again for every item.
type reader struct {
	service  backup.Service
	a, b     *side
	parts    [2]Part
	buffers  [2]bytes.Buffer
	progress func(bytes int64)
}

// open opens what is needed of the parts.
func (r *reader) open(ctx context.Context, pairs []pair) error {
	for i, s := range []*side{r.a, r.b} {
		needed := slices.ContainsFunc(pairs, func(p pair) bool { return i == 0 && p.a != nil || i == 1 && p.b != nil })
		if !needed || r.parts[i] != nil {
			continue
		}
		part, err := s.source.Open(ctx, r.service)
		if err != nil {
			return err
		}
		r.parts[i] = part
	}
	return nil
}

func (r *reader) close() (err error) {
	for i, part := range r.parts {
		if part != nil {
			if failed := part.Close(); err == nil {
				err = failed
			}
			r.parts[i] = nil
		}
	}
	return err
}

// each calls fn for every pair with the contents, which are valid until fn returns. A side
// that does not have the item gives nil.
func (r *reader) each(ctx context.Context, pairs []pair, fn func(p pair, a, b []byte) error) error {
	if err := r.open(ctx, pairs); err != nil {
		return err
	}
	place := func(p pair) int64 {
		if p.a != nil {
			return p.a.offset
		}
		return p.b.offset
	}
	slices.SortFunc(pairs, func(x, y pair) int { return cmp.Compare(place(x), place(y)) })
	for len(pairs) > 0 {
		n, size := 0, int64(0)
		for n < len(pairs) && n < batchItems && (n == 0 || size+pairs[n].length() <= batchBytes) {
			size += pairs[n].length()
			n++
		}
		if err := r.batch(ctx, pairs[:n], fn); err != nil {
			return err
		}
		if r.progress != nil {
			r.progress(size)
		}
		pairs = pairs[n:]
	}
	return nil
}

func (r *reader) batch(ctx context.Context, pairs []pair, fn func(p pair, a, b []byte) error) error {
	var places [2][][2]int
	for i, of := range []func(p *pair) *item{func(p *pair) *item { return p.a }, func(p *pair) *item { return p.b }} {
		var err error
		if places[i], err = r.contents(ctx, i, pairs, of); err != nil {
			return err
		}
	}
	content := func(i, n int) []byte {
		if place := places[i][n]; place[0] >= 0 {
			return r.buffers[i].Bytes()[place[0]:place[1]:place[1]]
		}
		return nil
	}
	for n, p := range pairs {
		if err := fn(p, content(0, n), content(1, n)); err != nil {
			return err
		}
	}
	return nil
}

// contents reads one side of a batch into its buffer, in the order of the part, and says where
// each item lies in it.
func (r *reader) contents(ctx context.Context, i int, pairs []pair, of func(p *pair) *item) ([][2]int, error) {
	places, order := make([][2]int, len(pairs)), make([]int, 0, len(pairs))
	for n := range pairs {
		places[n] = [2]int{-1, -1}
		if of(&pairs[n]) != nil {
			order = append(order, n)
		}
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(of(&pairs[x]).offset, of(&pairs[y]).offset) })
	buffer := &r.buffers[i]
	buffer.Reset()
	for _, n := range order {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := buffer.Len()
		if err := r.parts[i].ReadItem(of(&pairs[n]).entry(r.service), buffer); err != nil {
			return nil, err
		}
		places[n] = [2]int{from, buffer.Len()}
	}
	return places, nil
}
