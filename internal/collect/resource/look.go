package resource

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// maxLooks bounds how often a service is looked at again.
const maxLooks = 3

// clockSlack is how far two clocks within a stamp may be apart.
const clockSlack = 5 * time.Second

// vanished marks an item that was deleted meanwhile, so that it is named once.
const vanished = ^uint8(0)

// resourceVersions are those of the resource manager's own list.
var resourceVersions = []string{"2019-10-01", "2018-05-01", "2016-09-01"}

// otherKind is the kind of tracked resources whose type no row knows.
const otherKind = "resource"

// clock keeps the stamp's earliest time of a look: what changes later is seen by the
// next one.
func (m *manager) clock(date time.Time) {
	if !date.IsZero() && (m.began.IsZero() || date.Before(m.began)) {
		m.began = date
	}
}

// lookAgain repeats a second look until nothing changed.
func (w *Walk) lookAgain(ctx context.Context) error {
	for w.round < maxLooks {
		w.round++
		before := w.changed
		for _, m := range w.managers {
			m.since, m.began = m.began.Add(-clockSlack), time.Time{}
			if err := m.renew(ctx); err != nil {
				return err
			}
		}
		relist := map[*Type]bool{}
		for _, m := range w.managers {
			if err := w.tracked(ctx, m, relist); err != nil {
				return err
			}
		}
		if err := w.read(ctx, w.untracked(relist)); err != nil {
			return err
		}
		if w.round == 1 {
			if err := w.unknown(ctx); err != nil {
				return err
			}
		}
		if err := w.descend(ctx); err != nil {
			return err
		}
		if err := w.missing(ctx, relist); err != nil {
			return err
		}
		if w.changed == before {
			return nil
		}
	}
	return nil
}

// untracked are the rows that a later look lists again.
func (w *Walk) untracked(relist map[*Type]bool) iter.Seq[*Type] {
	return func(yield func(*Type) bool) {
		for row := range w.rows() {
			if (!row.tracked() || relist[row]) && !w.verified[row] && !yield(row) {
				return
			}
		}
	}
}

// resourcesVersion is the api-version of the resource manager's own list.
func (m *manager) resourcesVersion() string {
	if choice, ok := m.offers.Choose("Microsoft.Resources/resources", resourceVersions); ok {
		return choice.Version
	}
	return resourceVersions[0]
}

// entry is a resource as the resource manager's own list has it.
type entry struct {
	row     *Type // nil when none knows the type
	id      string
	version string
	typ     string
}

// tracked compares with the resource manager's own list. Rows for which it does not
// tell when something changed are added to relist.
func (w *Walk) tracked(ctx context.Context, m *manager, relist map[*Type]bool) error {
	filter, any := w.filter(m)
	if !any || len(m.subscriptions) == 0 {
		return nil
	}
	version := m.resourcesVersion()
	return InOrder(ctx, Jobs(m.subscriptions), func(s azure.Subscription, ctx context.Context) fetched {
		f := fetched{list: list{path: "/subscriptions/" + s.ID + "/resources"}}
		params := url.Values{"$expand": {"createdTime,changedTime"}}
		if filter != "" {
			params.Set("$filter", filter)
		}
		f.pages = m.client.List(f.path, version, params)
		f.page, f.err = f.pages.Next(ctx)
		if errors.Is(f.err, azure.ErrRefused) && params.Has("$filter") {
			params.Del("$filter")
			f.pages = m.client.List(f.path, version, params)
			f.page, f.err = f.pages.Next(ctx)
		}
		return f
	}, func(f fetched) error {
		if gone(f.err) {
			subscription := strings.TrimSuffix(f.path, "/resources")
			if err := m.went(ctx, strings.TrimPrefix(subscription, "/subscriptions/"), f.err); err != nil {
				return err
			}
			w.Vanished(subscription)
			return nil
		}
		return f.drain(ctx, func(page *azure.Page) error {
			m.clock(page.Date)
			return w.compare(ctx, m, page, relist)
		})
	})
}

// compare reads what a page of the list has and the capture has not, or has as it was.
func (w *Walk) compare(ctx context.Context, m *manager, page *azure.Page, relist map[*Type]bool) error {
	var wanted []entry
	for _, item := range page.Items {
		e := entry{id: stringOf(item, "id"), typ: stringOf(item, "type")}
		if e.id == "" || e.typ == "" {
			return fault.Newf(fault.SourceInvalid, "the list of resources of %s has an element without id or type", m.client.Host())
		}
		kind := otherKind
		if e.row = w.rowOf(e.typ, m.client.Endpoint()); e.row != nil {
			kind = e.row.Kind
			e.version, _ = m.choose(e.row, "")
		} else if w.knows(e.typ) || !w.table.belongs(e.typ) {
			continue
		} else if choice, ok := m.offers.Choose(e.typ, nil); ok {
			e.version = choice.Version
		} else {
			w.Gap(backup.Gap{Code: GapTypeUnknown, Object: e.typ, Count: 1, Reason: "The stamp has such resources and offers no api-version to read them."})
			continue
		}
		at := key{kind, strings.ToLower(e.id)}
		known, seen := w.items[at]
		if seen {
			if known.round != vanished {
				known.round = w.round
				w.items[at] = known
			}
			changed, err := time.Parse(time.RFC3339, stringOf(item, "changedTime"))
			if err != nil && e.row != nil {
				relist[e.row] = true
			}
			if err != nil || changed.Before(m.since) {
				continue
			}
		}
		wanted = append(wanted, e)
	}
	return w.getAll(ctx, m, wanted)
}

