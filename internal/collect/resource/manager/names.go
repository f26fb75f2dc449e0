package manager

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/fault"
)

// names lists a collection of the resource manager's own and returns the names.
func (m *Manager) names(ctx context.Context, subscription, fullType string, known []string, path string) (names []string, err error) {
	defer func() {
		if err != nil {
			m.memory.Give(bytesOf(names))
			names = nil
		}
	}()
	seen := map[string]bool{}
	pages, page, err := m.listKnown(ctx, m.Anywhere, fullType, known, "/subscriptions/"+subscription+path, nil)
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
			if len(name) > resourceid.MaxNameBytes {
				return names, resourceid.TooLong(name)
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

// GroupType is the type of resource groups.
const GroupType = "Microsoft.Resources/resourceGroups"

// groupVersions are the api-versions of resource groups that are known.
var groupVersions = []string{"2019-10-01", "2018-05-01", "2016-06-01"}

// Groups are the resource groups of a subscription, by their names.
func (m *Manager) Groups(ctx context.Context, subscription string) ([]string, error) {
	return m.remembered(m.groups, subscription, func() ([]string, error) {
		return m.names(ctx, subscription, GroupType, groupVersions, "/resourcegroups")
	})
}

// Locations are the regions that a subscription can use.
func (m *Manager) Locations(ctx context.Context, subscription string) ([]string, error) {
	return m.remembered(m.locations, subscription, func() ([]string, error) {
		return m.names(ctx, subscription, "Microsoft.Resources/locations", []string{"2016-06-01"}, "/locations")
	})
}

// remembered asks for names once. Several subscriptions are asked for at the same time.
func (m *Manager) remembered(known map[string][]string, subscription string, ask func() ([]string, error)) ([]string, error) {
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

// ListsGroup reports whether a subscription's list of groups has one.
func (m *Manager) ListsGroup(ctx context.Context, group string) (bool, error) {
	subscription := resourceid.Subscription(group)
	names, err := m.Groups(ctx, subscription)
	if errors.Is(err, azure.ErrNotFound) {
		return false, m.ConfirmNotFound(ctx, subscription, err)
	}
	name := group[strings.LastIndexByte(group, '/')+1:]
	return slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(known, name) }), err
}

// Forget makes a subscription's groups be asked for again.
func (m *Manager) Forget(subscription string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.memory.Give(bytesOf(m.groups[subscription]))
	delete(m.groups, subscription)
}

// userSubscriptionVersions are those of the operator's list.
var userSubscriptionVersions = []string{"2015-11-01"}

// UserSubscriptions is the type of the operator's list.
const UserSubscriptions = "Microsoft.Subscriptions.Admin/subscriptions"

// Users hands on the elements of the operator's list in one of his subscriptions.
func (m *Manager) Users(ctx context.Context, subscription string, use func(item []byte) error) error {
	pages, page, err := m.listKnown(ctx, m.Anywhere, UserSubscriptions, userSubscriptionVersions, "/subscriptions/"+subscription+"/providers/"+UserSubscriptions, nil)
	for ; ; page, err = pages.Next(ctx) {
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := use(item); err != nil {
				return err
			}
		}
	}
}
