package resource_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/srp"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// elsewhere is what belongs to other services than ARM.
func elsewhere() []string {
	owned := rbac.Types()
	for _, table := range []resource.Table{crp.Table(), srp.Table(), nrp.Table(), keyvault.Table()} {
		owned = append(owned, table.Namespaces...)
	}
	return owned
}

// scene is a small stamp, which may offer more types.
type scene struct {
	stamp  *stamp.Stamp
	source *azure.Stamp
}

func newScene(t *testing.T, types ...string) *scene {
	t.Helper()
	port, err := lab.FreePort()
	require.NoError(t, err)
	contents, err := inventory.Generate(inventory.Options{Seed: 7, Resources: 40, Domain: "local.azurestack.test", VaultPort: port})
	require.NoError(t, err)
	versions := stamp.UncommonTypes()
	versions["Microsoft.Compute/checkpoints"] = []string{"2020-01-01"}
	for _, fullType := range types {
		versions[fullType] = []string{"2020-01-01"}
	}
	s := &scene{}
	s.stamp, err = stamp.Start(stamp.Options{Contents: contents, PageSize: 2, Versions: versions, Listen: fmt.Sprintf("127.0.0.1:%d", port)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stamp.Close()) })
	s.source, err = azure.New(azure.Config{
		TenantURL: s.stamp.TenantURL(), AdminURL: s.stamp.AdminURL(), Authority: s.stamp.AuthorityURL(),
		ClientID: s.stamp.ClientID(), ClientSecret: secret.New(s.stamp.ClientSecret()),
		CACertificates: s.stamp.CA(), Resolver: s.stamp.Resolver(), RetryDelay: time.Millisecond, TryTimeout: 20 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(s.source.Close)
	return s
}

func (s *scene) capture(t *testing.T, table resource.Table, without resource.Check) (*collecttest.Recorder, error) {
	t.Helper()
	r := &collecttest.Recorder{}
	_, err := resource.New(s.source, table, resource.Options{Now: time.Now}).Without(without).Collect(t.Context(), r)
	return r, err
}

func (s *scene) check(t *testing.T, table resource.Table) error {
	t.Helper()
	return resource.New(s.source, table, resource.Options{Now: time.Now}).Check(t.Context())
}

// first is the first document of a type.
func (s *scene) first(t *testing.T, fullType string) inventory.Document {
	t.Helper()
	for d := range s.stamp.Documents() {
		if strings.EqualFold(d.Type, fullType) {
			return d
		}
	}
	t.Fatalf("there is no %s", fullType)
	return inventory.Document{}
}

// at strikes requests for a path.
func at(path string, f stamp.Fault) stamp.Fault {
	f.Match = func(r *http.Request) bool {
		return strings.HasSuffix(strings.TrimRight(strings.ToLower(r.URL.Path), "/"), strings.ToLower(path))
	}
	return f
}

func answering(status int, body string) stamp.Fault {
	return stamp.Fault{Kind: stamp.Instead, Status: status, Body: []byte(body)}
}

func rewriting(mutate func(body string) string) stamp.Fault {
	return stamp.Fault{Kind: stamp.Rewrite, Mutate: func(body []byte) []byte { return []byte(mutate(string(body))) }}
}

// TestWhatAChecksMissesTheRuleFinds makes one kind of short answer after the other. The
// check that is made for it captures, names or refuses it; without that check the rule
// fails the capture: what an answer named is not accounted for.
func TestWhatACheckMissesTheRuleFinds(t *testing.T) {
	type outcome struct {
		code fault.Code // of a failure; empty when it is captured
		gap  string     // code of a gap that there has to be
	}
	gallery := "Microsoft.Compute/galleries"
	for name, test := range map[string]struct {
		table resource.Table
		check resource.Check
		make  func(t *testing.T, s *scene)
		want  outcome
	}{
		"offers of one subscription": {crp.Table(), resource.CheckAllOffers, func(*testing.T, *scene) {}, outcome{}},
		"a tracked type with the name of an operation": {crp.Table(), resource.CheckIndexedTypes, func(t *testing.T, s *scene) {
			d := s.first(t, gallery)
			id := strings.Replace(d.ID, gallery, "Microsoft.Compute/checkpoints", 1)
			d.Body, d.ID, d.Type = []byte(strings.ReplaceAll(strings.ReplaceAll(string(d.Body), d.ID, id), gallery, "Microsoft.Compute/checkpoints")), id, "Microsoft.Compute/checkpoints"
			s.stamp.Put(d)
			s.stamp.Inject(at("/providers/microsoft.compute/checkpoints", answering(http.StatusNotFound, `{"error":{"code":"NotFound"}}`)))
		}, outcome{}},
		"another resource's document": {crp.Table(), resource.CheckSingleAnswer, func(t *testing.T, s *scene) {
			s.hideList(gallery)
			s.stamp.Inject(at(s.first(t, gallery).ID, answering(http.StatusOK, string(s.first(t, "Microsoft.Compute/disks").Body))))
		}, outcome{gap: resource.GapAnswer}},
		"a blob that is none": {keyvault.Table(), resource.CheckSingleAnswer, func(_ *testing.T, s *scene) {
			s.stamp.Inject(at("/backup", answering(http.StatusOK, `{}`)))
		}, outcome{gap: keyvault.GapBlobRefused}},
		"a vault's answer is another secret": {keyvault.Table(), resource.CheckSingleAnswer, func(_ *testing.T, s *scene) {
			f := answering(http.StatusOK, `{"id":"https://elsewhere.example/secrets/a/b","value":"c"}`)
			f.Match = func(r *http.Request) bool {
				return strings.HasPrefix(r.URL.Path, "/secrets/") && strings.Count(r.URL.Path, "/") == 3 && !strings.HasSuffix(r.URL.Path, "versions") && r.Method == http.MethodGet
			}
			s.stamp.Inject(f)
		}, outcome{gap: resource.GapAnswer}},
		"no location": {crp.Table(), resource.CheckNowhere, func(_ *testing.T, s *scene) {
			s.stamp.Inject(at("/locations", answering(http.StatusOK, `{"value":[]}`)))
			s.stamp.Inject(at("/providers", rewriting(func(body string) string { return strings.ReplaceAll(body, `"locations":["local"]`, `"locations":null`) })))
		}, outcome{gap: resource.GapNowhere}},
		"an entry of the index that is not there": {crp.Table(), resource.CheckIndexedNotFound, func(t *testing.T, s *scene) {
			s.hideList(gallery)
			s.stamp.Inject(at(s.first(t, gallery).ID, answering(http.StatusNotFound, `{"error":{"code":"ResourceNotFound"}}`)))
		}, outcome{gap: resource.GapListedNotFound}},
		"a subscription that is said to be gone": {arm.Table(elsewhere()), resource.CheckContainer, func(_ *testing.T, s *scene) {
			s.stamp.Inject(at("/providers/microsoft.authorization/locks", answering(http.StatusNotFound, `{"error":{"code":"SubscriptionNotFound"}}`)))
		}, outcome{code: fault.SourceInvalid}},
		"one ID at both resource managers": {crp.Table(), resource.CheckEndpoint, func(t *testing.T, s *scene) {
			d := s.first(t, "Microsoft.Compute/disks")
			for _, of := range []string{"Microsoft.Resources/subscriptions", "Microsoft.Resources/resourceGroups"} {
				above := s.first(t, of)
				sub := strings.Split(d.ID, "/")[2]
				above.ID = strings.Replace(above.ID, strings.Split(above.ID, "/")[2], sub, 1)
				above.Body = []byte(strings.ReplaceAll(string(above.Body), strings.Split(s.first(t, of).ID, "/")[2], sub))
				above.Endpoint = inventory.Admin
				s.stamp.Put(above)
			}
			d.Endpoint = inventory.Admin
			d.Body = []byte(strings.Replace(string(d.Body), "{", `{"operators":"own",`, 1))
			s.stamp.Put(d)
		}, outcome{}},
		"a short document in a second list": {rbac.Table(), resource.CheckFuller, func(_ *testing.T, s *scene) {
			f := rewriting(func(body string) string {
				var short []string
				gjson.Get(body, "value").ForEach(func(_, e gjson.Result) bool {
					short = append(short, `{"id":`+e.Get("id").Raw+`,"name":`+e.Get("name").Raw+`}`)
					return true
				})
				link := ""
				if next := gjson.Get(body, "nextLink"); next.Exists() {
					link = `,"nextLink":` + next.Raw
				}
				return `{"value":[` + strings.Join(short, ",") + `]` + link + `}`
			})
			f.Match = func(r *http.Request) bool {
				path := strings.ToLower(r.URL.Path)
				return strings.Contains(path, "/resourcegroups/") && strings.HasSuffix(path, "/providers/microsoft.authorization/roleassignments")
			}
			s.stamp.Inject(f)
		}, outcome{}},
		"assignments at resources":  {rbac.Table(), resource.CheckResources, func(*testing.T, *scene) {}, outcome{}},
		"children of unknown types": {crp.Table(), resource.CheckChildren, func(*testing.T, *scene) {}, outcome{gap: resource.GapChildren}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			test.make(t, s)
			r, err := s.capture(t, test.table, 0)
			if test.want.code != "" {
				require.ErrorIs(t, err, test.want.code)
			} else {
				require.NoError(t, err)
			}
			if test.want.gap != "" {
				require.Contains(t, codes(r.Gaps()), test.want.gap)
			}
			_, err = s.capture(t, test.table, test.check)
			require.ErrorIs(t, err, fault.SourceIncomplete)
			require.ErrorContains(t, err, "neither captured nor refused")
		})
	}
}

// hideList makes the list of a type answer that there is none, so that only the list of
// resources names what there is.
func (s *scene) hideList(fullType string) {
	s.stamp.Inject(at("/providers/"+fullType, answering(http.StatusNotFound, `{"error":{"code":"NotFound"}}`)))
}

func codes(gaps []backup.Gap) []string {
	all := make([]string, len(gaps))
	for i, g := range gaps {
		all[i] = g.Code
	}
	return all
}