// getAll gets single resources and what lies below them.
func (w *Walk) getAll(ctx context.Context, m *manager, wanted []entry) error {
	var lists iter.Seq2[list, error] = func(yield func(list, error) bool) {
		for _, e := range wanted {
			row := Type{Kind: otherKind, Type: e.typ}
			if e.row != nil {
				row = *e.row
			}
			row.Single = true
			if !yield(list{row: &row, manager: m, path: e.id, version: e.version}, nil) {
				return
			}
		}
	}
	i := -1
	return w.inOrder(ctx, lists, func(f fetched) error {
		i++
		e := wanted[i]
		switch {
		case gone(f.err):
			if _, seen := w.items[key{f.row.Kind, strings.ToLower(e.id)}]; seen {
				w.vanish(f.row.Kind, e.id)
			}
			return nil
		case e.row == nil && refused(f.err):
			w.Gap(backup.Gap{Code: GapTypeUnknown, Object: e.typ, Count: 1, Reason: "No row knows the type, and the stamp refuses to read it."})
			return nil
		case f.err != nil:
			return f.err
		}
		documents, err := f.documents(f.page)
		if err != nil {
			return err
		}
		row := e.row
		if row == nil {
			row = f.row
		}
		fresh, err := w.take(row, documents[0])
		if err != nil || !fresh || e.row == nil {
			return err
		}
		return w.below(ctx, f.manager, row, documents)
	})
}

// filter asks for this service's types only. It reports false when the service has
// nothing that is tracked.
func (w *Walk) filter(m *manager) (string, bool) {
	if w.table.Others {
		return "", true
	}
	var terms []string
	add := func(fullType string) {
		if term := "resourceType eq '" + fullType + "'"; !slices.Contains(terms, term) {
			terms = append(terms, term)
		}
	}
	for row := range w.rows() {
		if row.tracked() && row.on(m.client.Endpoint()) {
			add(row.Type)
		}
	}
	if m.offers != nil {
		for _, fullType := range m.offers.Types() {
			if _, rest, _ := strings.Cut(fullType, "/"); !strings.Contains(rest, "/") && !w.knows(fullType) && w.table.belongs(fullType) {
				add(fullType)
			}
		}
	}
	return strings.Join(terms, " or "), len(terms) > 0
}

// unknown names, and reads where it can, what is offered and neither a row's nor
// tracked.
func (w *Walk) unknown(ctx context.Context) error {
	for _, m := range w.managers {
		if len(m.subscriptions) == 0 {
			continue
		}
		for _, fullType := range m.offers.Types() {
			if w.knows(fullType) || !w.table.belongs(fullType) {
				continue
			}
			_, rest, _ := strings.Cut(fullType, "/")
			if strings.Contains(rest, "/") {
				w.Gap(backup.Gap{Code: GapTypeUnknown, Object: fullType, Reason: "The stamp offers it below other resources, and no row knows it; it was not captured."})
				continue
			}
			choice, _ := m.offers.Choose(fullType, nil)
			row := &Type{Kind: otherKind, Type: fullType, Versions: []string{choice.Version}, Untracked: true}
			if err := w.tryRow(ctx, row, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryRow reads a type that no row knows, when the stamp lists it.
func (w *Walk) tryRow(ctx context.Context, row *Type, m *manager) error {
	err := w.inOrder(ctx, w.lists(ctx, row, slices.Values([]*manager{m})), func(f fetched) error {
		if refused(f.err) {
			w.Gap(backup.Gap{Code: GapTypeUnknown, Object: row.Type, Reason: "The stamp offers it, no row knows it, and it has no list in a subscription."})
			return errEnough // it has none in the others either
		}
		return w.collection(ctx, f)
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// missing looks for what this look did not see.
func (w *Walk) missing(ctx context.Context, relist map[*Type]bool) error {
	relisted := map[string]*Type{}
	var follow func(row *Type)
	follow = func(row *Type) {
		relisted[row.Kind] = row
		for _, child := range w.parents[row.Kind] {
			if !row.tracked() {
				follow(child)
			}
		}
	}
	for row := range w.untracked(relist) {
		follow(row)
	}
	var absent []key
	for at, m := range w.items {
		if m.round != w.round && m.round != vanished && (m.tracked || relisted[at.kind] != nil) {
			absent = append(absent, at)
		}
	}
	slices.SortFunc(absent, func(a, b key) int { return cmp.Or(strings.Compare(a.kind, b.kind), strings.Compare(a.id, b.id)) })
	for _, at := range absent {
		there, err := w.stillThere(ctx, at, relisted[at.kind])
		if err != nil {
			return err
		}
		if !there {
			w.vanish(at.kind, at.id)
		}
	}
	return nil
}

// stillThere asks for one resource: a list may have skipped it.
func (w *Walk) stillThere(ctx context.Context, at key, row *Type) (bool, error) {
	for i := range w.table.Types {
		if w.table.Types[i].Kind == at.kind && row == nil {
			row = &w.table.Types[i]
		}
	}
	if row == nil {
		return false, nil
	}
	for _, m := range w.managers {
		if !row.on(m.client.Endpoint()) || len(m.subscriptions) == 0 {
			continue
		}
		version, _ := m.choose(row, "")
		_, err := w.get(ctx, m, row.Type, at.id, version)
		if err == nil {
			return true, nil
		}
		if !refused(err) && !errors.Is(err, azure.ErrForbidden) {
			return false, err
		}
	}
	return false, nil
}

func (w *Walk) vanish(kind, id string) {
	at := key{kind, strings.ToLower(id)}
	m := w.items[at]
	if m.round == vanished {
		return
	}
	m.round = vanished
	w.items[at] = m
	w.Vanished(id)
}
