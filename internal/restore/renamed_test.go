package restore_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
)

const (
	account = "S-1-5-21-1-2-3-1104"
	gone    = "S-1-5-21-1-2-3-1105"
)

func site() *mapping.Site {
	return &mapping.Site{Format: mapping.Format, Source: mapping.Cloud{FQDN: cloud.FQDN, DeploymentID: cloud.DeploymentID}, Target: mapping.Cloud{FQDN: target.FQDN, DeploymentID: target.DeploymentID},
		Subscriptions: map[string]string{}, Domains: []mapping.Domain{{Source: mapping.DomainNames{SID: "S-1-5-21-1-2-3", DNS: "a.test"}, Target: mapping.DomainNames{SID: "S-1-5-21-7-8-9", DNS: "b.test"}}}}
}

// renaming is a restorer that gives things other names: those of the site, and of accounts what
// was learned.
type renaming struct{ restorer }

func (r *renaming) text(value string, m *mapping.Map) string {
	return mapping.SIDsIn(value, func(sid string) (string, bool) { p, ok := m.Find(sid); return p.New, ok })
}

func (r *renaming) Wants(items []restore.Item, m *mapping.Map) ([]restore.Want, []restore.Loss, error) {
	wants, losses, err := r.restorer.Wants(items, m)
	for i := range wants {
		wants[i].Body = []byte(m.Names().Text(string(wants[i].Body)))
	}
	return wants, losses, err
}

func (r *renaming) Sent(want restore.Want, m *mapping.Map) ([]byte, error) {
	return json.Marshal(map[string]string{"value": r.text(string(want.Body), m)})
}

func (r *renaming) Live(ctx context.Context, w restore.Want, m *mapping.Map) (restore.State, error) {
	s, err := r.restorer.Live(ctx, w, m)
	s.Learned = nil
	if s.Exists && w.ID == "account" {
		s.Learned = []mapping.Pair{{Old: account, New: "S-1-5-21-7-8-9-2001", How: mapping.Created}}
	}
	return s, err
}

func (r *renaming) Verdict(w restore.Want, live restore.State, m *mapping.Map) restore.Verdict {
	w.Body = []byte(r.text(string(w.Body), m))
	return r.restorer.Verdict(w, live, m)
}

func (r *renaming) Write(ctx context.Context, w restore.Want, v restore.Verdict, live restore.State, m *mapping.Map) error {
	w.Body = []byte(r.text(string(w.Body), m))
	return r.restorer.Write(ctx, w, v, live, m)
}

// elsewhere is a world whose target has other names. The account of the backup has its SID as
// an alias.
type elsewhere struct{ *world }

func (e elsewhere) restorers() []restore.Restorer {
	return []restore.Restorer{&renaming{restorer{place: e.place, service: service, all: e.things}}}
}

func (e elsewhere) source() *restore.Source {
	s := e.world.source()
	catalog := s.Catalog
	s.Catalog = func(ctx context.Context, fn func(backup.CatalogEntry) error) error {
		return catalog(ctx, func(entry backup.CatalogEntry) error {
			if entry.ID == "account" {
				entry.Aliases = []string{account}
			}
			return fn(entry)
		})
	}
	return s
}

func (e elsewhere) plan(s *mapping.Site, selection restore.Selection) (*restore.Plan, error) {
	p := e.planner()
	var err error
	p.Map, err = mapping.For(s)
	require.NoError(e.t, err)
	p.Source, p.Restorers, p.Selection = e.source(), e.restorers(), selection
	plan, err := p.Plan(e.t.Context())
	if err != nil {
		return nil, err
	}
	return e.reread(plan), nil
}

func (e elsewhere) run(p *restore.Plan, s *mapping.Site) *restore.Run {
	r := e.world.run(p, &restoretest.Journal{}, nil)
	var err error
	r.Map, err = mapping.For(s)
	require.NoError(e.t, err)
	r.Source, r.Restorers = e.source(), e.restorers()
	return r
}

