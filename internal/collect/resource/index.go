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
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/collect/resource/queue"
	"infrabackup/internal/fault"
)

// indexed reports whether the service has, or may have, what the resource manager
// tracks.
func (w *Walk) indexed() bool {
	if w.table.Others || len(w.table.Namespaces) > 0 {
		return true
	}
	for row := range w.rows() {
		if row.tracked() {
			return true
		}
	}
	return false
}

// tracked compares with the resource manager's own list. It is asked for everything, and
// not for the types that the stamp offers: the list itself is evidence of types. Rows
// for which it does not tell when something changed are added to relist.
func (w *Walk) tracked(ctx context.Context, m *manager.Manager, relist map[*Type]bool) error {
	if !w.indexed() || len(m.Subscriptions) == 0 {
		return nil
	}
	return queue.InOrder(ctx, queue.Jobs(m.Subscriptions), func(ctx context.Context, s azure.Subscription) fetched {
		f := fetched{list: list{manager: m, subscription: s.ID, path: "/subscriptions/" + s.ID + "/resources"}}
		w.pending.Await(f.place())
		// Not every resource manager knows what it is asked to add.
		f.pages, f.page, f.err = m.Resources(ctx, s.ID, url.Values{"$expand": {"createdTime,changedTime"}})
		return f
	}, func(f fetched) error {
		if notFound(f.err) {
			if err := m.ConfirmNotFound(ctx, f.subscription, f.err); err != nil {
				return err
			}
			w.Vanished(m.Client.Endpoint(), "/subscriptions/"+f.subscription)
			w.claim(m, "/subscriptions/"+f.subscription)
			w.pending.Answered(f.place())
			return nil
		}
		err := f.drain(ctx, func(page *azure.Page) error {
			m.NoteTime(page.Date)
			return w.compare(ctx, m, page, relist)
		})
		if err == nil {
			w.pending.Answered(f.place())
		}
		return err
	})
}

// entry is a resource as the resource manager's own list has it.
type entry struct {
	row      *Type // nil when none knows the type
	id       string
	typ      string
	versions []string // to read it with, when no row knows the type
}

// compare reads what a page of the list has and the capture has not, or has as it was.
func (w *Walk) compare(ctx context.Context, m *manager.Manager, page *azure.Page, relist map[*Type]bool) error {
	var wanted []entry
	versions := map[[2]string][]string{} // of types that no row knows, by type and subscription
	for _, item := range page.Items {
		e := entry{id: jsondoc.Text(item, "id"), typ: jsondoc.Text(item, "type")}
		if e.typ == "" {
			e.typ = resourceid.Type(e.id)
		}
		if e.id == "" || e.typ == "" {
			return fault.Newf(fault.SourceInvalid, "the list of resources of %s has an element without id or type", m.Client.Host())
		}
		e.row = w.rowOf(e.typ, m.Client.Endpoint())
		if e.row == nil && !w.table.owns(e.typ) {
			continue // another service's
		}
		for _, text := range []string{e.id, e.typ} {
			if len(text) > resourceid.MaxBytes {
				return resourceid.TooLong(text)
			}
		}
		w.nameElement(Resource{Endpoint: m.Client.Endpoint(), ID: e.id})
		kind := otherKind
		switch {
		case e.row != nil:
			kind = e.row.Kind
		case !w.checks(checkIndexedTypes) && (w.table.derives(e.typ) || byCustom(e.typ)):
			continue
		default:
			of := [2]string{e.typ, resourceid.Subscription(resourceid.Normal(e.id))}
			if versions[of] == nil {
				versions[of] = m.VersionsFor(of[0], of[1])
			}
			e.versions = versions[of]
		}
		at := w.keyOf(m.Client.Endpoint(), kind, e.id)
		if known, seen := w.items.get(at); seen {
			if known.round != vanished && known.round != w.round {
				known.round, known.confirmed, known.most = w.round, false, known.weight
				w.items.put(at, known)
			}
			changed, err := time.Parse(time.RFC3339, jsondoc.Text(item, "changedTime"))
			if err != nil && e.row != nil && e.row.tracked() {
				relist[e.row] = true
			}
			if err != nil || m.ChangedBefore(changed) || (e.row != nil && !e.row.tracked()) {
				continue
			}
		}
		wanted = append(wanted, e)
	}
	if err := w.weigh(); err != nil {
		return err
	}
	return w.getAll(ctx, m, wanted)
}

