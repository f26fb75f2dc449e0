package services

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// as is a document under another type.
func as(d inventory.Document, fullType string) inventory.Document {
	from := d.Type
	d.ID = strings.Replace(d.ID, from, fullType, 1)
	d.Body = []byte(strings.ReplaceAll(string(d.Body), from, fullType))
	d.Type = fullType
	return d
}

// TestTrackedTypesCountWhateverTheyAreCalled puts resources of types into the stamp whose
// names are those of operations and questions. Their lists are refused: only the resource
// manager's own list names them.
func TestTrackedTypesCountWhateverTheyAreCalled(t *testing.T) {
	for _, name := range []string{"checkpoints", "skus", "usages", "metrics", "locations", "operations", "metricDefinitions", "checkNameAvailability"} {
		for _, offered := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				fullType := "Microsoft.Compute/" + name
				w := newWorld(t, options{resources: 60, versions: map[string][]string{fullType: {"2019-07-01"}}})
				d := as(w.first(t, "Microsoft.Compute/galleries"), fullType)
				w.stamp.Put(d)
				w.stamp.Inject(stamp.Fault{
					Kind: stamp.Refusal, Status: http.StatusNotFound, Match: ending("/providers/" + strings.ToLower(fullType)),
				})
				if !offered {
					w.stamp.Inject(stamp.Fault{Kind: stamp.Rewrite, Match: ending("/providers"), Mutate: func(body []byte) []byte {
						return []byte(strings.ReplaceAll(string(body), `"resourceType":"`+name+`"`, `"resourceType":"somethingElse"`))
					}})
				}
				r, err := w.capture(t, backup.CRP)
				require.NoError(t, err)
				require.Equal(t, []string{strings.ToLower(d.ID)}, ofType(t, r, fullType))
				w.requireComplete(t, backup.CRP, r.Calls())
			})
		}
	}
}

// TestOffersOfOneSubscriptionDoNotDecide takes types from the offers of one subscription
// after the other, and gives providers without types.
func TestOffersOfOneSubscriptionDoNotDecide(t *testing.T) {
	types := func(replacement string) func(body []byte) []byte {
		return func(body []byte) []byte {
			text := string(body)
			for _, list := range gjson.Get(text, "value.#.resourceTypes").Array() {
				if replacement == "" {
					text = strings.Replace(text, `,"resourceTypes":`+list.Raw, "", 1)
				} else {
					text = strings.Replace(text, `"resourceTypes":`+list.Raw, `"resourceTypes":`+replacement, 1)
				}
			}
			return []byte(text)
		}
	}
	for name, replacement := range map[string]string{"null": "null", "empty": "[]", "missing": ""} {
		for _, service := range []backup.Service{backup.CRP, backup.ARM, backup.NRP} {
			t.Run(name+" "+string(service), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, options{resources: 60})
				var first atomic.Value // the subscription that is asked for first
				w.stamp.Inject(stamp.Fault{
					Kind: stamp.Rewrite, Mutate: types(replacement),
					Match: func(r *http.Request) bool {
						if !ending("/providers")(r) {
							return false
						}
						of := strings.Split(r.URL.Path, "/")[2]
						first.CompareAndSwap(nil, of)
						return first.Load() == of
					},
				})
				r, err := w.capture(t, service)
				w.requireAccounted(t, service, r, err)
				require.NoError(t, err)
			})
		}
	}
}

// TestOneIDAtBothResourceManagers gives the operator's resource manager another document
// of a tenant's ID.
func TestOneIDAtBothResourceManagers(t *testing.T) {
	w := newWorld(t, options{resources: 60})
	disk := w.first(t, "Microsoft.Compute/disks")
	own := strings.Split(disk.ID, "/")[2]
	for _, of := range []string{"Microsoft.Resources/subscriptions", "Microsoft.Resources/resourceGroups"} {
		for d := range w.stamp.Documents() {
			if d.Endpoint == inventory.Tenant && d.Type == of && strings.Contains(d.ID, own) {
				d.Endpoint = inventory.Admin
				w.stamp.Put(d)
			}
		}
	}
	operators := disk
	operators.Endpoint = inventory.Admin
	operators.Body = []byte(strings.Replace(string(disk.Body), "{", `{"operators":true,`, 1))
	w.stamp.Put(operators)
	r, err := w.capture(t, backup.CRP)
	require.NoError(t, err)
	w.requireComplete(t, backup.CRP, r.Calls())
	requireUnique(t, r.Calls())
	ids := map[string]bool{}
	for _, c := range r.Calls() {
		if c.Document != nil && c.Item.Kind == "disk" {
			require.False(t, c.Item.Supersedes)
			ids[c.Item.ID] = true
		}
	}
	require.True(t, ids[strings.ToLower(disk.ID)])
	require.True(t, ids["/admin"+strings.ToLower(disk.ID)])
}

// TestAssignmentAtAResource hides an assignment from the lists of its subscription and
// group: only the resource's own list has it.
func TestAssignmentAtAResource(t *testing.T) {
	w := newWorld(t, options{resources: 60})
	disk := w.first(t, "Microsoft.Compute/disks")
	d := w.first(t, "Microsoft.Authorization/roleAssignments")
	id := disk.ID + "/providers/Microsoft.Authorization/roleAssignments/0b5b3c5e-7d0b-4b2f-9b1e-0123456789ab"
	d.Body = []byte(strings.ReplaceAll(string(d.Body), d.ID, id))
	d.ID, d.Endpoint = id, disk.Endpoint
	w.stamp.Put(d)
	w.stamp.Inject(stamp.Fault{
		Kind: stamp.Rewrite,
		Match: func(r *http.Request) bool {
			path := strings.ToLower(r.URL.Path)
			return strings.HasSuffix(path, "/providers/microsoft.authorization/roleassignments") && strings.Count(path, "/providers/") == 1
		},
		Mutate: func(body []byte) []byte {
			for _, e := range gjson.GetBytes(body, "value").Array() {
				if strings.EqualFold(e.Get("id").Str, id) {
					text := strings.Replace(string(body), e.Raw+",", "", 1)
					text = strings.Replace(text, ","+e.Raw, "", 1)
					return []byte(strings.Replace(text, e.Raw, "", 1))
				}
			}
			return body
		},
	})
	r, err := w.capture(t, backup.RBAC)
	require.NoError(t, err)
	w.requireComplete(t, backup.RBAC, r.Calls())
	require.NotContains(t, gapsOf(r, resource.GapScopesNotAsked), "microsoft.authorization/roleassignments")
}

// TestExpandIsRefused has a resource manager that does not know what its own list is
// asked to add.
func TestExpandIsRefused(t *testing.T) {
	w := newWorld(t, options{resources: 60})
	w.stamp.Inject(stamp.Fault{
		Kind: stamp.Refusal, Status: http.StatusBadRequest,
		Match: func(r *http.Request) bool { return ending("/resources")(r) && r.URL.Query().Has("$expand") },
	})
	for _, service := range stampServices {
		r, err := w.capture(t, service)
		require.NoError(t, err, service)
		w.requireComplete(t, service, r.Calls())
	}
}
