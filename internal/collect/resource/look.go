package resource

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
)

// maxLooks bounds how often a service is looked at again.
const maxLooks = 3

// vanished marks an item that was deleted meanwhile, so that it is named once.
const vanished = ^uint8(0)

// otherKind is the kind of resources whose type no row knows.
const otherKind = "resource"

// lookAgain repeats a second look until nothing changed.
func (w *Walk) lookAgain(ctx context.Context) error {
	for w.round < maxLooks {
		w.round++
		before := w.changed
		for _, m := range w.managers {
			m.NextLook()
			if err := w.renew(ctx, m); err != nil {
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
			if (!row.tracked() || relist[row]) && !yield(row) {
				return
			}
		}
	}
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
	if !w.items.any(func(m mark) bool { return m.round != w.round && m.round != vanished }) {
		return nil
	}
	for at, m := range w.items.all() {
		if m.round == w.round || m.round == vanished || (!m.tracked && relisted[at.kind] == nil) {
			continue
		}
		there, err := w.stillThere(ctx, at, m, relisted[at.kind])
		switch {
		case err == nil && there:
		case notFound(err):
			w.vanish(at.endpoint, at.kind, at.id)
		case refused(err), errors.Is(err, ErrAnswer), errors.Is(err, azure.ErrForbidden):
			w.Gap(backup.Gap{Code: GapUnconfirmed, Object: at.id, Reason: "A later list does not name it, and the stamp did not say whether it is there when it was asked for (" + answerOf(err) + "); what was read of it before is kept."})
		case err != nil:
			return err
		}
	}
	return nil
}

// stillThere asks for one resource: a list may have skipped it. The error says what the
// stamp answered.
func (w *Walk) stillThere(ctx context.Context, at key, known mark, row *Type) (bool, error) {
	for i := range w.table.Types {
		if w.table.Types[i].Kind == at.kind && row == nil {
			row = &w.table.Types[i]
		}
	}
	m := w.managerOf(known.endpoint())
	subscription := resourceid.Subscription(at.id)
	fullType, version := resourceid.Type(at.id), ""
	if row != nil {
		fullType = row.Type
		version, _ = m.Choose(row.Type, row.Versions, subscription, "")
	} else {
		version = m.VersionsFor(fullType, subscription)[0]
	}
	if row != nil && row.Single {
		_, err := w.single(ctx, m, at.id, version, false)
		return err == nil, err
	}
	_, err := w.get(ctx, m, fullType, at.id, version)
	return err == nil, err
}

func (w *Walk) vanish(endpoint azure.Endpoint, kind, id string) {
	at := w.keyOf(endpoint, kind, id)
	m, _ := w.items.get(at)
	if m.round == vanished {
		return
	}
	m.round = vanished
	w.items.put(at, m)
	w.Vanished(endpoint, id)
}

// unknown reads where it can, and names, what is offered and neither a row's nor
// tracked.
func (w *Walk) unknown(ctx context.Context) error {
	for _, m := range w.managers {
		if len(m.Subscriptions) == 0 {
			continue
		}
		for _, namespace := range m.Anywhere.Vague() {
			if w.table.owns(namespace + "/") {
				w.Gap(backup.Gap{Code: GapTypeUnknown, Object: namespace, Reason: "The stamp offers this provider and names none of its types, or not all; what no row knows and no list of resources names was not captured."})
			}
		}
		for _, fullType := range m.Anywhere.Types() {
			if w.knows(fullType) || !w.table.owns(fullType) || w.table.derives(fullType) {
				continue
			}
			_, rest, _ := strings.Cut(fullType, "/")
			if strings.Contains(rest, "/") {
				w.Gap(backup.Gap{Code: GapTypeUnknown, Object: fullType, Reason: "The stamp offers it below other resources, and no row knows it; it was not captured."})
				continue
			}
			versions := m.VersionsFor(fullType, "")
			row := &Type{Kind: otherKind, Type: fullType, Versions: versions, Untracked: true}
			if err := w.tryRow(ctx, row, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// tryRow reads a type that no row knows, where the stamp lists it. That there is such a
// list is a guess: what comes of it costs this type and not its service.
func (w *Walk) tryRow(ctx context.Context, row *Type, m *manager.Manager) error {
	custom := byCustom(row.Type)
	return w.inOrder(ctx, w.lists(ctx, row, slices.Values([]*manager.Manager{m})), func(f fetched) error {
		err := w.guessed(ctx, f, custom)
		switch {
		case custom && refused(err): // as its name says
		case refused(err), unreadable(err):
			w.Gap(backup.Gap{Code: GapTypeUnknown, Object: f.row.Type, Count: 1, Reason: "The stamp offers it, no row knows it, and it has no list in a subscription, or one that could not be read as one of resources (" + answerOf(err) + ")."})
		case err != nil:
			return err
		}
		w.asked(f.list)
		return nil
	})
}

// guessed reads such a list. Of a type whose name says that it holds questions or
// operations, what it names as resources of the type counts all the same.
func (w *Walk) guessed(ctx context.Context, f fetched, custom bool) error {
	if f.err == nil {
		w.noteVersion(f)
	}
	reading := &reading{}
	defer w.forget(reading)
	err := f.drain(ctx, func(page *azure.Page) error {
		kept := *page
		if custom {
			kept.Items = slices.DeleteFunc(slices.Clone(page.Items), func(item []byte) bool {
				return !strings.EqualFold(jsondoc.Text(item, "type"), f.row.Type) || !strings.EqualFold(resourceid.Type(jsondoc.Text(item, "id")), f.row.Type)
			})
		}
		if custom && len(kept.Items) == 0 {
			return nil
		}
		return w.page(ctx, f, &kept, reading)
	})
	if err == nil && !custom {
		reading.turnOver(w, f, 0)
	}
	return err
}
