package resource

import (
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"slices"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/collect/resource/queue"
	"infrabackup/internal/compact"
	"infrabackup/internal/fault"
)

// read reads everything that rows stand for.
func (w *Walk) read(ctx context.Context, rows iter.Seq[*Type]) error {
	var lists iter.Seq2[list, error] = func(yield func(list, error) bool) {
		for row := range rows {
			for l, err := range w.lists(ctx, row, slices.Values(w.managers)) {
				if !yield(l, err) {
					return
				}
			}
		}
	}
	return w.inOrder(ctx, lists, func(f fetched) error { return w.collection(ctx, f) })
}

// lists are the collections of a row. It runs beside the walk and touches nothing of it
// but the pending set.
func (w *Walk) lists(ctx context.Context, row *Type, managers iter.Seq[*manager.Manager]) iter.Seq2[list, error] {
	return func(yield func(list, error) bool) {
		for m := range managers {
			if !row.on(m.Client.Endpoint()) || len(m.Subscriptions) == 0 {
				continue
			}
			if row.Scope == InRoot {
				l := w.listAt(m, row, "", row.Path)
				if !yield(l, nil) {
					return
				}
				continue
			}
			more := true
			err := queue.InOrder(ctx, queue.Jobs(m.Subscriptions), func(ctx context.Context, s azure.Subscription) based {
				w.pending.Await(place(m, row, s.ID))
				b, err := basesOf(ctx, m, row, s.ID)
				b.err = err
				return b
			}, func(b based) error {
				if notFound(b.err) {
					if err := m.ConfirmNotFound(ctx, b.subscription, b.err); err != nil {
						return err
					}
					w.pending.Answered(place(m, row, b.subscription))
					return nil // the next look has no such list
				}
				if b.err != nil {
					return b.err
				}
				for _, name := range b.names {
					if more = yield(w.listAt(m, row, b.subscription, row.collection(b.base+name)), nil); !more {
						return errEnough
					}
				}
				if len(b.names) == 0 && (row.Scope != InLocation || w.checks(checkNowhere)) {
					l := list{row: row, manager: m, subscription: b.subscription, path: "/subscriptions/" + b.subscription + row.Scope.source(), nowhere: true}
					if more = yield(l, nil); !more {
						return errEnough
					}
				}
				return nil
			})
			if !more {
				return
			}
			if err != nil {
				yield(list{}, err)
				return
			}
		}
	}
}

// place is a subscription in which a row has to be asked.
func place(m *manager.Manager, row *Type, subscription string) string {
	return string(m.Client.Endpoint()) + " collections of " + row.Kind + " in subscription " + subscription
}

// source is the list that says where a row of the scope lies.
func (s Scope) source() string {
	switch s {
	case InGroup:
		return "/resourcegroups"
	case InLocation:
		return "/locations"
	default:
		return ""
	}
}

// listAt is a list to read, which the pending set waits for.
func (w *Walk) listAt(m *manager.Manager, row *Type, subscription, path string) list {
	l := list{row: row, manager: m, subscription: subscription, path: path}
	l.version, l.offered = m.Choose(row.Type, row.Versions, subscription, "")
	w.pending.Await(l.place())
	return l
}

// place is the list's entry in the pending set.
func (l list) place() string {
	return string(l.manager.Client.Endpoint()) + " list " + resourceid.Key(l.path)
}

// based is where a row's collections of a subscription lie.
type based struct {
	subscription string
	base         string   // the beginning of all paths
	names        []string // their ends
	err          error
}

// basesOf are the paths below which a row's collections of a subscription lie. Where a
// provider says that it is counts as well as where the subscription says that one can be.
func basesOf(ctx context.Context, m *manager.Manager, row *Type, subscription string) (b based, err error) {
	b = based{subscription: subscription, base: "/subscriptions/" + subscription}
	switch row.Scope {
	case InGroup:
		b.names, err = m.Groups(ctx, subscription)
		b.base += "/resourceGroups/"
	case InLocation:
		b.names, err = m.Locations(ctx, subscription)
		b.names = withPlaces(b.names, m.Offers(subscription).Locations(row.Type))
		b.base += "/providers/" + row.namespace() + "/locations/"
	default:
		b.names = []string{""}
	}
	return b, err
}

