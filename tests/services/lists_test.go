package services

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/tier"
)

// distortion is a way in which a list can be short, false or refused.
type distortion struct {
	fault stamp.Fault
	// hides says that the list then names nothing, in the form of a list that has
	// nothing: only another answer can tell.
	hides bool
}

func instead(status int, body string) stamp.Fault {
	return stamp.Fault{Kind: stamp.Instead, Status: status, Body: []byte(body)}
}

func refusal(status int, code string) distortion {
	return distortion{fault: instead(status, `{"error":{"code":"`+code+`","message":"The request was refused."}}`)}
}

func rewritten(mutate func(body string) string) distortion {
	return distortion{fault: stamp.Fault{Kind: stamp.Rewrite, Mutate: func(body []byte) []byte { return []byte(mutate(string(body))) }}}
}

// spellings are ways to write one ID.
var spellings = []func(id string) string{
	func(id string) string { return strings.ReplaceAll(id, "e", "%65") }, func(id string) string { return id + "/" },
	func(id string) string { return " " + id + " " }, func(id string) string { return id[1:] }, strings.ToUpper,
	func(id string) string { return strings.Replace(id, "/providers/", "//providers/", 1) },
}

// respelled gives every element's ID another spelling.
func respelled(body string) string {
	for i, id := range gjson.Get(body, "value.#.id").Array() {
		if strings.HasPrefix(id.Str, "/") {
			body = strings.ReplaceAll(body, `"id":"`+id.Str+`"`, `"id":"`+spellings[i%len(spellings)](id.Str)+`"`)
		}
	}
	return body
}

var distortions = map[string]distortion{
	"pages that repeat":         {fault: stamp.Fault{Kind: stamp.RepeatPage}},
	"204":                       {fault: instead(http.StatusNoContent, ""), hides: true},
	"value null":                {fault: instead(http.StatusOK, `{"value":null}`), hides: true},
	"value empty":               {fault: instead(http.StatusOK, `{"value":[]}`), hides: true},
	"no value":                  {fault: instead(http.StatusOK, `{}`), hides: true},
	"an array without elements": {fault: instead(http.StatusOK, `[]`), hides: true},
	"null":                      {fault: instead(http.StatusOK, `null`), hides: true},
	"an error with 200":         {fault: instead(http.StatusOK, `{"error":{"code":"Busy","message":"Later."}}`)},
	"an error beside the list": rewritten(func(body string) string {
		return strings.Replace(body, `{`, `{"error":{"code":"Partial","message":"Not all."},`, 1)
	}),
	"a list, and an empty one":  rewritten(func(body string) string { return body[:len(body)-1] + `,"value":[]}` }),
	"an empty list, and one":    rewritten(func(body string) string { return strings.Replace(body, `{`, `{"value":[],`, 1) }),
	"an element that is null":   rewritten(func(body string) string { return strings.Replace(body, `"value":[`, `"value":[null,`, 1) }),
	"400":                       refusal(http.StatusBadRequest, "BadRequest"),
	"404":                       refusal(http.StatusNotFound, "NotFound"),
	"404, no such subscription": refusal(http.StatusNotFound, "SubscriptionNotFound"),
	"404, no such group":        refusal(http.StatusNotFound, "ResourceGroupNotFound"),
	"404, no such parent":       refusal(http.StatusNotFound, "ParentResourceNotFound"),
	"404, no such type":         refusal(http.StatusNotFound, "InvalidResourceType"),
	"409, being deleted":        refusal(http.StatusConflict, "Conflict"),
	"409, not registered":       refusal(http.StatusConflict, "MissingSubscriptionRegistration"),
	"409, not registered here":  refusal(http.StatusConflict, "MissingRegistrationForLocation"),
	"400, not registered":       refusal(http.StatusBadRequest, "SubscriptionNotRegistered"),
	"409, group being deleted":  refusal(http.StatusConflict, "ResourceGroupBeingDeleted"),
	"ids in other spellings":    rewritten(respelled),
	"members with a capital at first": rewritten(func(body string) string {
		return strings.NewReplacer(`"id":`, `"Id":`, `"name":`, `"Name":`).Replace(body)
	}),
}

// namedElsewhere reports whether another answer names what a list holds.
func namedElsewhere(l stamp.List) bool {
	return l.Tracked || l.Type == "" || l.Type == "microsoft.resources/subscriptions" || l.Type == "microsoft.resources/resourcegroups"
}

// sparse is how many distortions there are for each that a list meets in make test: all of
// them in the soak.
func sparse() int { return tier.Size(3, 3, 1) }

// TestEveryListDistorted goes through every list that the stand-in has and every
// distortion: what the stamp holds is captured, or the service fails with a code, or
// gaps name it. Never is a short part taken for a whole one. The soak tries each distortion
// on each list; otherwise each list meets a third of them, and each of them a third of the
// lists, from a start that a seed chooses.
func TestEveryListDistorted(t *testing.T) {
	const lanes = 4
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	turn := rand.New(rand.NewPCG(uint64(seed), 0)).IntN(sparse())
	var tried, struck atomic.Int64
	t.Run("lists", func(t *testing.T) {
		for lane := range lanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, options{resources: 24, pageSize: 2})
				asked := w.asked(t)
				for i, l := range w.stamp.Lists() {
					if i%lanes == lane {
						w.distort(t, l, i+turn, asked, &tried, &struck)
					}
				}
			})
		}
	})
	require.Greater(t, tried.Load(), int64(1000/sparse()))
	require.Greater(t, struck.Load(), tried.Load()*9/10)
}

