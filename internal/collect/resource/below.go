package resource

import (
	"bytes"
	"context"
	"iter"

	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/collect/resource/queue"
)

// maxWaiting bounds how many collections below resources wait for the end of a look.
const maxWaiting = 10_000

// below notes what lies below resources of a row. It is read when the present lists
// are, in one queue: page by page, requests would run out at the end of each page.
func (w *Walk) below(ctx context.Context, m *manager.Manager, row *Type, above []Resource) error {
	for l := range w.children(m, row, above) {
		w.waiting = append(w.waiting, l)
		w.extra += l.bytes()
		if err := w.weigh(); err != nil {
			return err
		}
	}
	if row.Descend != nil {
		for _, r := range above {
			r.Document = bytes.Clone(r.Document) // its page need not stay
			w.toDescend[row] = append(w.toDescend[row], r)
			w.extra += r.bytes()
		}
	}
	if err := w.weigh(); err != nil {
		return err
	}
	if len(w.waiting) < maxWaiting {
		return nil
	}
	return w.readWaiting(ctx)
}

// readWaiting reads the collections that wait, and those below what they hold.
func (w *Walk) readWaiting(ctx context.Context) error {
	for len(w.waiting) > 0 {
		lists := w.waiting
		w.waiting = nil
		if err := w.inOrder(ctx, queue.Jobs(lists), func(f fetched) error { return w.collection(ctx, f) }); err != nil {
			return err
		}
		for _, l := range lists {
			w.extra -= l.bytes()
		}
	}
	return nil
}

// descend captures what lies below the resources that the present look found.
func (w *Walk) descend(ctx context.Context) error {
	if err := w.readWaiting(ctx); err != nil {
		return err
	}
	for i := range w.table.Types {
		row := &w.table.Types[i]
		above := w.toDescend[row]
		if len(above) == 0 {
			continue
		}
		delete(w.toDescend, row)
		held := 0
		for _, r := range above {
			held += r.bytes()
		}
		if err := row.Descend(ctx, w, above); err != nil {
			return err
		}
		w.extra -= held
	}
	return nil
}

// children are the collections below resources: those of one child row after the other.
func (w *Walk) children(m *manager.Manager, row *Type, above []Resource) iter.Seq[list] {
	return func(yield func(list) bool) {
		for _, child := range w.parents[row.Kind] {
			if !child.on(m.Client.Endpoint()) {
				continue
			}
			for _, r := range above {
				l := list{row: child, manager: m, subscription: resourceid.Subscription(resourceid.Normal(r.ID)), parent: r.ID}
				l.version, l.offered = m.Choose(child.Type, child.Versions, l.subscription, row.Type)
				base := r.ID
				if child.Below != nil {
					base = child.Below(r)
				}
				l.path = child.collection(resourceid.Normal(base))
				w.pending.Await(l.place())
				if !yield(l) {
					return
				}
			}
		}
	}
}
