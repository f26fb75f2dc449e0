package maintenance_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/maintenance"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

var now = time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC)

// opened is a stand-in with the updates of the inventory, and a client of its operator.
func opened(t *testing.T) (*stamp.Stamp, *azure.Client) {
	t.Helper()
	contents, err := inventory.Generate(inventory.Options{Seed: 1, Resources: 60, Domain: "local.azurestack.test"})
	require.NoError(t, err)
	s, err := stamp.Start(stamp.Options{Contents: contents})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c, err := azure.New(azure.Config{
		TenantURL: s.TenantURL(), AdminURL: s.AdminURL(), Authority: s.AuthorityURL(), ClientID: s.ClientID(),
		ClientSecret: secret.New(s.ClientSecret()), CACertificates: s.CA(), Resolver: s.Resolver(), RetryDelay: time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return s, c.Admin()
}

// last matches lists by the last part of their path.
func last(part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.HasSuffix(strings.ToLower(r.URL.Path), "/"+strings.ToLower(part))
	}
}

// answering lets a list have these elements.
func answering(list, elements string) stamp.Fault {
	return stamp.Fault{Match: last(list), Kind: stamp.Instead, Status: http.StatusOK, Body: []byte(`{"value":[` + elements + `]}`)}
}

// run is a run of an update, with more properties than are looked at.
func run(name, state, timeStarted string) string {
	return fmt.Sprintf(`{"id":"/x/%s","name":%q,"properties":{"state":%s,"timeStarted":%s,"duration":"PT1H","progress":{"steps":[{"status":"InProgress"}]}}}`, name, name, state, timeStarted)
}

func location(state string) string {
	return `{"id":"/l/local","name":"local","properties":{"state":` + state + `}}`
}

func began(ago time.Duration) string {
	return `"` + now.Add(-ago).Format("2006-01-02T15:04:05.9999999Z07:00") + `"`
}

func TestUpdating(t *testing.T) {
	s, admin := opened(t)
	past := run("old", `"Succeeded"`, began(100*24*time.Hour))
	for name, tc := range map[string]struct {
		faults []stamp.Fault
		update string     // that is named, "" for none
		code   fault.Code // why it is not known, "" when it is
		says   string     // in that reason
	}{
		"nothing goes on":                   {},
		"the location tells":                {faults: []stamp.Fault{answering("updateLocations", location(`"UpdateInProgress"`))}, update: "location local is UpdateInProgress"},
		"in other letters":                  {faults: []stamp.Fault{answering("updateLocations", location(`"updateinprogress"`))}, update: "location local is updateinprogress"},
		"the last one failed":               {faults: []stamp.Fault{answering("updateLocations", location(`"UpdateFailed"`))}},
		"a state of a later version":        {faults: []stamp.Fault{answering("updateLocations", location(`"PreparationInProgress"`))}},
		"a run goes on":                     {faults: []stamp.Fault{answering("updateRuns", past+","+run("r1", `"InProgress"`, began(3*time.Hour)))}, update: "run r1 of update"},
		"a run goes on for six days":        {faults: []stamp.Fault{answering("updateRuns", run("r1", `"inProgress"`, began(6*24*time.Hour)))}, update: "run r1 of update"},
		"a run began in another zone":       {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, `"2027-05-04T03:25:37.4173123-08:00"`))}, update: "since 2027-05-04T11:25:37Z"},
		"a clock is ahead":                  {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, began(-59*time.Minute)))}, update: "run r1 of update"},
		"runs that have ended":              {faults: []stamp.Fault{answering("updateRuns", past+","+run("f", `"Failed"`, began(time.Hour)))}},
		"a run of a later state":            {faults: []stamp.Fault{answering("updateRuns", run("f", `"Paused"`, began(time.Hour)))}},
		"no update was ever run":            {faults: []stamp.Fault{answering("updateRuns", "")}},
		"no updates":                        {faults: []stamp.Fault{answering("updates", "")}},
		"a run that never ended":            {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, began(8*24*time.Hour)))}, code: fault.SourceInvalid, says: "longer than an update takes"},
		"a run from the future":             {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, began(-61*time.Minute)))}, code: fault.SourceInvalid, says: "still to come"},
		"a run that says not since when":    {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, `null`))}, code: fault.SourceInvalid, says: "since when"},
		"a run that began at a number":      {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, `1777900000`))}, code: fault.SourceInvalid, says: "since when"},
		"a run that began at no time":       {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, `"yesterday"`))}, code: fault.SourceInvalid, says: "since when"},
		"a bad run hides no other":          {faults: []stamp.Fault{answering("updateRuns", run("r1", `"InProgress"`, `null`)+`,{},7,`+run("r2", `"InProgress"`, began(time.Hour)))}, update: "run r2 of update"},
		"a run without a state":             {faults: []stamp.Fault{answering("updateRuns", run("r1", `null`, began(time.Hour)))}, code: fault.SourceInvalid, says: "state"},
		"a run whose state is no text":      {faults: []stamp.Fault{answering("updateRuns", run("r1", `{"InProgress":true}`, began(time.Hour)))}, code: fault.SourceInvalid, says: "state"},
		"a run without a name":              {faults: []stamp.Fault{answering("updateRuns", `{"properties":{"state":"InProgress"}}`)}, code: fault.SourceInvalid, says: "name"},
		"a location without a state":        {faults: []stamp.Fault{answering("updateLocations", location(`null`))}, code: fault.SourceInvalid, says: "state"},
		"a location that leads up":          {faults: []stamp.Fault{answering("updateLocations", `{"name":"..","properties":{"state":"Unknown"}}`)}, code: fault.SourceInvalid, says: "name"},
		"an update that leads elsewhere":    {faults: []stamp.Fault{answering("updates", `{"name":"a?b=c","properties":{}}`)}, code: fault.SourceInvalid, says: "name"},
		"runs that may not be read":         {faults: []stamp.Fault{{Match: last("updateRuns"), Kind: stamp.Forbidden}}, code: fault.SourceAccessDenied},
		"updates that may not be read":      {faults: []stamp.Fault{{Match: last("updates"), Kind: stamp.Forbidden}}, code: fault.SourceAccessDenied},
		"runs that are cut":                 {faults: []stamp.Fault{{Match: last("updateRuns"), Kind: stamp.TruncatedBody}}, code: fault.SourceIncomplete},
		"one that tells among those denied": {faults: []stamp.Fault{{Match: last("updateRuns"), Times: 1, Kind: stamp.Forbidden}, answering("updateRuns", run("r1", `"InProgress"`, began(time.Hour)))}, update: "run r1 of update"},
		"more runs than there can be":       {faults: []stamp.Fault{answering("updateRuns", many(1001))}, code: fault.LimitExceeded},
		"more updates than there can be":    {faults: []stamp.Fault{answering("updates", many(65)), answering("updateRuns", "")}, code: fault.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range tc.faults {
				defer s.Inject(f)()
			}
			update, err := maintenance.Updating(t.Context(), admin, "local", now)
			if tc.code != "" {
				require.Equal(t, tc.code, fault.CodeOf(err), err)
				require.ErrorContains(t, err, tc.says)
				require.Empty(t, update)
				return
			}
			require.NoError(t, err)
			if tc.update == "" {
				require.Empty(t, update)
			}
			require.Contains(t, update, tc.update)
		})
	}
	_, err := maintenance.Updating(t.Context(), admin, "elsewhere", now)
	require.Error(t, err, "what it does not tell is not taken for none")
}

// many are runs, or updates, that have ended.
func many(n int) string {
	var all []string
	for i := range n {
		all = append(all, run(fmt.Sprintf("r%d", i), `"Succeeded"`, began(time.Hour)))
	}
	return strings.Join(all, ",")
}

// TestRequestsAreBounded: what the stamp lists decides how much is asked only up to a point.
func TestRequestsAreBounded(t *testing.T) {
	s, admin := opened(t)
	for _, f := range []stamp.Fault{
		answering("updateLocations", location(`"Unknown"`)+`,{"name":"b","properties":{"state":"Unknown"}}`), answering("updates", many(1000)), answering("updateRuns", ""),
	} {
		defer s.Inject(f)()
	}
	var asked atomic.Int64
	defer s.Observe(func(r *http.Request) {
		if last("updateRuns")(r) {
			asked.Add(1)
		}
	})()
	_, err := maintenance.Updating(t.Context(), admin, "local", now)
	require.Equal(t, fault.LimitExceeded, fault.CodeOf(err))
	require.EqualValues(t, 2*64, asked.Load())
}