// withPlaces adds the regions of a provider to those of a subscription. Providers write
// them as people do, "East US" for eastus.
func withPlaces(names, regions []string) []string {
	known := map[string]bool{"global": true, "": true}
	plain := func(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), "")) }
	for _, name := range names {
		known[plain(name)] = true
	}
	names = slices.Clone(names)
	for _, region := range regions {
		if name := plain(region); !known[name] && !strings.ContainsAny(name, "/?#%") {
			known[name] = true
			names = append(names, name)
		}
	}
	return names
}

// collection records what one collection holds, and what lies below it.
func (w *Walk) collection(ctx context.Context, f fetched) error {
	if f.nowhere {
		if f.row.Scope == InLocation {
			w.empty(f.path, f.row.Type)
		}
		w.asked(f.list)
		return nil
	}
	if f.err != nil {
		return w.unlisted(ctx, f)
	}
	w.noteVersion(f)
	reading := &reading{}
	defer w.forget(reading)
	if err := f.drain(ctx, func(page *azure.Page) error { return w.page(ctx, f, page, reading) }); err != nil {
		return err
	}
	reading.turnOver(w, f, 0)
	if reading.seen.Len() == 0 && f.row.NeverEmpty {
		w.empty(f.path, f.row.Type)
	}
	w.asked(f.list)
	if reading.pages < 2 || f.row.Scope != InParent || w.round > 0 {
		return nil
	}
	// Pages may have moved while they were read. Collections below resources are
	// looked at again only when their resource changed, so this one is now.
	return w.once(ctx, f.list, reading)
}

// asked settles a list, and the place that it is one of.
func (w *Walk) asked(l list) {
	w.pending.Answered(l.place())
	if l.row.Scope != InParent && l.parent == "" {
		w.pending.Answered(place(l.manager, l.row, l.subscription))
	}
}

// empty names a list that says where to look, or that no stamp has empty.
func (w *Walk) empty(path, of string) {
	w.Gap(backup.Gap{Code: GapNowhere, Object: path, Reason: "The stamp lists nothing here, which no stamp means; what it should have named was not asked for: " + of + "."})
}

// once reads a collection of several pages a second time.
func (w *Walk) once(ctx context.Context, l list, first *reading) error {
	again := w.begin(ctx, l)
	if again.err != nil {
		return w.unlisted(ctx, again)
	}
	second := &reading{later: true}
	defer w.forget(second)
	if err := again.drain(ctx, func(page *azure.Page) error { return w.page(ctx, again, page, second) }); err != nil {
		return err
	}
	for id := range first.seen.All() {
		if _, ok := second.seen.Get(id); !ok {
			w.changed++ // it went, or the first look alone saw it: it is in the part in both cases
		}
	}
	return nil
}

// reading is what is remembered of one list while it is read.
type reading struct {
	seen  compact.Table[compact.Sum, uint64] // document by ID, both as hashes
	taken int                                // bytes of seen that are counted
	pages int
	later bool // the list is read for the second time

	page          int // whose elements these are
	elements, new int
}

// weighList counts what is remembered of a list, beside all else.
func (w *Walk) weighList(r *reading) error {
	now := r.seen.Bytes()
	w.extra += now - r.taken
	r.taken = now
	return w.weigh()
}

// forget counts no longer what was remembered of a list that was read.
func (w *Walk) forget(r *reading) {
	w.extra -= r.taken
	r.taken = 0
}

// turnOver ends a page for the pending set: one whose elements were all on earlier pages was
// named by a link and did not give what it should. The reader of lists refuses it too.
func (r *reading) turnOver(w *Walk, f fetched, next int) {
	if next == r.page {
		return
	}
	if r.elements > 0 && r.new == 0 {
		w.pending.Await(fmt.Sprintf("%s page %d (it has nothing new)", f.place(), r.page))
	}
	r.page, r.elements, r.new = next, 0, 0
}

