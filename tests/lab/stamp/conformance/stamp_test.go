package conformance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/conformance"
	"infrabackup/tests/lab/stamp/inventory"
)

// walker reads a stamp by the definitions and notes what is wrong.
type walker struct {
	t        *testing.T
	spec     *conformance.Spec
	s        *stamp.Stamp
	http     *http.Client
	tokens   map[string]string
	problems map[string]string // a problem and the first address that has it
	answers  int
	listed   map[string]bool // addresses of elements of lists
	needed   map[string]bool // rows of outOfScope that an operation fell under
}

func newWalker(t *testing.T, contents *inventory.Stamp, now time.Time) *walker {
	t.Helper()
	return newWalkerOf(t, stamp.Options{Contents: contents, PageSize: 7, Versions: stamp.UncommonTypes(), Now: func() time.Time { return now }})
}

func newWalkerOf(t *testing.T, o stamp.Options) *walker {
	t.Helper()
	s, err := stamp.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(s.CA()))
	dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", s.Resolver())
	}}}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &walker{t: t, spec: load(t), s: s, http: &http.Client{Transport: transport, Timeout: time.Minute}, tokens: map[string]string{}, problems: map[string]string{}, listed: map[string]bool{}, needed: map[string]bool{}}
}

func (w *walker) note(problem, address string) {
	if w.problems[problem] == "" {
		w.problems[problem] = address
	}
}

// get reads an address and holds the answer against its definition.
func (w *walker) get(plane conformance.Plane, base, path, version, rest string) answer {
	address := base + (&url.URL{Path: path}).EscapedPath() + "?api-version=" + version + rest
	return w.fetch(plane, base, address)
}

func (w *walker) fetch(plane conformance.Plane, base, address string) answer {
	tokenBase := base
	if plane == conformance.Vault {
		tokenBase = w.s.TenantURL()
	}
	a := w.do(http.MethodGet, address, w.token(tokenBase, plane), nil)
	w.answers++
	u, err := url.Parse(address)
	require.NoError(w.t, err)
	o, problems, err := w.spec.Check(plane, http.MethodGet, u.Path, u.Query().Get("api-version"), a.status, a.body)
	if err != nil {
		w.note(err.Error(), address)
	}
	for _, p := range problems {
		w.note(fmt.Sprintf("%s (%d) in %s", p, a.status, o.File), address)
	}
	return a
}

// list reads all pages of a list and returns how many elements it has.
func (w *walker) list(plane conformance.Plane, base string, o *conformance.Operation, path string) int {
	n := 0
	address := base + (&url.URL{Path: path}).EscapedPath() + "?api-version=" + o.Version
	for pages := 0; address != ""; pages++ {
		require.Less(w.t, pages, 5000, "%s does not end", path)
		a := w.fetch(plane, base, address)
		if a.status != http.StatusOK {
			w.note(fmt.Sprintf("%s in %s is not served: %d", o.ID, o.File, a.status), address+"\n\t"+string(a.body))
			return 0
		}
		var elements []map[string]any
		var page map[string]json.RawMessage
		if json.Unmarshal(a.body, &page) == nil {
			require.NoError(w.t, json.Unmarshal(page["value"], &elements))
		} else {
			require.NoError(w.t, json.Unmarshal(a.body, &elements))
		}
		for _, e := range elements {
			id, _ := e["id"].(string)
			if id == "" {
				id, _ = e["kid"].(string)
			}
			if id != "" {
				w.listed[string(plane)+" "+base+" "+id] = true
			}
		}
		n += len(elements)
		next := ""
		if o.NextLink != "" && page[o.NextLink] != nil {
			require.NoError(w.t, json.Unmarshal(page[o.NextLink], &next))
		}
		if next == "" {
			for key := range page {
				if strings.Contains(strings.ToLower(key), "nextlink") && key != o.NextLink && string(page[key]) != "null" && string(page[key]) != `""` {
					w.note(o.ID+" in "+o.File+" gives "+key+", which its definition does not follow", address)
				}
			}
		}
		address = next
	}
	return n
}

// bases are the resource managers that serve a definition.
func (w *walker) bases(o *conformance.Operation) map[inventory.Endpoint]string {
	tenant, admin := w.s.TenantURL(), w.s.AdminURL()
	switch {
	case strings.HasPrefix(o.File, "azurestack-admin/user-subscriptions/"):
		return map[inventory.Endpoint]string{inventory.Tenant: tenant}
	case strings.HasPrefix(o.File, "azurestack-admin/"):
		return map[inventory.Endpoint]string{inventory.Admin: admin}
	case regexp.MustCompile(`^(arm/(resources|subscriptions|authorization)|written/(locks|policy|links))`).MatchString(o.File):
		return map[inventory.Endpoint]string{inventory.Tenant: tenant, inventory.Admin: admin}
	}
	return map[inventory.Endpoint]string{inventory.Tenant: tenant}
}

