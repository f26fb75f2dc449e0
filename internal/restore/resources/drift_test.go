package resources_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// find returns the first item of a kind that a test can use.
func (c *captured) find(t *testing.T, kind string, fits func(e backup.CatalogEntry, document string) bool) backup.CatalogEntry {
	t.Helper()
	for _, e := range c.entries {
		if e.Kind != kind {
			continue
		}
		if _, document := c.document(t, e); fits == nil || fits(e, string(document)) {
			return e
		}
	}
	require.FailNow(t, "there is no "+kind+" to be used")
	return backup.CatalogEntry{}
}

// change changes what a stamp holds, as another client would have.
func change(t *testing.T, s *site, endpoint inventory.Endpoint, id string, with func(map[string]any)) {
	t.Helper()
	d, ok := s.Get(endpoint, id)
	require.True(t, ok, id)
	var o map[string]any
	require.NoError(t, json.Unmarshal(d.Body, &o))
	with(o)
	var err error
	d.Body, err = json.Marshal(o)
	require.NoError(t, err)
	s.Put(d)
}

func properties(o map[string]any) map[string]any { return o["properties"].(map[string]any) }

// unlocked leaves out what lies below a lock of some levels.
func unlocked(t *testing.T, c *captured, levels ...string) func(id string) bool {
	var scopes []string
	for _, e := range c.entries {
		if e.Kind != "lock" {
			continue
		}
		_, document := c.document(t, e)
		if slices.ContainsFunc(levels, func(level string) bool { return strings.Contains(string(document), `"`+level+`"`) }) {
			scopes = append(scopes, e.ID[:strings.LastIndex(e.ID, "/providers/microsoft.authorization/locks/")])
		}
	}
	return func(id string) bool {
		return !slices.ContainsFunc(scopes, func(s string) bool { return strings.HasPrefix(id, s) })
	}
}

// TestADriftedStamp changes, deletes and adds, and demands a plan of exactly that, which
// leaves alone what came after the backup; and that undo makes all as it was.
func TestADriftedStamp(t *testing.T) {
	s := full(t)
	for d := range s.Documents() {
		if strings.HasSuffix(d.Type, "/locks") {
			require.True(t, s.Delete(d.Endpoint, d.ID)) // they have a test of their own
		}
	}
	c := capture(t, s)
	free, writable := unlocked(t, c, "ReadOnly", "CanNotDelete"), unlocked(t, c, "ReadOnly")
	rule := c.find(t, "security-rule", func(e backup.CatalogEntry, _ string) bool { return writable(e.ID) })
	group := rule.ID[:strings.LastIndex(rule.ID, "/securityrules/")]
	disk := c.find(t, "disk", func(e backup.CatalogEntry, document string) bool {
		return free(e.ID) && !strings.Contains(document, `"managedBy"`)
	})
	network := c.find(t, "virtual-network", func(e backup.CatalogEntry, document string) bool {
		return free(e.ID) && strings.Contains(document, `"peeringState"`)
	})
	record := c.find(t, "dns-record-set", func(e backup.CatalogEntry, document string) bool {
		return free(e.ID) && strings.Contains(document, `"ARecords"`)
	})
	vault := c.find(t, "vault", func(e backup.CatalogEntry, _ string) bool { return writable(e.ID) })
	plans := c.find(t, "plan", nil)

	change(t, s, inventory.Tenant, network.ID, func(o map[string]any) {
		o["tags"] = map[string]any{"later": "yes"}
		properties(o)["enableVmProtection"] = true
	})
	change(t, s, inventory.Tenant, record.ID, func(o map[string]any) { properties(o)["TTL"] = 7 })
	change(t, s, inventory.Tenant, vault.ID, func(o map[string]any) {
		properties(o)["enabledForDeployment"] = !properties(o)["enabledForDeployment"].(bool)
	})
	change(t, s, inventory.Admin, plans.ID, func(o map[string]any) { properties(o)["displayName"] = "changed" })
	require.True(t, s.Delete(inventory.Tenant, disk.ID))
	change(t, s, inventory.Tenant, group, func(o map[string]any) { // a rule went and another one came
		rules := properties(o)["securityRules"].([]any)
		name := rule.ID[strings.LastIndex(rule.ID, "/")+1:]
		rules = slices.DeleteFunc(rules, func(v any) bool { return strings.EqualFold(v.(map[string]any)["name"].(string), name) })
		properties(o)["securityRules"] = append(rules, map[string]any{"id": group + "/securityRules/later", "name": "later", "properties": map[string]any{"provisioningState": "Succeeded", "protocol": "Tcp",
			"sourcePortRange": "*", "destinationPortRange": "22", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "access": "Deny", "priority": 3999, "direction": "Outbound"}})
	})
	require.True(t, s.Delete(inventory.Tenant, rule.ID))

	o := options(s)
	before := dump(t, s)
	p := plan(t, c, o, restore.Selection{})
	want := map[string]restore.Action{network.ID: restore.Update, record.ID: restore.Update, vault.ID: restore.Update, plans.ID: restore.Update,
		group: restore.Update, rule.ID: restore.Along, disk.ID: restore.Create}
	have := map[string]restore.Action{}
	for _, step := range p.Steps {
		if step.Action != restore.Skip {
			have[step.ID] = step.Action
		}
	}
	require.Equal(t, want, have)
	require.Empty(t, refusals(p))

	j := &restoretest.Journal{}
	totals, bad := apply(t, c, o, p, j, nil)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
	sent := changes(s.Stamp)
	require.Len(t, sent, 6, "%v", sent)
	after := dump(t, s)
	require.Contains(t, after["tenant "+network.ID], `"later":"yes"`, "a tag that came later stays")
	require.Contains(t, after["tenant "+network.ID], "virtualNetworkPeerings", "peerings are not removed by the network's PUT")
	require.Contains(t, after["tenant "+group], `"later"`, "a rule that came later stays")
	require.Contains(t, after, "tenant "+rule.ID)
	for _, step := range plan(t, c, o, restore.Selection{}).Steps {
		require.Equal(t, restore.Skip, step.Action, "%s %v", step.Key, step.Fields)
	}

	undo(t, c, o, p, j)
	now := dump(t, s)
	delete(before, "tenant "+group+"/securityrules/later") // it was put into its parent behind the provider's back
	delete(now, "tenant "+group+"/securityrules/later")
	for _, id := range slices.Sorted(maps.Keys(before)) {
		require.JSONEq(t, before[id], now[id], id)
	}
	require.Equal(t, len(before), len(now))
}

