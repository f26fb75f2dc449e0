package resource

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
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
	added := map[*Type]int{}
	err := w.inOrder(ctx, lists, func(f fetched) error {
		before := len(w.items)
		err := w.collection(ctx, f)
		added[f.row] += len(w.items) - before
		return err
	})
	if err != nil || w.round > 0 {
		return err
	}
	for row := range rows {
		switch {
		case row.Verifies && added[row] > 0:
			if err := w.belowTracked(ctx, row); err != nil {
				return err
			}
		case row.Verifies && w.listed[row] > 0:
			w.verified[row] = true // later looks need not ask again
		}
	}
	return nil
}

// belowTracked reads a row's collection below every tracked resource.
func (w *Walk) belowTracked(ctx context.Context, row *Type) error {
	for _, m := range w.managers {
		if len(m.subscriptions) == 0 {
			continue
		}
		version, offered := m.choose(row, "")
		for _, s := range m.subscriptions {
			pages := m.client.List("/subscriptions/"+s.ID+"/resources", m.resourcesVersion(), nil)
			for {
				page, err := pages.Next(ctx)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					return err
				}
				lists := func(yield func(list, error) bool) {
					for _, item := range page.Items {
						id := stringOf(item, "id")
						if !yield(list{row: row, manager: m, path: row.collection(id), version: version, offered: offered, parent: id}, nil) {
							return
						}
					}
				}
				err = w.inOrder(ctx, lists, func(f fetched) error {
					if gone(f.err) {
						return w.leftOut(f) // the resource went meanwhile, and its assignments with it
					}
					return w.collection(ctx, f)
				})
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// leftOut notes a collection below a resource that is not there, unless the stamp says
// that the resource itself is not.
func (w *Walk) leftOut(f fetched) error {
	var said *azure.AnswerError
	if errors.As(f.err, &said) && slices.Contains([]string{"ResourceNotFound", "ParentResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound"}, said.Code) {
		return nil
	}
	w.Gap(backup.Gap{Code: GapCollectionRefused, Object: f.row.Type, Count: 1, Reason: "The stamp offers it and refuses its list."})
	return nil
}

// lists are the collections of a row.
func (w *Walk) lists(ctx context.Context, row *Type, managers iter.Seq[*manager]) iter.Seq2[list, error] {
	return func(yield func(list, error) bool) {
		for m := range managers {
			if !row.on(m.client.Endpoint()) || len(m.subscriptions) == 0 {
				continue
			}
			l := list{row: row, manager: m}
			l.version, l.offered = m.choose(row, "")
			if row.Scope == InRoot {
				l.path = row.Path
				if !yield(l, nil) {
					return
				}
				continue
			}
			more := true
			err := InOrder(ctx, Jobs(m.subscriptions), func(s azure.Subscription, ctx context.Context) based {
				paths, err := m.bases(ctx, row, s.ID)
				return based{s.ID, paths, err}
			}, func(b based) error {
				if gone(b.err) {
					return m.went(ctx, b.subscription, b.err) // the next look has no such list
				}
				for _, base := range b.paths {
					l.path = row.collection(base)
					if more = yield(l, nil); !more {
						return errEnough
					}
				}
				return b.err
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

// based is where a row's collections of a subscription lie.
type based struct {
	subscription string
	paths        []string
	err          error
}

// bases are the paths below which a row's collections of a subscription lie.
func (m *manager) bases(ctx context.Context, row *Type, subscription string) ([]string, error) {
	base := "/subscriptions/" + subscription
	var names []string
	var err error
	switch row.Scope {
	case InGroup:
		names, err = m.groupsOf(ctx, subscription)
		base += "/resourceGroups/"
	case InLocation:
		names, err = m.locationsOf(ctx, subscription)
		base += "/providers/" + row.namespace() + "/locations/"
	default:
		return []string{base}, nil
	}
	all := make([]string, 0, len(names))
	for _, name := range names {
		all = append(all, base+name)
	}
	return all, err
}

// choose picks a row's api-version. What the stamp does not list, such as some
// collections below resources, is tried with the version of what is above it, and
// with the newest known one at last.
func (m *manager) choose(row *Type, above string) (version string, offered bool) {
	if choice, ok := m.offers.Choose(row.Type, row.Versions); ok {
		return choice.Version, true
	}
	if above != "" {
		if choice, ok := m.offers.Choose(above, row.Versions); ok && choice.Known {
			return choice.Version, false
		}
	}
	return slices.Max(row.Versions), false
}

// collection records what one collection holds, and what lies below it.
func (w *Walk) collection(ctx context.Context, f fetched) error {
	if f.err != nil {
		return w.unlisted(ctx, f)
	}
	w.noteVersion(f)
	reading := &reading{seen: map[uint64]uint64{}}
	if err := f.drain(ctx, func(page *azure.Page) error { return w.page(ctx, f, page, reading) }); err != nil {
		return err
	}
	if reading.pages < 2 || f.row.Scope != InParent || w.round > 0 {
		return nil
	}
	// Pages may have moved while they were read. Collections below resources are
	// looked at again only when their resource changed, so this one is now.
	return w.once(ctx, f.list, reading)
}

// once reads a collection of several pages a second time.
func (w *Walk) once(ctx context.Context, l list, first *reading) error {
	again := l.begin(ctx)
	if again.err != nil {
		return w.unlisted(ctx, again)
	}
	second := &reading{seen: map[uint64]uint64{}, later: true}
	if err := again.drain(ctx, func(page *azure.Page) error { return w.page(ctx, again, page, second) }); err != nil {
		return err
	}
	for id := range first.seen {
		if _, ok := second.seen[id]; !ok {
			w.changed++ // it went, or the first look alone saw it: it is in the part in both cases
		}
	}
	return nil
}

// reading is what is remembered of one list while it is read.
type reading struct {
	seen  map[uint64]uint64 // document by ID, both as hashes
	pages int
	later bool // the list is read for the second time
}

// page records one page, then what lies below its resources.
func (w *Walk) page(ctx context.Context, f fetched, page *azure.Page, reading *reading) error {
	f.manager.clock(page.Date)
	documents, err := f.documents(page)
	if err != nil {
		return err
	}
	reading.pages++
	w.listed[f.row] += len(documents)
	repeated := 0
	fresh := documents[:0:0]
	for _, r := range documents {
		if err := ctx.Err(); err != nil {
			return err
		}
		id, sum := maphash.String(w.seed, strings.ToLower(r.ID)), maphash.Bytes(w.seed, r.Document)
		if known, ok := reading.seen[id]; ok {
			repeated++
			if known != sum {
				// Two elements with one ID: the resource itself says which is right.
				if r, err = w.get(ctx, f.manager, r.Type, r.ID, r.Version); err != nil {
					return fault.New(fault.SourceInconsistent, f.path+" lists "+r.ID+" twice, and differently", err)
				}
			}
		}
		reading.seen[id] = sum
		added, err := w.take(f.row, r)
		if err != nil {
			return err
		}
		// Later looks list again what is below everything that they list again.
		if added || (w.round > 0 && !f.row.tracked() && !reading.later) {
			fresh = append(fresh, r)
		}
	}
	if repeated == len(documents) && repeated > 0 {
		return fault.Newf(fault.SourceIncomplete, "page %d of %s repeats earlier ones, so others are missing", reading.pages, f.path)
	}
	return w.below(ctx, f.manager, f.row, fresh)
}

// unlisted decides about a collection that the stamp does not list.
func (w *Walk) unlisted(ctx context.Context, f fetched) error {
	if !refused(f.err) {
		return f.err
	}
	var said *azure.AnswerError
	if errors.As(f.err, &said) && (said.Code == "ResourceGroupNotFound" || said.Code == "SubscriptionNotFound") {
		w.Vanished(f.path)
		return nil
	}
	if f.parent != "" && gone(f.err) {
		switch _, err := w.parentOf(ctx, f); {
		case gone(err):
			w.Vanished(f.parent)
			return nil
		case err != nil:
			return err
		}
	}
	switch {
	case !f.offered && (f.parent == "" || f.row.Optional):
		w.Gap(backup.Gap{Code: GapTypeNotOffered, Object: f.row.Type, Reason: "This stamp does not offer it to the " + string(f.manager.client.Endpoint()) + " endpoint."})
	case f.row.Optional:
		w.Gap(backup.Gap{Code: GapCollectionRefused, Object: f.row.Type, Count: 1, Reason: "The stamp offers it and refuses its list."})
	default:
		return f.err
	}
	return nil
}

func (w *Walk) parentOf(ctx context.Context, f fetched) (Resource, error) {
	for i := range w.table.Types {
		if row := &w.table.Types[i]; row.Kind == f.row.Parent && row.on(f.manager.client.Endpoint()) {
			version, _ := f.manager.choose(row, "")
			return w.get(ctx, f.manager, row.Type, f.parent, version)
		}
	}
	return Resource{}, fault.Newf(fault.Internal, "row %s has no parent row %s", f.row.Type, f.row.Parent)
}

func (w *Walk) noteVersion(f fetched) {
	if slices.Contains(f.row.Versions, f.version) {
		return
	}
	at := key{GapVersionUntested, f.row.Type + " " + f.version}
	if _, ok := w.gapIndex[at]; !ok {
		w.Gap(backup.Gap{Code: at.kind, Object: at.id, Reason: "The stamp offers no api-version that this program knows; documents were captured as they come with this one."})
	}
}

// belongs reports whether a type that no row has is this service's.
func (t *Table) belongs(fullType string) bool {
	namespace, rest, _ := strings.Cut(fullType, "/")
	is := func(name string) bool { return strings.EqualFold(name, namespace) || strings.EqualFold(name, fullType) }
	if slices.ContainsFunc(t.Elsewhere, is) || slices.ContainsFunc(t.Derived, is) || derived(namespace, rest) {
		return false
	}
	return t.Others || slices.ContainsFunc(t.Namespaces, is)
}

// derived reports whether a type by its name is no resource but a question or an
// operation, by the custom of resource providers. What providers of tenants answer for
// a location are questions; the operator's keep quotas and more there.
func derived(namespace, segments string) bool {
	segments = strings.ToLower(segments)
	operators := strings.HasSuffix(strings.ToLower(namespace), ".admin")
	if segments == "locations" || (strings.HasPrefix(segments, "locations/") && !operators) {
		return true
	}
	switch last := segments[strings.LastIndexByte(segments, '/')+1:]; last {
	case "operations", "operationresults", "operationsstatus", "operationstatuses", "operationids", "usages", "skus", "metrics", "metricdefinitions", "logdefinitions":
		return true
	default:
		return strings.HasPrefix(last, "check")
	}
}

// rowOf finds the tracked row of a type.
func (w *Walk) rowOf(fullType string, endpoint azure.Endpoint) *Type {
	for row := range w.rows() {
		if strings.EqualFold(row.Type, fullType) && row.tracked() && row.on(endpoint) {
			return row
		}
	}
	return nil
}

// knows reports whether any row has the type.
func (w *Walk) knows(fullType string) bool {
	return slices.ContainsFunc(w.table.Types, func(t Type) bool { return strings.EqualFold(t.Type, fullType) })
}

// stringOf is one member of a document.
func stringOf(document []byte, path string) string { return gjson.GetBytes(document, path).String() }