// getAll gets single resources and what lies below them.
func (w *Walk) getAll(ctx context.Context, m *manager.Manager, wanted []entry) error {
	var lists iter.Seq2[list, error] = func(yield func(list, error) bool) {
		for _, e := range wanted {
			row := Type{Kind: otherKind, Type: e.typ, Versions: e.versions}
			if e.row != nil {
				row = *e.row
			}
			row.Single = true
			l := list{row: &row, manager: m, subscription: resourceid.Subscription(resourceid.Normal(e.id)), path: resourceid.Normal(e.id), byID: true}
			if e.row != nil {
				l.version, l.offered = m.Choose(e.row.Type, e.row.Versions, l.subscription, "")
			} else {
				l.version = e.versions[0]
			}
			if !yield(l, nil) {
				return
			}
		}
	}
	i := -1
	return w.inOrder(ctx, lists, func(f fetched) error {
		i++
		return w.got(ctx, wanted[i], f)
	})
}

// got takes one resource that the list of resources names. That it cannot be read costs
// this resource and not its service: later looks try again, and what stays so is a gap.
func (w *Walk) got(ctx context.Context, e entry, f fetched) error {
	endpoint := f.manager.Client.Endpoint()
	at := w.keyOf(endpoint, f.row.Kind, e.id)
	switch {
	case notFound(f.err):
		w.lose(at, lost{path: f.path})
		return nil
	case errors.Is(f.err, ErrAnswer):
		w.lose(at, lost{path: f.path, code: GapAnswer, reason: "The stamp lists it and answers, each time, with what is not its document; it was not captured as it is now."})
		return nil
	case refused(f.err):
		w.lose(at, lost{path: f.path, code: GapResourceRefused, reason: "The stamp lists it and refuses to give it (" + answerOf(f.err) + "); it was not captured as it is now."})
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
		row = &Type{Kind: otherKind, Type: e.typ, Versions: e.versions}
	}
	delete(w.lost, at)
	fresh, err := w.take(ctx, row, documents[0])
	if err != nil || !fresh {
		return err
	}
	if e.row == nil {
		w.unknownChildren(endpoint, e.typ)
		return nil
	}
	return w.below(ctx, f.manager, row, documents)
}

// lost is a resource that a list names and that cannot be read.
type lost struct {
	path         string
	code, reason string // of the gap; empty when the stamp answers that it is not there
	round        uint8  // the last look in which a list named it
}

// lose remembers such a resource until the end of the capture.
func (w *Walk) lose(at key, l lost) {
	if !w.checks(checkIndexedNotFound) {
		return
	}
	if _, known := w.lost[at]; !known {
		w.changed++ // the next look says whether it is named again
		w.extra += len(l.path) + len(at.id) + 160
	}
	l.round = w.round
	w.lost[at] = l
	w.Settled(at.endpoint, l.path)
}

// lostGaps names what could not be read. What the last look's lists did not name any
// more went meanwhile.
func (w *Walk) lostGaps() {
	keys := make([]key, 0, len(w.lost))
	for at := range w.lost {
		keys = append(keys, at)
	}
	slices.SortFunc(keys, compareKeys)
	for _, at := range keys {
		switch l := w.lost[at]; {
		case l.code != "":
			w.Gap(backup.Gap{Code: l.code, Object: l.path, Reason: l.reason})
		case l.round == w.round:
			w.Gap(backup.Gap{Code: GapListedNotFound, Object: l.path, Reason: "The list of resources of the " + string(at.endpoint) + " endpoint names it, and it answered 404 (not found) when it was read."})
		default:
			w.Vanished(at.endpoint, l.path)
		}
	}
}

func compareKeys(a, b key) int {
	return cmp.Or(strings.Compare(string(a.endpoint), string(b.endpoint)), strings.Compare(a.kind, b.kind), strings.Compare(a.id, b.id))
}
