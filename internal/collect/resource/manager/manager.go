package manager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"infrabackup/internal/azure"
	"infrabackup/internal/collect/resource/pending"
	"infrabackup/internal/collect/resource/queue"
	"infrabackup/internal/fault"
)

// Manager is one resource manager during a capture.
type Manager struct {
	// Client sends its requests.
	Client *azure.Client
	// Subscriptions are those of this look.
	Subscriptions []azure.Subscription
	// Anywhere is what any of the subscriptions is offered.
	Anywhere *azure.Offers

	memory *azure.Memory
	// offered is what each subscription is offered: they differ by plans, and a list of
	// providers can be short.
	offered map[string]*azure.Offers

	began, since time.Time // of this look and of the one before, by the stamp's clock

	mu        sync.Mutex
	groups    map[string][]string // names by subscription
	locations map[string][]string
}

// Renewal is what a manager that is renewed needs of the capture.
type Renewal struct {
	// Pending has an entry for each list of what a subscription is offered.
	Pending *pending.Set
	// First says that only the first subscription is asked for what it is offered: tests
	// leave out the others, to see that the pending set notices.
	First bool
	// Empty names a list that says where to look and has nothing.
	Empty func(path, of string)
}

// New makes one that knows nothing yet. What it remembers is counted in memory.
func New(client *azure.Client, memory *azure.Memory) *Manager {
	return &Manager{
		Client: client, memory: memory, groups: map[string][]string{}, locations: map[string][]string{},
		offered: map[string]*azure.Offers{}, Anywhere: azure.Join(),
	}
}

// Renew makes a look see subscriptions and groups that came meanwhile, and no longer
// those that went. A subscription that is gone before its offers were read has none.
func (m *Manager) Renew(ctx context.Context, r Renewal) error {
	for subscription := range m.groups {
		m.Forget(subscription)
	}
	subscriptions, err := m.Client.Subscriptions(ctx)
	if err != nil {
		return err
	}
	m.memory.Give(azure.BytesOf(m.Subscriptions))
	m.Subscriptions = nil
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
		r.Pending.Await(m.place(s.ID))
		if i == 0 || !r.First {
			lacking = append(lacking, s.ID)
		}
	}
	err = queue.InOrder(ctx, queue.Jobs(lacking), func(ctx context.Context, id string) answered {
		offers, err := m.Client.Offers(ctx, id)
		return answered{id, offers, err}
	}, func(a answered) error {
		if errors.Is(a.err, azure.ErrNotFound) {
			if err := m.ConfirmNotFound(ctx, a.id, a.err); err != nil {
				return err
			}
			before := azure.BytesOf(subscriptions)
			subscriptions = slices.DeleteFunc(subscriptions, func(s azure.Subscription) bool { return s.ID == a.id })
			m.memory.Give(before - azure.BytesOf(subscriptions))
			r.Pending.Answered(m.place(a.id))
			return nil
		}
		if a.err != nil {
			return a.err
		}
		r.Pending.Answered(m.place(a.id))
		if a.offers.Empty() {
			r.Empty("/subscriptions/"+a.id+"/providers", "providers")
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
	m.Subscriptions = subscriptions
	if len(lacking) > 0 {
		var all []*azure.Offers
		for _, offers := range m.offered {
			all = append(all, offers)
		}
		m.memory.Give(m.Anywhere.Bytes())
		m.Anywhere = azure.Join(all...)
		if err := m.memory.Take(m.Anywhere.Bytes()); err != nil {
			return err
		}
		if m.Anywhere.Empty() && len(all) > 0 {
			return fault.Newf(fault.SourceIncomplete, "list %s /subscriptions/%s/providers: no resource type is offered, there or in any other subscription", m.Client.Endpoint(), subscriptions[0].ID)
		}
	}
	return nil
}

// place is the list of what a subscription is offered.
func (m *Manager) place(subscription string) string {
	return string(m.Client.Endpoint()) + " list /subscriptions/" + subscription + "/providers"
}

// Offers is what a subscription is offered; what any is, for "" and one that is not
// known.
func (m *Manager) Offers(subscription string) *azure.Offers {
	if own := m.offered[subscription]; own != nil {
		return own
	}
	return m.Anywhere
}

// HasSubscription asks whether a subscription is there.
func (m *Manager) HasSubscription(ctx context.Context, subscription string) (bool, error) {
	now, err := m.Client.Subscriptions(azure.WithMemory(ctx, nil)) // which is forgotten at once
	return slices.ContainsFunc(now, func(s azure.Subscription) bool { return s.ID == subscription }), err
}

// ConfirmNotFound makes sure that a subscription is not there any more, after an answer that may
// say so. While it is there, what was asked for is missing, and said is returned.
func (m *Manager) ConfirmNotFound(ctx context.Context, subscription string, said error) error {
	there, err := m.HasSubscription(ctx, subscription)
	if err == nil && there {
		return said
	}
	return err
}

// clockSlack is how far two clocks within a stamp may be apart.
const clockSlack = 5 * time.Second

// NextLook begins a look: what changed since the one before began is to be read.
func (m *Manager) NextLook() { m.since, m.began = m.began.Add(-clockSlack), time.Time{} }

// ChangedBefore reports whether something that changed at a time was seen by the look before.
func (m *Manager) ChangedBefore(changed time.Time) bool { return changed.Before(m.since) }

// NoteTime keeps the stamp's earliest time of a look: what changes later is seen by the
// next one.
func (m *Manager) NoteTime(date time.Time) {
	if !date.IsZero() && (m.began.IsZero() || date.Before(m.began)) {
		m.began = date
	}
}