// wide are the parameters that stand for more than one segment.
var wide = regexp.MustCompile(`\\\{(scope|resourceId|parentResourcePath|linkId)\\\}`)

// scoped are the paths of what can stand at any resource. Parts of resources are none.
var scoped = regexp.MustCompile(`^/\{scope\}|\{parentResourcePath\}`)

// some are at most sixty of them, from the begin, the middle and the end.
func some(all []string) []string {
	if len(all) <= 60 {
		return all
	}
	return slices.Concat(all[:20], all[len(all)/2:len(all)/2+20], all[len(all)-20:])
}

// paths are the paths of an operation with values that exist: everything up to the
// last parameter is the ID of something that the stamp has.
func paths(template string, ids []string) []string {
	template = strings.TrimSuffix(regexp.MustCompile(`(?i)/locations/\{location(Name)?\}`).ReplaceAllString(template, "/locations/"+inventory.Region), "/")
	end := strings.LastIndexByte(template, '}')
	if end < 0 {
		return []string{template}
	}
	expression := strings.Replace(regexp.QuoteMeta(template[:end+1]), `\{roleAssignmentId\}`, `(.+/roleAssignments/[^/]+)`, 1)
	if template == "/{roleDefinitionId}" {
		expression = `/(.+/roleDefinitions/[^/]+)`
	}
	expression = wide.ReplaceAllString(expression, `(.+?)`)
	expression = regexp.MustCompile(`\\\{[^}]+\\\}`).ReplaceAllString(expression, `([^/]+)`)
	match := regexp.MustCompile("(?i)^" + strings.Replace(expression, "^/(", "^/?(", 1) + "$")
	var out []string
	for _, id := range ids {
		at := id
		if strings.HasPrefix(template, "/{") {
			at = "/" + strings.TrimPrefix(id, "/")
		}
		if match.MatchString(at) {
			out = append(out, at+template[end+1:])
		}
	}
	return out
}

// known are the IDs that an endpoint's documents have, those of embedded parts among them.
func known(s *stamp.Stamp, e inventory.Endpoint) []string {
	var out []string
	for d := range s.Documents() {
		if d.Endpoint != e {
			continue
		}
		out = append(out, d.ID)
		for _, m := range regexp.MustCompile(`"id":"([^"]+)"`).FindAllSubmatch(d.Body, -1) {
			if id := string(m[1]); strings.HasPrefix(id, d.ID+"/") {
				out = append(out, id)
			}
		}
	}
	for _, id := range slices.Clone(out) {
		if group, deployment, ok := strings.Cut(id, "/providers/Microsoft.Resources/deployments/"); ok && strings.Contains(group, "/resourceGroups/") {
			out = append(out, group+"/deployments/"+deployment) // the form of the operations' path
		}
		if at := strings.LastIndexByte(id, '/'); strings.Contains(id, "/dnsZones/") {
			out = append(out, id[:at]) // records of one type
		}
		if before, after, ok := strings.Cut(id, "/providers/"); ok && strings.Count(before, "/") == 2 {
			namespace, _, _ := strings.Cut(after, "/")
			out = append(out, before+"/providers/"+namespace, "/providers/"+namespace)
		}
	}
	out = append(out, "/delegatedProviders/default")
	slices.Sort(out)
	return slices.Compact(out)
}

