package resource

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/collect/resource/jsondoc"
	"infrabackup/internal/collect/resource/queue"
	"infrabackup/internal/fault"
)

// manager is one resource manager during a capture.
type manager struct {
	client        *azure.Client
	memory        *azure.Memory
	subscriptions []azure.Subscription
	// offered is what each subscription is offered: they differ by plans, and a list of
	// providers can be short. anywhere is what any of them is offered.
	offered  map[string]*azure.Offers
	anywhere *azure.Offers

	began, since time.Time // of this look and of the one before, by the stamp's clock

	mu        sync.Mutex
	groups    map[string][]string // names by subscription
	locations map[string][]string
}

// open finds subscriptions and offers. A client that sees no subscription at all has
// lost its permissions: the stamp answers with an empty list, not with a refusal.
func (w *Walk) openManager(ctx context.Context, client *azure.Client) (*manager, error) {
	m := &manager{
		client: client, memory: w.memory, groups: map[string][]string{}, locations: map[string][]string{},
		offered: map[string]*azure.Offers{}, anywhere: azure.Join(),
	}
	return m, w.renew(ctx, m)
}

// renew makes a look see subscriptions and groups that came meanwhile, and no longer
// those that went. A subscription that is gone before its offers were read has none.
func (w *Walk) renew(ctx context.Context, m *manager) error {
	for subscription := range m.groups {
		m.forget(subscription)
	}
	subscriptions, err := m.client.Subscriptions(ctx)
	if err != nil {
		return err
	}
	m.memory.Give(azure.BytesOf(m.subscriptions))
	m.subscriptions = nil
	type answered struct {
		id     string
		offers *azure.Offers
		err    error
	}
	var lacking []string
	for i, s := range subscriptions {
		if m.offered[s.ID] != nil {
			continue
		}
		w.ledger.Await(m.place(s.ID))
		if i == 0 || w.checks(checkAllOffers) {
			lacking = append(lacking, s.ID)
		}
	}
	err = queue.InOrder(ctx, queue.Jobs(lacking), func(ctx context.Context, id string) answered {
		offers, err := m.client.Offers(ctx, id)
		return answered{id, offers, err}
	}, func(a answered) error {
		if gone(a.err) {
			if err := m.went(ctx, a.id, a.err); err != nil {
				return err
			}
			before := azure.BytesOf(subscriptions)
			subscriptions = slices.DeleteFunc(subscriptions, func(s azure.Subscription) bool { return s.ID == a.id })
			m.memory.Give(before - azure.BytesOf(subscriptions))
			w.ledger.Answered(m.place(a.id))
			return nil
		}
		if a.err != nil {
			return a.err
		}
		w.ledger.Answered(m.place(a.id))
		if a.offers.Empty() {
			w.empty("/subscriptions/"+a.id+"/providers", "providers")
		}
		for _, known := range m.offered { // most are offered the same: one copy does
			if known.Equal(a.offers) {
				m.memory.Give(a.offers.Bytes())
				a.offers = known
				break
			}
		}
		m.offered[a.id] = a.offers
		return nil
	})
	if err != nil {
		return err
	}
	m.subscriptions = subscriptions
	if len(lacking) > 0 {
		var all []*azure.Offers
		for _, offers := range m.offered {
			all = append(all, offers)
		}
		m.memory.Give(m.anywhere.Bytes())
		m.anywhere = azure.Join(all...)
		if err := m.memory.Take(m.anywhere.Bytes()); err != nil {
			return err
		}
		if m.anywhere.Empty() && len(all) > 0 {
			return fault.Newf(fault.SourceIncomplete, "list %s /subscriptions/%s/providers: no resource type is offered, there or in any other subscription", m.client.Endpoint(), subscriptions[0].ID)
		}
	}
	return nil
}

// place is the list of what a subscription is offered.
func (m *manager) place(subscription string) string {
	return string(m.client.Endpoint()) + " list /subscriptions/" + subscription + "/providers"
}

// offersOf is what a subscription is offered; what any is, for "" and one that is not
// known.
func (m *manager) offersOf(subscription string) *azure.Offers {
	if own := m.offered[subscription]; own != nil {
		return own
	}
	return m.anywhere
}