// TestNamesOfTheSourceAreNotWritten: what can be renamed is, and what cannot is refused with
// all that needs it.
func TestNamesOfTheSourceAreNotWritten(t *testing.T) {
	e := elsewhere{newWorld(t, map[string]thing{
		"a": {Value: "host.a.example.com"}, "hidden": {Value: "aG9zdC5hLmV4YW1wbGUuY29t"}, "b": {Value: "b", Needs: []string{"hidden"}},
		"account": {Value: "x"}, "access": {Value: "for " + account, Needs: []string{"account"}}, "dangling": {Value: "for " + gone},
	})}
	p, err := e.plan(site(), restore.Selection{})
	require.NoError(t, err)
	codes := map[string]string{}
	for _, r := range p.Refusals {
		codes[r.Key.ID] = r.Code
		require.NotContains(t, r.Detail, gone)
	}
	require.Equal(t, map[string]string{"hidden": restore.RefusedNames, "b": restore.RefusedNeed, "dangling": restore.RefusedNames}, codes)
	require.Equal(t, site(), p.Header.Site)
	_, err = apply(t.Context(), e.run(p, nil))
	code(t, fault.PlanDiffers, err)
	other := site()
	other.Subscriptions["11111111-2222-4333-8444-555555555550"] = "11111111-2222-4333-8444-555555555550"
	_, err = apply(t.Context(), e.run(p, other))
	code(t, fault.PlanDiffers, err)
	require.Empty(t, e.place.writes)

	totals, err := apply(t.Context(), e.run(p, p.Header.Site))
	require.NoError(t, err)
	require.Equal(t, restore.Totals{Confirmed: 3}, totals)
	require.Equal(t, "host.b.example.com", e.place.values["a"])
	require.Equal(t, "for S-1-5-21-7-8-9-2001", e.place.values["access"])
}

// TestAnAccountThatDidNotCome: what waits for an account is not written with the source's SID.
func TestAnAccountThatDidNotCome(t *testing.T) {
	e := elsewhere{newWorld(t, map[string]thing{"account": {Value: "x"}, "access": {Value: "for " + account}})}
	p, err := e.plan(site(), restore.Selection{})
	require.NoError(t, err)
	require.Empty(t, p.Refusals)
	e.place.lie["account"] = true
	totals, err := apply(t.Context(), e.run(p, site()))
	require.NoError(t, err)
	require.False(t, totals.Whole())
	require.NotContains(t, e.place.values, "access")
}

// TestAccountsThatAreThere are learned by the plan, which keeps what it learned.
func TestAccountsThatAreThere(t *testing.T) {
	e := elsewhere{newWorld(t, map[string]thing{"account": {Value: "x"}, "access": {Value: "for " + account}})}
	e.place.values["account"] = "another value"
	p, err := e.plan(site(), restore.Selection{Items: []string{"access"}})
	require.NoError(t, err)
	require.Len(t, p.Steps, 1)
	require.Len(t, p.Pairs, 1)
	totals, err := apply(t.Context(), e.run(p, site()))
	require.NoError(t, err)
	require.Equal(t, restore.Totals{Confirmed: 1}, totals)
	require.Equal(t, "for S-1-5-21-7-8-9-2001", e.place.values["access"])
}

// liar shows in its documents what it was not sent.
type liar struct{ renaming }

func (l *liar) Live(ctx context.Context, w restore.Want, m *mapping.Map) (restore.State, error) {
	s, err := l.renaming.Live(ctx, w, m)
	if s.Exists {
		s.Document = []byte(string(s.Document) + " a.example.com")
	}
	return s, err
}

func (l *liar) Verdict(w restore.Want, live restore.State, m *mapping.Map) restore.Verdict {
	if live.Exists {
		return restore.Verdict{Same: true}
	}
	return l.renaming.Verdict(w, live, m)
}

// TestWhatIsLeftIsReported: a target that holds a name of the source behind a write is not whole.
func TestWhatIsLeftIsReported(t *testing.T) {
	e := elsewhere{newWorld(t, map[string]thing{"a": {Value: "x"}})}
	p, err := e.plan(site(), restore.Selection{})
	require.NoError(t, err)
	r := e.run(p, site())
	r.Restorers = []restore.Restorer{&liar{renaming{restorer{place: e.place, service: service, all: e.things}}}}
	totals, err := apply(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, restore.Totals{Confirmed: 1, Residual: 1}, totals)
	require.False(t, totals.Whole())
}

// TestNamesThatTheMapLacks are listed, and there is no plan.
func TestNamesThatTheMapLacks(t *testing.T) {
	e := elsewhere{newWorld(t, map[string]thing{"a": {Value: "/subscriptions/11111111-2222-4333-8444-555555555550/x"}})}
	_, err := e.plan(site(), restore.Selection{})
	code(t, fault.MapIncomplete, err)
	require.ErrorContains(t, err, "subscription 11111111-2222-4333-8444-555555555550")
}

// TestWhatCannotBeRenamed comes back with its names, and the plan says so.
func TestWhatCannotBeRenamed(t *testing.T) {
	w := newWorld(t, map[string]thing{"a": {Value: "host.a.example.com"}})
	p := w.planner()
	var err error
	p.Map, err = mapping.For(site())
	require.NoError(t, err)
	plan, err := p.Plan(t.Context())
	require.NoError(t, err)
	require.Len(t, plan.Steps, 1)
	require.Equal(t, restore.LossNames, plan.Losses[0].Code)
}
