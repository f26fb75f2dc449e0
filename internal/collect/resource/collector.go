package resource

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"slices"
	"strconv"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/collect/resource/pending"
	"infrabackup/internal/fault"
)

// Options are what an operator can choose.
type Options struct {
	// Unreadable says what to do about user subscriptions that the client cannot see;
	// [UnreadableFails] when empty.
	Unreadable Unreadable
	// Now tells the time.
	Now func() time.Time
}

// Collector captures the service of a table.
type Collector struct {
	stamp   *azure.Stamp
	table   Table
	options Options
	without check // checks that are not made; only tests leave some out
}

var _ collect.Collector = (*Collector)(nil)

// New makes a collector. Nothing is sent yet.
func New(stamp *azure.Stamp, table Table, o Options) *Collector {
	return &Collector{stamp: stamp, table: table, options: o}
}

// Service implements [collect.Collector].
func (c *Collector) Service() backup.Service { return c.table.Service }

// Collect implements [collect.Collector].
func (c *Collector) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	capture := collect.Capture{Start: c.options.Now().UTC()}
	w := c.newWalk(sink)
	defer w.memory.Release()
	ctx = azure.WithMemory(ctx, w.memory)
	if err := w.run(ctx, c.options.Unreadable); err != nil {
		return capture, err
	}
	if err := w.settleUp(ctx); err != nil {
		return capture, err
	}
	for _, g := range w.gaps {
		sink.Gap(g)
	}
	capture.End = c.options.Now().UTC()
	capture.Cursor = w.cursor()
	return capture, nil
}

func (c *Collector) newWalk(sink collect.Sink) *Walk {
	w := &Walk{
		stamp: c.stamp, table: &c.table, sink: sink, now: c.options.Now, seed: maphash.MakeSeed(),
		parents: map[string][]*Type{}, toDescend: map[*Type][]Resource{},
		gapIndex: map[[2]string]int{}, pending: pending.New(), lost: map[key]lost{}, unknownTypes: map[string]int64{}, userless: map[string]bool{},
		without: c.without, memory: c.stamp.NewMemory(),
	}
	for i := range c.table.Types {
		if row := &c.table.Types[i]; row.Scope == InParent {
			w.parents[row.Parent] = append(w.parents[row.Parent], row)
		}
	}
	return w
}

func (w *Walk) run(ctx context.Context, unreadable Unreadable) error {
	if err := w.open(ctx, unreadable); err != nil {
		return err
	}
	if err := w.read(ctx, w.rows()); err != nil {
		return err
	}
	for row := range w.rows() {
		if row.AtResources {
			if err := w.atResources(ctx, row); err != nil {
				return err
			}
		}
	}
	if err := w.descend(ctx); err != nil {
		return err
	}
	return w.lookAgain(ctx)
}

func (w *Walk) open(ctx context.Context, unreadable Unreadable) error {
	tenant, err := w.openManager(ctx, w.stamp.Tenant())
	if err != nil {
		return err
	}
	admin, err := w.openManager(ctx, w.stamp.Admin())
	if err != nil {
		return err
	}
	w.managers = []*manager.Manager{tenant, admin}
	return w.compareSubscriptions(ctx, tenant, admin, unreadable)
}

// rows are those that are not below resources.
func (w *Walk) rows() iter.Seq[*Type] {
	return func(yield func(*Type) bool) {
		for i := range w.table.Types {
			if row := &w.table.Types[i]; row.Scope != InParent && !yield(row) {
				return
			}
		}
	}
}

func (w *Walk) cursor() map[string]string {
	return map[string]string{
		"tenantSubscriptions": strconv.Itoa(len(w.managers[0].Subscriptions)),
		"adminSubscriptions":  strconv.Itoa(len(w.managers[1].Subscriptions)),
		"laterLooks":          strconv.Itoa(int(w.round)),
		"changedMeanwhile":    strconv.FormatInt(w.changed, 10),
	}
}

// Check implements [collect.Collector]: it discovers the stamp, gets a token,
// compares subscriptions, and reads the beginning of every row's collection in the
// first subscription that has one.
func (c *Collector) Check(ctx context.Context) error {
	ctx = azure.WithPatience(ctx, maxCheckWait) // somebody waits for the answer
	w := c.newWalk(nil)
	defer w.memory.Release()
	ctx = azure.WithMemory(ctx, w.memory)
	if err := w.open(ctx, c.options.Unreadable); err != nil {
		return err
	}
	for row := range w.rows() {
		for _, m := range w.managers {
			if err := w.checkRow(ctx, row, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxCheckWait bounds how long a check waits for a stamp that asks for it.
const maxCheckWait = 20 * time.Second

// errEnough ends a look at the beginning.
var errEnough = errors.New("enough")

func (w *Walk) checkRow(ctx context.Context, row *Type, m *manager.Manager) error {
	probed, lists := 0, 0
	err := w.inOrder(ctx, w.lists(ctx, row, slices.Values([]*manager.Manager{m})), func(f fetched) error {
		switch {
		case f.nowhere, refused(f.err) && (!f.offered || row.Optional):
			return errEnough
		case errors.Is(f.err, azure.ErrNotRegistered), refused(f.err) && w.isUserless(f.list):
			return nil // a capture names it; another subscription may have it
		case errors.Is(f.err, azure.ErrForbidden):
			if said, ok := fault.Of(f.err); ok {
				return fault.New(fault.SourceAccessDenied, said.What+": client "+w.stamp.ClientID()+" needs a role that may read "+row.Type, said.Err)
			}
			return f.err
		case f.err != nil:
			return f.err
		}
		n, err := w.probe(ctx, f, maxProbes-probed)
		if err != nil {
			return err
		}
		// One list says whether a row can be read. Resources to probe may be in others.
		if probed, lists = probed+n, lists+1; row.Probe == nil || probed == maxProbes || lists == maxProbes {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// maxProbes is how many resources of a row are probed, and in how many lists they are
// looked for.
const maxProbes = 20

// probe tries the first resources of a list, and returns how many.
func (w *Walk) probe(ctx context.Context, f fetched, most int) (int, error) {
	if f.row.Probe == nil {
		return 0, nil
	}
	documents, err := f.documents(f.page)
	if err != nil {
		return 0, err
	}
	documents = documents[:min(len(documents), most)]
	for _, r := range documents {
		if err := f.row.Probe(ctx, w, r); err != nil {
			return 0, err
		}
	}
	return len(documents), nil
}

// openManager finds subscriptions and offers. A client that sees no subscription at all has
// lost its permissions: the stamp answers with an empty list, not with a refusal.
func (w *Walk) openManager(ctx context.Context, client *azure.Client) (*manager.Manager, error) {
	m := manager.New(client, w.memory)
	return m, w.renew(ctx, m)
}

func (w *Walk) renew(ctx context.Context, m *manager.Manager) error {
	return m.Renew(ctx, manager.Renewal{Pending: w.pending, First: !w.checks(checkAllOffers), Empty: w.empty})
}