// asked are the lists that each service reads when nothing is wrong, by host and path.
func (w *world) asked(t *testing.T) map[backup.Service]map[string]bool {
	t.Helper()
	all := map[backup.Service]map[string]bool{}
	for _, service := range stampServices {
		paths := map[string]bool{}
		var mu sync.Mutex
		stop := w.stamp.Observe(func(r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			paths[r.Host+strings.ToLower(strings.TrimRight(r.URL.Path, "/"))] = true
		})
		r, err := w.capture(t, service)
		stop()
		require.NoError(t, err)
		w.requireComplete(t, service, r.Calls())
		w.requireAccounted(t, service, r, err)
		all[service] = paths
	}
	return all
}

// distort tries distortions on one list, with a service that reads it. Lists that say where
// to look are read by several, which take turns.
func (w *world) distort(t *testing.T, l stamp.List, first int, asked map[backup.Service]map[string]bool, tried, struck *atomic.Int64) {
	var services []backup.Service
	for _, service := range stampServices {
		if asked[service][l.Host+l.Path] && (ownerOf(l.Type) == service || l.Scope == "vault" || !l.Tracked && namedElsewhere(l)) {
			services = append(services, service)
		}
	}
	if len(services) == 0 {
		return // nobody reads it, as the groups' lists of what subscriptions list whole
	}
	for i, name := range slices.Sorted(maps.Keys(distortions)) {
		d := distortions[name]
		if d.hides && !namedElsewhere(l) || (first+i)%sparse() != 0 {
			continue
		}
		service := services[i/sparse()%len(services)]
		tried.Add(1)
		t.Run(fmt.Sprintf("%s, %s, %s", l, service, name), func(t *testing.T) {
			w.open(t, resource.UnreadableIsGap)
			f := d.fault
			var met atomic.Bool
			f.Match = func(r *http.Request) bool {
				if l.Match(r) {
					met.Store(true)
				}
				return l.Match(r)
			}
			defer w.stamp.Inject(f)()
			r, err := w.capture(t, service)
			if met.Load() {
				struck.Add(1)
			}
			w.requireAccounted(t, service, r, err)
		})
	}
}

// spelled is an ID in the test's own normal form.
func spelled(id string) string {
	if plain, err := url.PathUnescape(id); err == nil {
		id = plain
	}
	return "/" + strings.Trim(strings.ReplaceAll(strings.ToLower(id), "//", "/"), "/ ")
}

// requireAccounted holds a capture to the rule: each document that the stamp holds is
// captured, or the service failed, or a gap names it or the place where it lies.
func (w *world) requireAccounted(t *testing.T, service backup.Service, r *collecttest.Recorder, err error) {
	t.Helper()
	if err != nil {
		f, ok := fault.Of(err)
		require.True(t, ok, "%v", err)
		require.NotEqual(t, fault.Internal, f.Code, "%v", err)
		return
	}
	got := map[string]bool{}
	bytes := map[digest]bool{}
	for _, c := range r.Calls() {
		if c.Document == nil {
			continue
		}
		endpoint, document := read(t, c.Document)
		bytes[digestOf(endpoint, document)] = true
		got[endpoint+spelled(c.Item.ID)] = true // of the few types whose documents have no id
		for _, name := range []string{"id", "Id"} {
			if id := gjson.GetBytes(document, name).String(); id != "" {
				got[endpoint+spelled(id)] = true
			}
		}
	}
	var missing []string
	for d := range w.stamp.Documents() {
		if ownerOf(d.Type) != service || strings.EqualFold(d.Type, "Microsoft.Resources/tagNames") {
			continue
		}
		own := gjson.GetBytes(d.Body, "id").String()
		if bytes[digestOf(string(d.Endpoint), d.Body)] || own == "" && got[string(d.Endpoint)+spelled(d.ID)] || own != "" && got[string(d.Endpoint)+spelled(own)] {
			continue
		}
		if !slices.ContainsFunc(r.Gaps(), func(g backup.Gap) bool { return covers(g, spelled(d.ID), strings.ToLower(d.Type)) }) {
			missing = append(missing, d.ID)
		}
	}
	require.Empty(t, missing[:min(len(missing), 5)], "%d documents are missing in silence; gaps: %+v", len(missing), r.Gaps())
}

// covers reports whether a gap names a document: itself, what it lies in, the list that
// has it, its type or its provider.
func covers(g backup.Gap, id, fullType string) bool {
	object := strings.ToLower(strings.TrimRight(g.Object, "/"))
	namespace, _, _ := strings.Cut(fullType, "/")
	switch {
	case object == fullType, object == namespace, id == object, strings.HasPrefix(id, object+"/"):
		return true
	case g.Code == resource.GapNowhere:
		return strings.HasPrefix(id, object[:strings.LastIndexByte(object, '/')+1])
	}
	scope, of, ok := strings.Cut(object, "/providers/")
	return ok && strings.HasPrefix(id, scope+"/") && (of == namespace || strings.HasPrefix(fullType+"/", of+"/"))
}
