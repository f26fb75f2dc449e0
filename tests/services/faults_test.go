package services

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp"
)

// targets are collections of several pages, one for each service, by how their paths
// end.
var targets = map[backup.Service]string{
	backup.ARM:      "/resourcegroups",
	backup.CRP:      "/providers/microsoft.compute/virtualmachines",
	backup.SRP:      "/providers/microsoft.storage/storageaccounts",
	backup.NRP:      "/providers/microsoft.network/networkinterfaces",
	backup.KeyVault: "/providers/microsoft.keyvault/vaults",
	backup.RBAC:     "/providers/microsoft.authorization/roleassignments",
}

func ending(path string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.HasSuffix(strings.TrimSuffix(strings.ToLower(r.URL.Path), "/"), path) && strings.HasPrefix(r.Host, "management.")
	}
}

// outcome is what may come of a fault.
type outcome struct {
	codes    []fault.Code // with which the service may fail; none: it must be captured
	complete bool         // it may, or must, be captured whole
	bytes    bool         // and then with the bytes of the store
	wait     time.Duration
}

var (
	whole    = outcome{complete: true, bytes: true}
	wholeIDs = outcome{complete: true}
)

func failing(codes ...fault.Code) outcome { return outcome{codes: codes} }

// misbehaviour is a fault of the stamp and what has to come of it.
type misbehaviour struct {
	fault    stamp.Fault
	want     outcome
	timeout  time.Duration
	patience time.Duration
}

var misbehaviours = map[string]misbehaviour{
	"500 once":                       {fault: stamp.Fault{Kind: stamp.InternalError, Times: 1}, want: whole},
	"500 for good":                   {fault: stamp.Fault{Kind: stamp.InternalError}, want: failing(fault.SourceFailed)},
	"503 once":                       {fault: stamp.Fault{Kind: stamp.Unavailable, Times: 1}, want: whole},
	"503 for good":                   {fault: stamp.Fault{Kind: stamp.Unavailable}, want: failing(fault.SourceFailed)},
	"429, short":                     {fault: stamp.Fault{Kind: stamp.Throttled, Times: 1, RetryAfter: time.Second}, want: whole},
	"429, 120 s, and no patience":    {fault: stamp.Fault{Kind: stamp.Throttled, RetryAfter: 2 * time.Minute}, patience: time.Minute, want: outcome{codes: []fault.Code{fault.SourceThrottled}, wait: 2 * time.Minute}},
	"timeout once":                   {fault: stamp.Fault{Kind: stamp.Hang, Times: 1}, want: whole, timeout: 3 * time.Second},
	"timeout for good":               {fault: stamp.Fault{Kind: stamp.Hang}, want: failing(fault.SourceUnreachable), timeout: 2 * time.Second},
	"half a body once":               {fault: stamp.Fault{Kind: stamp.HalfBody, Times: 1}, want: whole},
	"half a body for good":           {fault: stamp.Fault{Kind: stamp.HalfBody}, want: failing(fault.SourceIncomplete, fault.SourceUnreachable)},
	"half a document":                {fault: stamp.Fault{Kind: stamp.TruncatedBody}, want: failing(fault.SourceIncomplete)},
	"a page that changes":            {fault: stamp.Fault{Kind: stamp.ShiftPage, Times: 1}, want: whole},
	"a page that repeats":            {fault: stamp.Fault{Kind: stamp.RepeatPage, Times: 1}, want: outcome{codes: []fault.Code{fault.SourceIncomplete}, complete: true, bytes: true}},
	"pages that always repeat":       {fault: stamp.Fault{Kind: stamp.RepeatPage}, want: failing(fault.SourceIncomplete)},
	"a page that leads to itself":    {fault: stamp.Fault{Kind: stamp.LoopPage}, want: failing(fault.SourceIncomplete)},
	"a page on another host":         {fault: stamp.Fault{Kind: stamp.ForeignNextLink}, want: failing(fault.SourceInvalid)},
	"an unknown field":               {fault: stamp.Fault{Kind: stamp.UnknownField}, want: wholeIDs},
	"a duplicate id":                 {fault: stamp.Fault{Kind: stamp.DuplicateID}, want: whole},
	"a duplicate id once":            {fault: stamp.Fault{Kind: stamp.DuplicateID, Times: 1}, want: whole},
	"a huge item":                    {fault: stamp.Fault{Kind: stamp.HugeItem, Size: 8, Times: 10}, want: wholeIDs}, // RBAC asks at hundreds of scopes
	"an item beyond all limits":      {fault: stamp.Fault{Kind: stamp.HugeItem, Size: 40}, want: failing(fault.LimitExceeded)},
	"an expired token":               {fault: stamp.Fault{Kind: stamp.ExpiredToken, Times: 1}, want: whole},
	"a permission revoked":           {fault: stamp.Fault{Kind: stamp.Forbidden}, want: failing(fault.SourceAccessDenied)},
	"a permission revoked meanwhile": {fault: stamp.Fault{Kind: stamp.Forbidden, After: 1}, want: failing(fault.SourceAccessDenied)},
}

