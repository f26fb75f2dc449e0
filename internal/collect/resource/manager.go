package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// manager is one resource manager during a capture.
type manager struct {
	client        *azure.Client
	subscriptions []azure.Subscription
	offers        *azure.Offers

	began, since time.Time // of this look and of the one before, by the stamp's clock

	mu        sync.Mutex
	groups    map[string][]string // names by subscription
	locations map[string][]string
}

// open finds subscriptions and offers. A client that sees no subscription at all has
// lost its permissions: the stamp answers with an empty list, not with a refusal.
func open(ctx context.Context, client *azure.Client) (*manager, error) {
	m := &manager{client: client, groups: map[string][]string{}, locations: map[string][]string{}}
	var err error
	if m.subscriptions, err = client.Subscriptions(ctx); err != nil {
		return nil, err
	}
	if len(m.subscriptions) == 0 {
		return m, nil
	}
	m.offers, err = client.Offers(ctx, m.subscriptions[0].ID)
	return m, err
}

// names lists a collection of the resource manager's own and returns the names.
func (m *manager) names(ctx context.Context, subscription, fullType string, known []string, path string) ([]string, error) {
	version := known[0]
	if choice, ok := m.offers.Choose(fullType, known); ok {
		version = choice.Version
	}
	var names []string
	pages := m.client.List("/subscriptions/"+subscription+path, version, nil)
	for {
		page, err := pages.Next(ctx)
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			name := gjson.GetBytes(item, "name").String()
			if name == "" {
				return nil, fault.Newf(fault.SourceInvalid, "list /subscriptions/%s%s: an element has no name", subscription, path)
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
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
		known[subscription] = names
		m.mu.Unlock()
	}
	return names, err
}

// went makes sure that a subscription is not there any more, after an answer that may
// say so. While it is there, what was asked for is missing, and said is returned.
func (m *manager) went(ctx context.Context, subscription string, said error) error {
	now, err := m.client.Subscriptions(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(now, func(s azure.Subscription) bool { return s.ID == subscription }) {
		return said
	}
	return nil
}

// renew makes the next look see subscriptions and groups that came meanwhile, and no
// longer those that went.
func (m *manager) renew(ctx context.Context) error {
	clear(m.groups)
	var err error
	m.subscriptions, err = m.client.Subscriptions(ctx)
	if err != nil || len(m.subscriptions) == 0 || m.offers != nil {
		return err
	}
	m.offers, err = m.client.Offers(ctx, m.subscriptions[0].ID)
	return err
}

// Unreadable says what to do about user subscriptions that the client cannot see.
type Unreadable string

// The choices.
const (
	UnreadableFails Unreadable = "fail" // the service fails: a short part must not look whole
	UnreadableIsGap Unreadable = "gap"  // each is a named gap
)

// userSubscriptionVersions are those of the operator's list.
var userSubscriptionVersions = []string{"2015-11-01"}

// compareSubscriptions makes sure that the client sees what the operator's resource
// manager knows of.
func (w *Walk) compareSubscriptions(ctx context.Context, tenant, admin *manager, choice Unreadable) error {
	if len(admin.subscriptions) == 0 {
		return fault.Newf(fault.SourceAccessDenied, "client %s sees no subscription on %s: it needs the role Reader on the provider subscription",
			w.stamp.ClientID(), admin.client.Host())
	}
	visible := map[string]bool{}
	for _, s := range tenant.subscriptions {
		visible[s.ID] = true
	}
	var missing []string
	for _, s := range admin.subscriptions {
		visible[s.ID] = true
		version := userSubscriptionVersions[0]
		if choice, ok := admin.offers.Choose("Microsoft.Subscriptions.Admin/subscriptions", userSubscriptionVersions); ok {
			version = choice.Version
		}
		pages := admin.client.List("/subscriptions/"+s.ID+"/providers/Microsoft.Subscriptions.Admin/subscriptions", version, nil)
		for {
			page, err := pages.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			for _, item := range page.Items {
				id := strings.ToLower(gjson.GetBytes(item, "subscriptionId").String())
				state := gjson.GetBytes(item, "state").String()
				if id != "" && !visible[id] && !strings.HasPrefix(state, "Delet") {
					visible[id] = true
					missing = append(missing, id)
				}
			}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	if choice != UnreadableIsGap {
		return fault.Newf(fault.SourceAccessDenied, "client %s cannot see %d of the stamp's user subscriptions (%s): it needs the role Reader on each",
			w.stamp.ClientID(), len(missing), shorten(missing))
	}
	for _, id := range missing {
		w.Gap(backup.Gap{Code: GapSubscription, Object: "/subscriptions/" + id, Reason: "The client of the worker has no role there; nothing of it was captured."})
	}
	return nil
}

// shorten names the first few.
func shorten(all []string) string {
	const few = 5
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}