// TestEveryAnswerOfTheStampConforms reads everything that the definitions let one
// read of a stamp.
func TestEveryAnswerOfTheStampConforms(t *testing.T) {
	inside := contents(t, 300)
	w := newWalker(t, inside, time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))
	ids := map[inventory.Endpoint][]string{inventory.Tenant: known(w.s, inventory.Tenant), inventory.Admin: known(w.s, inventory.Admin)}
	documents := map[inventory.Endpoint][]string{}
	for d := range w.s.Documents() {
		// Objects that are alone at a collection's path are no scopes.
		if !strings.HasSuffix(d.ID, "/settings") && !strings.HasSuffix(d.ID, "/adminOverview") {
			documents[d.Endpoint] = append(documents[d.Endpoint], d.ID)
		}
	}
	for _, o := range w.spec.Operations {
		if o.Method != http.MethodGet || o.Plane != conformance.Manager {
			continue
		}
		if w.skips(o) {
			continue
		}
		if o.File == "arm/compute/2019-07-01/compute.json" {
			// What the profile asks for, held against the nearest definition.
			newer := *o
			newer.Version = "2020-06-01"
			o = &newer
		}
		for endpoint, base := range w.bases(o) {
			at := paths(o.Path, ids[endpoint])
			if scoped.MatchString(o.Path) {
				at = some(paths(o.Path, documents[endpoint]))
			}
			if len(at) == 0 && !(endpoint == inventory.Admin && strings.HasPrefix(o.File, "arm/") || strings.HasPrefix(o.File, "written/")) {
				w.note(o.ID+" in "+o.File+" has nothing to be asked of: "+o.Path, string(endpoint))
			}
			elements := 0
			for _, path := range at {
				if o.List {
					elements += w.list(o.Plane, base, o, path)
				} else if a := w.get(o.Plane, base, path, o.Version, ""); a.status != http.StatusOK {
					w.note(fmt.Sprintf("%s in %s is not served: %d", o.ID, o.File, a.status), base+path+"\n\t"+string(a.body))
				}
			}
			if o.List && elements == 0 && endpoint == inventory.Tenant && !empty[o.ID] && !strings.Contains(o.Path, "{scope}") {
				w.note(o.ID+" in "+o.File+" lists nothing", base+o.Path)
			}
		}
	}
	w.readListed()
	w.readVaults(inside)
	for _, row := range outOfScope {
		require.True(t, w.needed[row.what], "no operation needs the row %s (%s)", row.what, row.why)
	}
	t.Logf("%d answers checked", w.answers)
	require.Greater(t, w.answers, 1500)
	report(t, w.problems)
}

func report(t *testing.T, problems map[string]string) {
	t.Helper()
	for p, where := range problems {
		t.Errorf("%s\n\tfirst at %s", p, where)
	}
}

// skips says that an operation is out of scope.
func (w *walker) skips(o *conformance.Operation) bool {
	what := skipped(o)
	w.needed[what] = true
	return what != ""
}

// readListed reads every element of a list by its ID.
func (w *walker) readListed() {
	for key := range w.listed {
		part := strings.SplitN(key, " ", 3)
		if part[0] != string(conformance.Manager) {
			continue
		}
		o := w.spec.Find(conformance.Manager, http.MethodGet, part[2], "")
		if o == nil || o.Generic() || w.skips(o) {
			continue // listed only: the generated documents' test names those
		}
		if a := w.get(conformance.Manager, part[1], part[2], o.Version, ""); a.status != http.StatusOK {
			w.note(fmt.Sprintf("%s is listed and cannot be read by %s: %d", part[2], o.ID, a.status), part[1])
		}
	}
}

// readVaults reads every vault's data plane.
func (w *walker) readVaults(inside *inventory.Stamp) {
	vaults := map[string]bool{}
	for _, v := range inside.VaultObjects {
		vaults[v.Vault] = true
	}
	for _, o := range w.spec.Operations {
		if o.Method != http.MethodGet || o.Plane != conformance.Vault || w.skips(o) {
			continue
		}
		for vault := range vaults {
			base := w.s.VaultURL(vault)
			if !strings.Contains(o.Path, "{") {
				w.one(base, o, o.Path)
			}
		}
		for _, v := range inside.VaultObjects {
			kind := strings.TrimSuffix(v.Kind, "s")
			path := strings.Replace(o.Path, "{"+kind+"-name}", v.Name, 1)
			if !strings.HasPrefix(path, "/"+v.Kind+"/") {
				continue
			}
			if !strings.Contains(path, "{") {
				w.one(w.s.VaultURL(v.Vault), o, path)
				continue
			}
			for _, version := range slices.Concat(v.Versions, []inventory.VaultVersion{{}}) { // the last is the newest
				w.one(w.s.VaultURL(v.Vault), o, strings.Replace(path, "{"+kind+"-version}", version.Version, 1))
			}
		}
	}
}

func (w *walker) one(base string, o *conformance.Operation, path string) {
	if strings.Contains(path, "{") || strings.HasSuffix(path, "/pending") {
		return
	}
	if o.List {
		w.list(conformance.Vault, base, o, path)
		return
	}
	// A secret that is disabled, expired or not yet valid is refused, and no vault of the
	// generator has contacts.
	if a := w.get(conformance.Vault, base, path, o.Version, ""); a.status != http.StatusOK && !(a.status == http.StatusForbidden && strings.HasPrefix(path, "/secrets/")) &&
		!(a.status == http.StatusNotFound && o.ID == "GetCertificateContacts") {
		w.note(fmt.Sprintf("%s is not served: %d", o.ID, a.status), base+path+"\n\t"+string(a.body))
	}
}