// TestEveryFault goes through every service and every fault: the items are complete
// and right, or the service fails with a code of its own. Never is a short part taken
// for a whole one.
func TestEveryFault(t *testing.T) {
	for _, service := range stampServices {
		t.Run(string(service), func(t *testing.T) {
			t.Parallel()
			// Small pages, so that every list has several.
			o := options{resources: 200, pageSize: 2}
			if service == backup.KeyVault {
				o = options{resources: 1000, pageSize: 1} // there are few vaults
			}
			w := newWorld(t, o)
			w.misbehave(t, service)
		})
	}
}

// misbehave tries every fault on one service.
func (w *world) misbehave(t *testing.T, service backup.Service) {
	for name, m := range misbehaviours {
		t.Run(name, func(t *testing.T) {
			w.config.TryTimeout = 20 * time.Second
			if m.timeout > 0 {
				w.config.TryTimeout = m.timeout
			}
			w.config.Patience = m.patience
			w.open(t, "")
			f := m.fault
			f.Match = ending(targets[service])
			before := w.stamp.Requests()
			var struck atomic.Bool
			stop := w.stamp.Observe(func(r *http.Request) {
				if f.Match(r) {
					struck.Store(true)
				}
			})
			defer stop()
			defer w.stamp.Inject(f)()
			r, err := w.capture(t, service)
			require.True(t, struck.Load(), "no request of %d met the fault", w.stamp.Requests()-before)
			w.requireOutcome(t, service, m.want, r, err)
		})
	}
}

// TestMissingLists answers 404 to the lists that say where to look, while every
// subscription is there: no service may take that for an empty subscription.
func TestMissingLists(t *testing.T) {
	w := newWorld(t, options{resources: 200})
	for _, path := range []string{"/locations", "/resourcegroups", "/resources"} {
		for _, service := range stampServices {
			t.Run(string(service)+" "+path, func(t *testing.T) {
				w.open(t, "")
				var struck atomic.Bool
				missing := func(r *http.Request) bool {
					return strings.HasSuffix(strings.ToLower(r.URL.Path), path) && strings.Count(r.URL.Path, "/") == 3
				}
				defer w.stamp.Observe(func(r *http.Request) {
					if missing(r) {
						struck.Store(true)
					}
				})()
				defer w.stamp.Inject(stamp.Fault{Kind: stamp.Refusal, Status: http.StatusNotFound, Match: missing})()
				r, err := w.capture(t, service)
				if struck.Load() {
					// Requests of the service before may arrive late: this one may be whole.
					w.requireOutcome(t, service, outcome{codes: []fault.Code{fault.SourceInvalid}, complete: true, bytes: true}, r, err)
				} else {
					w.requireOutcome(t, service, whole, r, err)
				}
			})
		}
	}
}

func (w *world) requireOutcome(t *testing.T, service backup.Service, want outcome, r *collecttest.Recorder, err error) {
	t.Helper()
	if err != nil {
		require.NotContains(t, err.Error(), w.stamp.ClientSecret())
		f, ok := fault.Of(err)
		require.True(t, ok, "%v", err)
		require.Contains(t, want.codes, f.Code, "%v", err)
		require.Equal(t, want.wait, f.RetryAfter)
		return
	}
	require.True(t, want.complete, "it was captured, and should have failed with one of %v", want.codes)
	if want.bytes {
		w.requireComplete(t, service, r.Calls())
		return
	}
	w.requireIDs(t, service, r.Calls())
}

// requireIDs compares which items there are, whatever their bytes.
func (w *world) requireIDs(t *testing.T, service backup.Service, calls []collecttest.Call) {
	t.Helper()
	got := map[string]bool{}
	for _, c := range calls {
		if c.Document != nil {
			_, document := read(t, c.Document)
			got[strings.ToLower(gjson.GetBytes(document, "id").String())] = true
		}
	}
	for d := range w.stamp.Documents() {
		if id := gjson.GetBytes(d.Body, "id").String(); ownerOf(d.Type) == service && id != "" {
			require.True(t, got[strings.ToLower(id)], id)
		}
	}
}

// hideSubscription makes the stamp answer as if the client had no role in one of the
// subscriptions, whose ID is returned.
func (w *world) hideSubscription(t *testing.T) string {
	t.Helper()
	hidden := ""
	for d := range w.stamp.Documents() {
		if d.Endpoint == "tenant" && strings.EqualFold(d.Type, "Microsoft.Resources/subscriptions") {
			hidden = strings.ToLower(gjson.GetBytes(d.Body, "subscriptionId").String())
		}
	}
	require.NotEmpty(t, hidden)
	t.Cleanup(w.stamp.Inject(stamp.Fault{
		Kind: stamp.Rewrite, Match: func(r *http.Request) bool { return strings.TrimSuffix(r.URL.Path, "/") == "/subscriptions" },
		Mutate: func(body []byte) []byte {
			var kept []string
			gjson.GetBytes(body, "value").ForEach(func(_, s gjson.Result) bool {
				if !strings.EqualFold(s.Get("subscriptionId").String(), hidden) {
					kept = append(kept, s.Raw)
				}
				return true
			})
			return fmt.Append(nil, `{"value":[`, strings.Join(kept, ","), `]}`)
		},
	}))
	return hidden
}