// TestOneChildAlone restores a rule without its group: by a PUT of its own.
func TestOneChildAlone(t *testing.T) {
	s := full(t)
	c := capture(t, s, backup.NRP, backup.ARM)
	free := unlocked(t, c, "ReadOnly", "CanNotDelete")
	rule := c.find(t, "security-rule", func(e backup.CatalogEntry, _ string) bool { return free(e.ID) })
	o := options(s)
	remove(t, s, rule.ID, "2018-11-01")
	sent := len(changes(s.Stamp))
	p := plan(t, c, o, restore.Selection{Items: []string{rule.ID}})
	require.Len(t, p.Steps, 1)
	require.Equal(t, restore.Create, p.Steps[0].Action)
	j := &restoretest.Journal{}
	_, bad := apply(t, c, o, p, j, nil)
	require.Empty(t, bad)
	require.Len(t, changes(s.Stamp), sent+1)
	require.Contains(t, changes(s.Stamp), "PUT tenant "+rule.ID)
	undo(t, c, o, p, j)
	_, there := s.Get(inventory.Tenant, rule.ID)
	require.False(t, there)
}

// TestLocksAreInTheWay: what a lock forbids is refused by the plan, and nothing else.
func TestLocksAreInTheWay(t *testing.T) {
	s := full(t)
	c := capture(t, s, backup.NRP, backup.ARM)
	free := unlocked(t, c, "ReadOnly", "CanNotDelete")
	rule := c.find(t, "route", func(e backup.CatalogEntry, _ string) bool { return free(e.ID) })
	remove(t, s, rule.ID, "2018-11-01")
	for level, want := range map[string]int{"CanNotDelete": 0, "ReadOnly": 1} {
		id := rule.ID[:strings.Index(rule.ID, "/providers/")] + "/providers/Microsoft.Authorization/locks/test"
		s.Put(inventory.Document{Endpoint: inventory.Tenant, ID: id, Type: "Microsoft.Authorization/locks", Body: json.RawMessage(`{"id":"` + id + `","name":"test","type":"Microsoft.Authorization/locks","properties":{"level":"` + level + `"}}`)})
		p := plan(t, c, options(s), restore.Selection{Items: []string{rule.ID}})
		require.Len(t, p.Refusals, want, level)
		for _, r := range p.Refusals {
			require.Equal(t, "SCOPE_LOCKED", r.Code)
			require.Contains(t, r.Detail, strings.ToLower(id))
		}
	}
}

// remove deletes a resource as a client would.
func remove(t *testing.T, s *site, id, version string) {
	t.Helper()
	require.NoError(t, writerOf(s).Delete(t.Context(), id, version, noMatch))
	_, there := s.Get(inventory.Tenant, id)
	require.False(t, there)
}

// TestFailuresOfTheTarget: an operation that ends with Failed, and a stamp that is busy.
func TestFailuresOfTheTarget(t *testing.T) {
	s := full(t)
	c := capture(t, s, backup.NRP, backup.ARM)
	free := unlocked(t, c, "ReadOnly", "CanNotDelete")
	route := c.find(t, "route", func(e backup.CatalogEntry, _ string) bool { return free(e.ID) })
	remove(t, s, route.ID, "2018-11-01")
	o := options(s)
	p := plan(t, c, o, restore.Selection{Items: []string{route.ID}})
	match := func(r *http.Request) bool { return r.Method == http.MethodPut }
	stop := s.Inject(stamp.Fault{Match: match, Kind: stamp.FailedOperation, Times: 1})
	totals, bad := apply(t, c, o, p, &restoretest.Journal{}, nil)
	stop()
	require.Equal(t, restore.Totals{Refused: 1}, totals)
	require.Contains(t, bad[0], "TARGET_REFUSED")
	again := plan(t, c, o, restore.Selection{Items: []string{route.ID}})
	require.Equal(t, restore.Update, again.Steps[0].Action, "what failed is not what is wanted")
	require.Equal(t, []string{"properties.provisioningState"}, again.Steps[0].Fields)
	totals, bad = apply(t, c, o, again, &restoretest.Journal{}, nil)
	require.Empty(t, bad)
	require.Equal(t, restore.Totals{Confirmed: 1}, totals)
}