// page records one page, then what lies below its resources.
func (w *Walk) page(ctx context.Context, f fetched, page *azure.Page, reading *reading) error {
	f.manager.NoteTime(page.Date)
	documents, err := f.documents(page)
	if err != nil {
		return err
	}
	reading.turnOver(w, f, page.Number)
	reading.pages, reading.elements = max(reading.pages, page.Number), reading.elements+len(documents)
	fresh := documents[:0:0]
	for _, r := range documents {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.nameElement(r)
		id, sum := compact.Sum(maphash.String(w.seed, resourceid.Key(r.ID))), maphash.Bytes(w.seed, r.Document)
		if known, ok := reading.seen.Get(id); ok {
			if known != sum {
				// Two elements with one ID: the resource itself says which is right.
				if r, err = w.get(ctx, f.manager, r.Type, r.ID, r.Version); err != nil {
					return fault.New(fault.SourceInconsistent, f.path+" lists "+r.ID+" twice, and differently", err)
				}
			}
		} else {
			reading.new++
		}
		reading.seen.Put(id, sum)
		added, err := w.take(ctx, f.row, r)
		if err != nil {
			return err
		}
		// Later looks list again what is below everything that they list again.
		if added || (w.round > 0 && !f.row.tracked() && !reading.later) {
			fresh = append(fresh, r)
		}
	}
	if err := w.weighList(reading); err != nil {
		return err
	}
	return w.below(ctx, f.manager, f.row, fresh)
}

// nameElement enters what a list names, and the resource group in which that lies.
func (w *Walk) nameElement(r Resource) {
	w.Named(r.Endpoint, r.ID)
	if group := resourceid.Group(resourceid.Normal(r.ID)); group != "" {
		w.inGroup(r.Endpoint, group)
	}
}

func (w *Walk) noteVersion(f fetched) {
	if slices.Contains(f.row.Versions, f.version) {
		return
	}
	at := [2]string{GapVersionUntested, f.row.Type + " " + f.version}
	if _, ok := w.gapIndex[at]; !ok {
		w.Gap(backup.Gap{Code: at[0], Object: at[1], Reason: "The stamp offers no api-version that this program knows; documents were captured as they come with this one."})
	}
}

// owns reports whether a type belongs to this service, by its namespace or by name. What
// evidence names, such as the index, is captured whatever the type is called.
func (t *Table) owns(fullType string) bool {
	namespace, _, _ := strings.Cut(fullType, "/")
	is := func(name string) bool { return strings.EqualFold(name, namespace) || strings.EqualFold(name, fullType) }
	if slices.ContainsFunc(t.Elsewhere, is) {
		return false
	}
	return t.Others || slices.ContainsFunc(t.Namespaces, is)
}

// derives reports whether a type is known to hold nothing of its own.
func (t *Table) derives(fullType string) bool {
	return slices.ContainsFunc(t.Derived, func(name string) bool { return strings.EqualFold(name, fullType) })
}

// byCustom reports whether a type by its name is no resource but a question or an
// operation, by the custom of resource providers. That is a reason to expect no list; it
// proves nothing.
func byCustom(fullType string) bool {
	namespace, rest, _ := strings.Cut(strings.ToLower(fullType), "/")
	if rest == "locations" || (strings.HasPrefix(rest, "locations/") && !strings.HasSuffix(namespace, ".admin")) {
		return true
	}
	switch last := rest[strings.LastIndexByte(rest, '/')+1:]; last {
	case "operations", "operationresults", "operationsstatus", "operationstatuses", "operationids", "usages", "skus", "metrics", "metricdefinitions", "logdefinitions":
		return true
	default:
		return strings.HasPrefix(last, "check")
	}
}

// rowOf finds the tracked row of a type, or else any row that has it.
func (w *Walk) rowOf(fullType string, endpoint azure.Endpoint) *Type {
	var first *Type
	for i := range w.table.Types {
		row := &w.table.Types[i]
		if !strings.EqualFold(row.Type, fullType) || !row.on(endpoint) {
			continue
		}
		if row.tracked() {
			return row
		}
		if first == nil {
			first = row
		}
	}
	return first
}

// knows reports whether any row has the type.
func (w *Walk) knows(fullType string) bool {
	return slices.ContainsFunc(w.table.Types, func(t Type) bool { return strings.EqualFold(t.Type, fullType) })
}
