package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/fault"
)

// maxScopes bounds how many resources of a capture are asked for what lies at them. A
// stamp with request limits would need hours for a hundred thousand.
const maxScopes = 500

// atResources reads a row's collection at resources themselves.
func (w *Walk) atResources(ctx context.Context, row *Type) error {
	left, skipped := maxScopes, int64(0)
	for _, m := range w.managers {
		if !row.on(m.Client.Endpoint()) {
			continue
		}
		for _, s := range m.Subscriptions {
			here := place(m, row, s.ID) + " at resources"
			w.pending.Await(here)
			if !w.checks(checkResources) {
				continue
			}
			pages, page, err := m.Resources(ctx, s.ID, nil)
			for ; ; page, err = pages.Next(ctx) {
				if errors.Is(err, io.EOF) {
					break
				}
				if notFound(err) {
					if err = m.ConfirmNotFound(ctx, s.ID, err); err == nil {
						break
					}
				}
				if err != nil {
					return err
				}
				asked, err := w.atEach(ctx, m, row, s.ID, page, left)
				if err != nil {
					return err
				}
				left, skipped = left-asked, skipped+int64(len(page.Items)-asked)
			}
			w.pending.Answered(here)
		}
	}
	if skipped > 0 {
		w.Gap(backup.Gap{Code: GapScopesNotAsked, Object: row.Type, Count: skipped,
			Reason: fmt.Sprintf("Subscriptions, groups and %d resources were asked for what lies at them; at these further resources it was captured as far as their subscription's and group's lists name it.", maxScopes)})
	}
	return nil
}

// atEach reads the collection at the resources of a page, and returns how many.
func (w *Walk) atEach(ctx context.Context, m *manager.Manager, row *Type, subscription string, page *azure.Page, most int) (int, error) {
	items := page.Items[:min(len(page.Items), most)]
	lists := func(yield func(list, error) bool) {
		for _, item := range items {
			id := resourceid.Normal(jsondoc.Text(item, "id"))
			if id == "" {
				yield(list{}, fault.Newf(fault.SourceInvalid, "the list of resources of %s has an element without id", m.Client.Host()))
				return
			}
			l := w.listAt(m, row, subscription, row.collection(id))
			l.parent = id
			if !yield(l, nil) {
				return
			}
		}
	}
	return len(items), w.inOrder(ctx, lists, func(f fetched) error { return w.collection(ctx, f) })
}

// unknownChildren counts resources of a type that no row knows: what may lie below them
// is asked for nowhere.
func (w *Walk) unknownChildren(endpoint azure.Endpoint, fullType string) {
	at := string(endpoint) + " children of " + fullType
	if w.unknownTypes[fullType] == 0 {
		w.extra += len(fullType) + 64
		w.pending.Await(at)
	}
	w.unknownTypes[fullType]++
	if w.checks(checkChildren) {
		w.pending.Answered(at)
	}
}

func (w *Walk) childrenGaps() {
	if !w.checks(checkChildren) {
		return
	}
	all := make([]string, 0, len(w.unknownTypes))
	for fullType := range w.unknownTypes {
		all = append(all, fullType)
	}
	slices.Sort(all)
	for _, fullType := range all {
		w.Gap(backup.Gap{Code: GapChildren, Object: fullType, Count: w.unknownTypes[fullType],
			Reason: "No row knows the type. Such resources were captured; what lies below them was, as far as the list of resources names it."})
	}
}

// usesGroups reports whether rows lie in resource groups, or are these.
func (w *Walk) usesGroups() bool {
	return slices.ContainsFunc(w.table.Types, func(t Type) bool { return t.Scope == InGroup || t.Path == "/resourcegroups" })
}

// inGroup remembers a resource group that something lies in.
func (w *Walk) inGroup(endpoint azure.Endpoint, group string) {
	at := address(endpoint, group)
	if at == w.lastGroup {
		return
	}
	w.lastGroup = at
	w.groups.add(at, endpoint, group)
}

// groupsNamed makes sure that each resource group in which something lies is in its
// subscription's list of groups, which says where to look.
func (w *Walk) groupsNamed(ctx context.Context) error {
	if !w.usesGroups() {
		return nil
	}
	for endpoint, group := range w.groups.all() {
		m := w.managerOf(endpoint)
		listed, err := m.ListsGroup(ctx, group)
		if err != nil {
			return err
		}
		if listed {
			continue
		}
		there, err := w.hasGroup(ctx, m, group)
		if err != nil {
			return err
		}
		if !there {
			continue // it went with what lay in it
		}
		m.Forget(resourceid.Subscription(group))
		if listed, err = m.ListsGroup(ctx, group); err != nil {
			return err
		}
		if !listed {
			w.pending.Await(address(endpoint, group) + " (a resource group that no list names)")
			continue
		}
		w.Gap(backup.Gap{Code: GapLate, Object: group, Reason: "The group came when the capture was at its end: what lists of resources name in it was captured, and what only its own lists name was not."})
	}
	return nil
}

// settleUp is the end of a capture: gaps that could be told only now, and the rule that
// whatever was named is accounted for.
func (w *Walk) settleUp(ctx context.Context) error {
	w.lostGaps()
	w.childrenGaps()
	if err := w.groupsNamed(ctx); err != nil {
		return err
	}
	for _, c := range w.claims {
		there, err := w.claimed(ctx, c)
		if err != nil {
			return err
		}
		if there {
			w.pending.Await(string(c.manager.Client.Endpoint()) + " " + c.container + " (said to be gone, and there)")
		}
	}
	return w.balance()
}

// claim notes once that a container is said to be gone.
func (w *Walk) claim(m *manager.Manager, container string) {
	c := claim{m, container}
	if !slices.Contains(w.claims, c) {
		w.claims = append(w.claims, c)
	}
}

func (w *Walk) claimed(ctx context.Context, c claim) (bool, error) {
	if group := resourceid.Group(c.container); group != "" {
		return w.hasGroup(ctx, c.manager, group)
	}
	return c.manager.HasSubscription(ctx, resourceid.Subscription(c.container))
}

// hasGroup asks for one resource group.
func (w *Walk) hasGroup(ctx context.Context, m *manager.Manager, group string) (bool, error) {
	err := m.TryGroup(func(version string) error {
		_, err := w.get(ctx, m, manager.GroupType, group, version)
		return err
	})
	if notFound(err) {
		return false, nil
	}
	return err == nil, err
}