// names lists a collection of the resource manager's own and returns the names.
func (m *manager) names(ctx context.Context, subscription, fullType string, known []string, path string) (names []string, err error) {
	defer func() {
		if err != nil {
			m.memory.Give(bytesOf(names))
			names = nil
		}
	}()
	seen := map[string]bool{}
	pages, page, err := m.listKnown(ctx, m.anywhere, fullType, known, "/subscriptions/"+subscription+path, nil)
	for ; ; page, err = pages.Next(ctx) {
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return names, err
		}
		for _, item := range page.Items {
			// The address counts; a name is what people see.
			name := jsondoc.Text(item, "name")
			if rest, ok := resourceid.CutPrefixFold(resourceid.Normal(jsondoc.Text(item, "id")), "/subscriptions/"+subscription+path+"/"); ok && rest != "" && !strings.Contains(rest, "/") {
				name = rest
			}
			if name == "" {
				return names, fault.Newf(fault.SourceInvalid, "list /subscriptions/%s%s: an element has no name", subscription, path)
			}
			if len(name) > maxName {
				return names, tooLong(name)
			}
			if folded := strings.ToLower(name); !seen[folded] {
				if err := m.memory.Take(bytesOf([]string{name})); err != nil {
					return names, err
				}
				seen[folded] = true
				names = append(names, name)
			}
		}
	}
}

// bytesOf is about what is remembered of names, while they are read as well.
func bytesOf(names []string) int {
	n := 0
	for _, name := range names {
		n += 2*len(name) + 64
	}
	return n
}

// groupVersions are the api-versions of resource groups that are known.
var groupVersions = []string{"2019-10-01", "2018-05-01", "2016-06-01"}

func (m *manager) groupsOf(ctx context.Context, subscription string) ([]string, error) {
	return m.remembered(m.groups, subscription, func() ([]string, error) {
		return m.names(ctx, subscription, "Microsoft.Resources/resourceGroups", groupVersions, "/resourcegroups")
	})
}

// locationsOf are the regions that a subscription can use.
func (m *manager) locationsOf(ctx context.Context, subscription string) ([]string, error) {
	return m.remembered(m.locations, subscription, func() ([]string, error) {
		return m.names(ctx, subscription, "Microsoft.Resources/locations", []string{"2016-06-01"}, "/locations")
	})
}

// remembered asks for names once. Several subscriptions are asked for at the same time.
func (m *manager) remembered(known map[string][]string, subscription string, ask func() ([]string, error)) ([]string, error) {
	m.mu.Lock()
	names, ok := known[subscription]
	m.mu.Unlock()
	if ok {
		return names, nil
	}
	names, err := ask()
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if first, twice := known[subscription]; twice { // somebody asked at the same time
			m.memory.Give(bytesOf(names))
			return first, nil
		}
		known[subscription] = names
	}
	return names, err
}

// lists reports whether a subscription's list of groups has one.
func (m *manager) lists(ctx context.Context, group string) (bool, error) {
	subscription := resourceid.Subscription(group)
	names, err := m.groupsOf(ctx, subscription)
	if gone(err) {
		return false, m.went(ctx, subscription, err)
	}
	name := group[strings.LastIndexByte(group, '/')+1:]
	return slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) }), err
}

// forget makes a subscription's groups be asked for again.
func (m *manager) forget(subscription string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.memory.Give(bytesOf(m.groups[subscription]))
	delete(m.groups, subscription)
}

// hasGroup asks for one resource group.
func (w *Walk) hasGroup(ctx context.Context, m *manager, group string) (bool, error) {
	version := groupVersions[0]
	if choice, ok := m.anywhere.Choose("Microsoft.Resources/resourceGroups", groupVersions); ok {
		version = choice.Version
	}
	err := eachVersion(version, groupVersions, func(version string) error {
		_, err := w.get(ctx, m, "Microsoft.Resources/resourceGroups", group, version)
		return err
	})
	if gone(err) {
		return false, nil
	}
	return err == nil, err
}

// hasSubscription asks whether a subscription is there.
func (m *manager) hasSubscription(ctx context.Context, subscription string) (bool, error) {
	now, err := m.client.Subscriptions(azure.WithMemory(ctx, nil)) // which is forgotten at once
	return slices.ContainsFunc(now, func(s azure.Subscription) bool { return s.ID == subscription }), err
}

// went makes sure that a subscription is not there any more, after an answer that may
// say so. While it is there, what was asked for is missing, and said is returned.
func (m *manager) went(ctx context.Context, subscription string, said error) error {
	there, err := m.hasSubscription(ctx, subscription)
	if err == nil && there {
		return said
	}
	return err
}

// choose picks a row's api-version for a subscription. What is not offered to it is
// tried with the version that others are offered; what the stamp does not list at all,
// such as some collections below resources, with the version of what is above it, and
// with the newest known one at last.
func (m *manager) choose(row *Type, subscription, above string) (version string, offered bool) {
	if choice, ok := m.offersOf(subscription).Choose(row.Type, row.Versions); ok {
		return choice.Version, true
	}
	if choice, ok := m.anywhere.Choose(row.Type, row.Versions); ok {
		return choice.Version, false
	}
	if above != "" {
		if choice, ok := m.anywhere.Choose(above, row.Versions); ok && choice.Known {
			return choice.Version, false
		}
	}
	return slices.Max(row.Versions), false
}
