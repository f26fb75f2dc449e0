package resources_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/diff"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/operator/live"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
	"infrabackup/internal/restore/resources"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const farDomain, farRegion = "south.cloud.example", "south"

var (
	home = restore.Fingerprint{FQDN: domain, DeploymentID: "11111111-2222-4333-8444-555555555555"}
	far  = restore.Fingerprint{FQDN: farDomain, DeploymentID: "99999999-2222-4333-8444-555555555555"}
)

// openFar starts a stamp of another site, right after it was installed.
func openFar(t *testing.T) (*site, *inventory.Stamp) {
	t.Helper()
	contents, err := inventory.Empty(inventory.Options{Seed: seed + 1, Domain: farDomain, Region: farRegion})
	require.NoError(t, err)
	var started atomic.Bool
	s, err := stamp.Start(stamp.Options{Contents: contents, Domain: farDomain, Versions: stamp.UncommonTypes(), Now: func() time.Time {
		if started.Load() {
			return time.Now()
		}
		return time.Now().Add(-24 * time.Hour)
	}})
	require.NoError(t, err)
	started.Store(true)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	client, err := azure.New(azure.Config{
		TenantURL: s.TenantURL(), AdminURL: s.AdminURL(), Authority: s.AuthorityURL(), ClientID: s.ClientID(), ClientSecret: secret.New(s.ClientSecret()),
		CACertificates: s.CA(), Resolver: s.Resolver(), RetryDelay: time.Millisecond, TryTimeout: 20 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &site{s, client}, contents
}

var sids = regexp.MustCompile(`S-1-5-21(?:-[0-9]+){3}-[0-9]+`)

// farSite is the map from the generated stamp to the other one.
func farSite(t *testing.T, to *inventory.Stamp) *mapping.Site {
	t.Helper()
	from, err := generated()
	require.NoError(t, err)
	s := &mapping.Site{Format: mapping.Format, Source: mapping.Cloud{FQDN: home.FQDN, DeploymentID: home.DeploymentID}, Target: mapping.Cloud{FQDN: far.FQDN, DeploymentID: far.DeploymentID},
		Regions: map[string]string{inventory.Region: farRegion}, Tenants: map[string]string{from.TenantID: to.TenantID}, Subscriptions: map[string]string{from.ProviderSubscription: to.ProviderSubscription},
		Principals: map[string]string{}}
	for _, d := range from.Documents {
		if rest, ok := strings.CutPrefix(d.ID, "/subscriptions/"); ok {
			id, _, _ := strings.Cut(rest, "/")
			if s.Subscriptions[id] == "" {
				s.Subscriptions[id] = fmt.Sprintf("77777777-0000-4000-8000-%012d", len(s.Subscriptions))
			}
		}
		if strings.HasSuffix(d.Type, "/directoryTenants") { // guests keep theirs
			var o struct{ Properties struct{ TenantID string } }
			require.NoError(t, json.Unmarshal(d.Body, &o))
			if guest := o.Properties.TenantID; s.Tenants[guest] == "" {
				s.Tenants[guest] = guest
			}
		}
		for _, sid := range sids.FindAllString(string(d.Body), -1) {
			of := sid[:strings.LastIndexByte(sid, '-')]
			if len(s.Domains) == 0 {
				s.Domains = []mapping.Domain{{Source: mapping.DomainNames{SID: of, DNS: "corp.azurestack.test"}, Target: mapping.DomainNames{SID: "S-1-5-21-7-8-9", DNS: "corp.cloud.example"}}}
			}
			if of == s.Domains[0].Source.SID {
				s.Principals[sid] = "S-1-5-21-7-8-9" + strings.Replace(sid[len(of):], "-1", "-7", 1)
			}
		}
	}
	require.NoError(t, s.Validate())
	return s
}

// planFar plans into the other site.
func planFar(t *testing.T, c *captured, o resources.Options, s *mapping.Site) (*restore.Plan, error) {
	t.Helper()
	m, err := mapping.For(s)
	require.NoError(t, err)
	planner := &restore.Planner{Source: c.source(), Restorers: resources.All(o), Map: m, Target: far,
		Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647", Cloud: home}, Product: "test", Now: time.Now}
	return planner.Plan(t.Context())
}

func applyFar(t *testing.T, c *captured, o resources.Options, p *restore.Plan, j, undone restore.Journal) (restore.Totals, []string) {
	t.Helper()
	m, err := mapping.For(p.Header.Site)
	require.NoError(t, err)
	var mu sync.Mutex
	var bad []string
	totals, err := restore.Apply(t.Context(), &restore.Run{Plan: p, Restorers: resources.All(o), Source: c.source(), Journal: j, Undone: undone, Map: m, Target: far,
		Consent: restore.Consent{Irreversible: []string{restore.AllIrreversible}}, Now: time.Now, Progress: func(o restore.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			if !o.Status.Good() || len(o.Residual) > 0 {
				bad = append(bad, fmt.Sprintf("%s: %s %s %s %v", p.Steps[o.N].Key, o.Status, o.Code, o.Detail, o.Residual))
			}
		}})
	require.NoError(t, err)
	return totals, bad
}

// renamedCapture is a capture in the names of the other site, by the text of its documents and
// not by the mapping: every name is replaced wherever it stands.
func renamedCapture(c *captured, s *mapping.Site) *captured {
	var pairs []string
	for from, to := range s.Principals {
		pairs = append(pairs, from, to, strings.ToLower(from), strings.ToLower(to))
	}
	pairs = append(pairs, s.Source.FQDN, s.Target.FQDN)
	for from, to := range s.Subscriptions {
		pairs = append(pairs, from, to)
	}
	for from, to := range s.Tenants {
		pairs = append(pairs, from, to)
	}
	r := inventory.Region
	pairs = append(pairs, `"location":"`+r+`"`, `"location":"`+farRegion+`"`, "/locations/"+r, "/locations/"+farRegion, "/Locations/"+r, "/Locations/"+farRegion, "/updateLocations/"+r, "/updateLocations/"+farRegion,
		"/updatelocations/"+r, "/updatelocations/"+farRegion, "system."+r, "system."+farRegion, `"displayName":"`+r+`"`, `"displayName":"`+farRegion+`"`, `"primaryLocation":"`+r+`"`, `"primaryLocation":"`+farRegion+`"`, `"value":["`+r+`"]`, `"value":["`+farRegion+`"]`, `"providerLocation":"`+r+`"`, `"providerLocation":"`+farRegion+`"`)
	replace := strings.NewReplacer(pairs...)
	out := &captured{bytes: map[string][]byte{}}
	for _, e := range c.entries {
		item := backup.Item{Kind: e.Kind, ID: replace.Replace(e.ID)}
		out.add(e.Service, item, []byte(replace.Replace(string(c.bytes[e.Path]))))
	}
	return out
}

// TestIntoAnotherSite restores a stamp into one with another domain, region, tenant,
// subscriptions and accounts, captures that, and finds the same in the other names, and none
// of the source's. Then all is taken back.
func TestIntoAnotherSite(t *testing.T) {
	from := full(t)
	c := capture(t, from)
	to, contents := openFar(t)
	s := farSite(t, contents)
	o, before := options(to), dump(t, to)
	had := map[restore.Key]bool{}
	for _, e := range capture(t, to).entries {
		had[drill.Key(e.Service, e.Kind, e.ID)] = true
	}
	p, err := planFar(t, c, o, s)
	require.NoError(t, err)
	require.Equal(t, before, dump(t, to), "a plan writes nothing")
	codes := map[string]int{}
	for _, r := range p.Refusals {
		codes[r.Code]++
	}
	require.Equal(t, 1, codes["DISK_MISSING"], "%v", refusals(p))
	require.Positive(t, codes[restore.RefusedMissing], "%v", refusals(p))
	require.Len(t, codes, 2, "as into the same site: %v", refusals(p))
	require.Greater(t, count(p)[restore.Create], 300)
	scan := residual.New(s)
	for _, step := range p.Steps {
		require.Empty(t, scan.Find([]byte(step.ID)), step.ID)
	}

	j := &restoretest.Journal{}
	totals, bad := applyFar(t, c, o, p, j, nil)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
	written := 0
	for d := range to.Documents() {
		require.Empty(t, scan.Find(d.Body), "%s", d.Body)
		written++
	}
	require.Greater(t, written, 300)
	for _, w := range to.Writes() {
		require.Empty(t, scan.Find([]byte(w.Path)), w.Path)
	}
	there := capture(t, to)
	requireAsBefore(t, renamedCapture(c, s), there, p)

	proven(t, from, to, s, drill.Evidence{Plan: p, Totals: totals, Before: had, Drilled: resources.Services})

	again, err := planFar(t, c, o, s)
	require.NoError(t, err)
	for _, step := range again.Steps {
		require.Equal(t, restore.Skip, step.Action, "%s: %v", step.Key, step.Fields)
	}
	u, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	totals, bad = applyFar(t, c, o, u, &restoretest.Journal{}, j)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
	require.Equal(t, before, dump(t, to))
}

// proven compares both stamps through the map, and has it judged as a drill is.
func proven(t *testing.T, from, to *site, s *mapping.Site, e drill.Evidence) {
	t.Helper()
	take := func(of *site) *live.Capture {
		c, err := live.Take(t.Context(), controlplane.Collectors(of.client, resource.Options{Now: time.Now}), live.Options{Now: time.Now})
		require.NoError(t, err)
		return c
	}
	names, err := mapping.NewNames(s)
	require.NoError(t, err)
	e.Report, err = diff.Compare(t.Context(), comparing.Renamed(take(from), names), take(to), diff.Options{Services: resources.Services, Random: rand.Reader})
	require.NoError(t, err)
	var c drill.Certificate
	c.Judge(e)
	require.Zero(t, c.Unexplained, "%v", c.Findings)
	require.Equal(t, drill.Passed, c.Result)
	for _, one := range c.Services {
		require.True(t, one.Compared, one.Reason)
	}
}

// TestAMapThatWasCut is refused before anything is planned, with the names that are missing.
func TestAMapThatWasCut(t *testing.T) {
	c := capture(t, full(t))
	to, contents := openFar(t)
	for what, cut := range map[string]func(*mapping.Site){
		"subscription 77777777": nil,
		"tenant ":               func(s *mapping.Site) { s.Tenants = nil },
		"region local":          func(s *mapping.Site) { s.Regions = nil },
		"subscription ": func(s *mapping.Site) {
			for from, to := range s.Subscriptions {
				if to != contents.ProviderSubscription {
					delete(s.Subscriptions, from)
				}
			}
		},
	} {
		if cut == nil {
			continue
		}
		s := farSite(t, contents)
		cut(s)
		_, err := planFar(t, c, options(to), s)
		require.ErrorIs(t, err, fault.MapIncomplete, what)
		require.ErrorContains(t, err, what)
	}
	require.Empty(t, changes(to.Stamp))
}

// TestWhatTheMapCannotReplace: an account that the map does not have, and names inside of
// base64, are refused by the plan and not written.
func TestWhatTheMapCannotReplace(t *testing.T) {
	c := capture(t, full(t), backup.ARM, backup.RBAC)
	to, contents := openFar(t)
	s := farSite(t, contents)
	var principal string
	for _, e := range c.entries {
		if e.Kind == "role-assignment" {
			principal = sids.FindString(string(c.bytes[e.Path]))
		}
	}
	require.NotEmpty(t, principal)
	delete(s.Principals, principal)
	group := ""
	for i, e := range c.entries {
		if e.Kind == "resource-group" && group == "" && strings.Contains(string(c.bytes[e.Path]), `"endpoint":"tenant"`) {
			group = e.ID
			hidden := "aC5sb2NhbC5henVyZXN0YWNrLnRlc3Q=" // h.local.azurestack.test
			var envelope struct {
				Endpoint   string         `json:"endpoint"`
				Type       string         `json:"type"`
				APIVersion string         `json:"apiVersion"`
				Document   map[string]any `json:"document"`
			}
			require.NoError(t, json.Unmarshal(c.bytes[e.Path], &envelope))
			envelope.Document["tags"] = map[string]any{"x": hidden}
			data, err := json.Marshal(envelope)
			require.NoError(t, err)
			c.bytes[e.Path] = data
			c.entries[i].SHA256 = restore.Digest(data)
		}
	}
	require.NotEmpty(t, group)
	p, err := planFar(t, c, options(to), s)
	require.NoError(t, err)
	m, err := mapping.For(s)
	require.NoError(t, err)
	refused := map[string]string{}
	for _, r := range p.Refusals {
		if r.Code == restore.RefusedNames {
			refused[r.Key.ID] = r.Detail
			require.NotContains(t, r.Detail, principal)
		}
	}
	require.Contains(t, refused[m.Names().ID(group)], "body.tags.x has the source's fqdn (base64 text)")
	delete(refused, m.Names().ID(group))
	require.NotEmpty(t, refused)
	for id, detail := range refused {
		require.Contains(t, detail, "domainSid", id)
	}
	for _, step := range p.Steps {
		require.NotEqual(t, m.Names().ID(group), step.ID)
	}
}
