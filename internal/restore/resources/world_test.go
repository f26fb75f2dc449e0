package resources_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/writer"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/controlplane"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/resources"
	"infrabackup/internal/restore/resources/shape"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

const (
	domain = "local.azurestack.test"
	seed   = 7
)

// site is a stand-in stamp with a client of it.
type site struct {
	*stamp.Stamp
	client *azure.Stamp
}

// open starts a stamp that was made long ago.
func open(t *testing.T, contents *inventory.Stamp) *site {
	t.Helper()
	var started atomic.Bool
	s, err := stamp.Start(stamp.Options{Contents: contents, Domain: domain, Versions: stamp.UncommonTypes(), Now: func() time.Time {
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
	return &site{s, client}
}

var generated = sync.OnceValues(func() (*inventory.Stamp, error) {
	return inventory.Generate(inventory.Options{Seed: seed, Resources: 300, Domain: domain})
})

// full is a stamp with resources of every kind; empty is the same one right after it was installed.
func full(t *testing.T) *site {
	t.Helper()
	contents, err := generated()
	require.NoError(t, err)
	return open(t, contents)
}

func empty(t *testing.T) *site {
	t.Helper()
	contents, err := inventory.Empty(inventory.Options{Seed: seed, Domain: domain})
	require.NoError(t, err)
	return open(t, contents)
}

// captured is what the collectors record of a stamp.
type captured struct {
	entries []backup.CatalogEntry
	bytes   map[string][]byte
}

func capture(t *testing.T, s *site, services ...backup.Service) *captured {
	t.Helper()
	c := &captured{bytes: map[string][]byte{}}
	for _, collector := range controlplane.Collectors(s.client, resource.Options{Now: time.Now}) {
		if len(services) > 0 && !slices.Contains(services, collector.Service()) {
			continue
		}
		r := &collecttest.Recorder{}
		_, err := collector.Collect(t.Context(), r)
		require.NoError(t, err, collector.Service())
		for _, call := range r.Calls() {
			if call.Document != nil {
				c.add(collector.Service(), call.Item, call.Document)
			}
		}
	}
	return c
}

func (c *captured) add(service backup.Service, item backup.Item, document []byte) {
	path := fmt.Sprint(len(c.entries))
	c.bytes[path] = slices.Clone(document)
	c.entries = append(c.entries, backup.CatalogEntry{Service: service, Item: item, SHA256: restore.Digest(document), Path: path, Length: int64(len(document))})
}

func (c *captured) source() *restore.Source {
	return &restore.Source{
		Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			for _, e := range c.entries {
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		Item: func(_ context.Context, e backup.CatalogEntry) ([]byte, error) { return c.bytes[e.Path], nil },
	}
}

// document is what an item's record holds.
func (c *captured) document(t *testing.T, e backup.CatalogEntry) (endpoint inventory.Endpoint, document []byte) {
	var envelope resource.Envelope
	require.NoError(t, json.Unmarshal(c.bytes[e.Path], &envelope))
	return inventory.Endpoint(envelope.Endpoint), envelope.Bytes()
}

// quick waits for nothing.
var quick = writer.Options{Poll: time.Millisecond, Sleep: func(context.Context, time.Duration) error { return nil }}

func options(s *site) resources.Options {
	return resources.Options{Stamp: s.client, Writing: quick, EmptyDisks: true}
}

func newMap(t *testing.T) *mapping.Map {
	m, err := mapping.New()
	require.NoError(t, err)
	return m
}

// fingerprint is the target of all plans here.
var fingerprint = restore.Fingerprint{FQDN: domain, DeploymentID: "99999999-2222-4333-8444-555555555555"}

func plan(t *testing.T, c *captured, o resources.Options, selection restore.Selection) *restore.Plan {
	t.Helper()
	planner := &restore.Planner{Source: c.source(), Restorers: resources.All(o), Map: newMap(t), Target: fingerprint, Selection: selection,
		Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647", Cloud: restore.Fingerprint{DeploymentID: "11111111-2222-4333-8444-555555555555"}}, Product: "test", Now: time.Now}
	p, err := planner.Plan(t.Context())
	require.NoError(t, err)
	return p
}

func apply(t *testing.T, c *captured, o resources.Options, p *restore.Plan, j, undone restore.Journal) (restore.Totals, []string) {
	t.Helper()
	var mu sync.Mutex
	var bad []string
	run := &restore.Run{Plan: p, Restorers: resources.All(o), Source: c.source(), Journal: j, Undone: undone, Map: newMap(t), Target: fingerprint,
		Consent: restore.Consent{Irreversible: []string{restore.AllIrreversible}}, Now: time.Now, Progress: func(o restore.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			if !o.Status.Good() {
				bad = append(bad, fmt.Sprintf("%s: %s %s %s", p.Steps[o.N].Key, o.Status, o.Code, o.Detail))
			}
		}}
	totals, err := restore.Apply(t.Context(), run)
	require.NoError(t, err)
	return totals, bad
}

// undo takes a restore back.
func undo(t *testing.T, c *captured, o resources.Options, p *restore.Plan, j *restoretest.Journal) {
	t.Helper()
	u, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	totals, bad := apply(t, c, o, u, &restoretest.Journal{}, j)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
}

// dump is all of a stamp that a PUT can say, by endpoint and ID.
func dump(t *testing.T, s *site) map[string]string {
	t.Helper()
	all := map[string]string{}
	for d := range s.Documents() {
		fullType := d.Type
		if zone, record, ok := strings.Cut(strings.ToLower(fullType), "/dnszones/"); ok && !strings.Contains(record, "/") {
			fullType = zone + "/dnszones/recordsets"
		}
		sh := shape.Of(fullType)
		if sh == nil {
			continue
		}
		o, err := shape.Decode(d.Body)
		require.NoError(t, err)
		data, err := json.Marshal(sh.Project(o, true))
		require.NoError(t, err)
		all[string(d.Endpoint)+" "+strings.ToLower(d.ID)] = string(data)
	}
	return all
}

// count is how many steps do what.
func count(p *restore.Plan) map[restore.Action]int {
	all := map[restore.Action]int{}
	for _, s := range p.Steps {
		all[s.Action]++
	}
	return all
}

func refusals(p *restore.Plan) (all []string) {
	for _, r := range p.Refusals {
		all = append(all, r.Code+" "+r.Key.String()+": "+r.Detail)
	}
	return all
}

// noMatch makes a change depend on nothing.
var noMatch writer.Match

// writerOf changes a stamp as any client can.
func writerOf(s *site) *writer.Resources { return writer.New(s.client.Tenant(), quick) }
