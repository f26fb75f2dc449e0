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

// changes are requests of a stamp's log that changed something.
func changes(s *stamp.Stamp) map[string]int {
	all := map[string]int{}
	for _, e := range s.Writes() {
		if (e.Method == http.MethodPut || e.Method == http.MethodDelete) && e.Status < 300 {
			all[e.Method+" "+string(e.Endpoint)+" "+strings.ToLower(e.Path)]++
		}
	}
	return all
}

// TestAStampIsMadeAgain restores all that the collectors record of a stamp into an empty one,
// captures that, and compares document by document what a PUT can say. Then all is taken back.
func TestAStampIsMadeAgain(t *testing.T) {
	c := capture(t, full(t))
	to := empty(t)
	o, before := options(to), dump(t, to)
	p := plan(t, c, o, restore.Selection{})
	require.Equal(t, before, dump(t, to), "a plan writes nothing")
	for _, l := range p.Losses {
		require.NotEqual(t, "UNKNOWN_MEMBER", l.Code, "%s: %s", l.Key, l.Detail)
	}
	codes := map[string]int{}
	for _, r := range p.Refusals {
		codes[r.Code]++
		if r.Code == restore.RefusedMissing { // it hangs on what this version cannot make
			require.Regexp(t, "(?i)contoso.widgets|scalesets", r.Key.ID)
		}
	}
	require.Equal(t, 1, codes["DISK_MISSING"], "the machine whose disk is a blob: %v", refusals(p))
	require.Positive(t, codes[restore.RefusedMissing], "what hangs on a resource that cannot be made: %v", refusals(p))
	require.Len(t, codes, 2, "%v", refusals(p))
	require.Greater(t, count(p)[restore.Create], 300)

	j := &restoretest.Journal{}
	totals, bad := apply(t, c, o, p, j, nil)
	require.Empty(t, bad)
	require.True(t, totals.Whole(), "%+v", totals)
	for request, times := range changes(to.Stamp) {
		require.Equal(t, 1, times, request)
		require.True(t, strings.HasPrefix(request, http.MethodPut), request)
	}
	requireAsBefore(t, c, capture(t, to), p)

	again := plan(t, c, o, restore.Selection{})
	for _, s := range again.Steps {
		require.Equal(t, restore.Skip, s.Action, "%s: %v", s.Key, s.Fields)
	}
	undo(t, c, o, p, j)
	require.Equal(t, before, dump(t, to))
}

// requireAsBefore compares two captures, without the code that restores: all that can be
// sent of a document is in the other one.
func requireAsBefore(t *testing.T, want, have *captured, p *restore.Plan) {
	t.Helper()
	lost, got := map[string]bool{}, map[string]backup.CatalogEntry{}
	for _, l := range p.Losses {
		switch l.Code {
		case "ATTACHED", "KEYS_NEW", "IDENTITY_NEW", "ADDRESS_NEW":
		default:
			lost[string(l.Key.Service)+l.Key.Kind+l.Key.ID] = true
		}
	}
	for _, r := range p.Refusals {
		lost[string(r.Key.Service)+r.Key.Kind+r.Key.ID] = true
	}
	for _, e := range have.entries {
		got[string(e.Service)+e.Kind+e.ID] = e
	}
	compared, differ := 0, []string{}
	for _, e := range want.entries {
		key := string(e.Service) + e.Kind + e.ID
		_, document := want.document(t, e)
		if lost[key] || e.Kind == "provider" {
			continue
		}
		other, ok := got[key]
		require.True(t, ok, "%s is not there", key)
		_, live := have.document(t, other)
		a, b := plainly(t, e.Kind, document), plainly(t, e.Kind, live)
		for _, gone := range missing(a, b, e.Kind) {
			differ = append(differ, gone+" of "+e.ID)
		}
		compared++
	}
	require.Empty(t, differ)
	require.Greater(t, compared, 300)
}

// volatile are members that services set, by the list of the reference and not by the
// product's tables.
var volatile = strings.Fields(`etag provisioningState resourceGuid macAddress vaultUri defaultSecurityRules instanceView appliedDnsServers internalDomainNameSuffix fqdn hostedWorkloads peeringState
	remoteAddressSpace managedBy diskState timeCreated subscriptionCount connectionStatus ingressBytesTransferred egressBytesTransferred acquisitionTime lastEnabledTime virtualMachine virtualMachines
	ipConfiguration ipAddress vmId uniqueId creationTime lastModifiedTime numberOfRecordSets primaryEndpoints osProfile imageReference createOption creationData primary createdOn updatedOn
	backendIPConfigurations networkInterfaces resources latestModelApplied virtualNetworkPeerings`)

// plainly decodes a document and leaves out what a new stamp gives otherwise.
func plainly(t *testing.T, kind string, document []byte) map[string]any {
	d := json.NewDecoder(strings.NewReader(string(document)))
	d.UseNumber()
	var o map[string]any
	require.NoError(t, d.Decode(&o))
	own, _ := o["id"].(string)
	delete(o, "name") // the service's, and that of a delegation has two
	return cleared(o, own, kind).(map[string]any)
}

func cleared(v any, own, kind string) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			id, _ := inner.(string)
			switch {
			case slices.Contains(volatile, name) && !(name == "networkInterfaces" && kind == "virtual-machine") && !(name == "primary" && kind == "virtual-machine"):
			case kind == "virtual-machine" && (name == "name" || name == "storageAccountType" || name == "diskSizeGB"): // the disks themselves say it
			case name == "privateIPAddress" && v["privateIPAllocationMethod"] == "Dynamic":
			case name == "ipConfigurations" && (kind == "subnet" || kind == "virtual-network"), name == "subnets" && kind != "virtual-network":
			case strings.HasPrefix(strings.ToLower(id), strings.ToLower(own)+"/") && name == "id" && v["properties"] != nil:
			default:
				out[name] = cleared(inner, own, kind)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cleared(v[i], own, kind)
		}
		return out
	}
	return v
}

// missing are the paths of what one has and the other has not.
func missing(want, have any, at string) (found []string) {
	switch w := want.(type) {
	case map[string]any:
		h, _ := have.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(w)) {
			found = append(found, missing(w[name], h[name], at+"."+name)...)
		}
	case []any:
		h, _ := have.([]any)
		if len(w) != len(h) {
			return []string{at}
		}
		for i := range w {
			found = append(found, missing(w[i], h[i], at+"[]")...)
		}
	case string:
		if h, ok := have.(string); !ok || h != w && !(strings.HasPrefix(w, "/") && strings.EqualFold(h, w)) {
			found = append(found, at+" "+w)
		}
	case nil:
	default:
		if want != have {
			found = append(found, at)
		}
	}
	return found
}

// TestWhatHangsOnWhatIsThere plans for a target that has what cannot be made: what hangs on it
// is not refused.
func TestWhatHangsOnWhatIsThere(t *testing.T) {
	c := capture(t, full(t))
	contents, err := inventory.Empty(inventory.Options{Seed: seed, Domain: domain})
	require.NoError(t, err)
	generated, err := generated()
	require.NoError(t, err)
	contents.Documents = slices.DeleteFunc(slices.Clone(generated.Documents), func(d inventory.Document) bool {
		return strings.EqualFold(d.Type, "Microsoft.Authorization/locks") || strings.EqualFold(d.Type, "Microsoft.Resources/links")
	})
	p := plan(t, c, options(open(t, contents)), restore.Selection{})
	require.Positive(t, count(p)[restore.Create])
	for _, r := range p.Refusals {
		require.NotEqual(t, restore.RefusedMissing, r.Code, "%v", r)
	}
}
