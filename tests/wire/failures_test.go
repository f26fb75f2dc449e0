package wire_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/rp"
)

// address is a request that an endpoint takes, at a location with a backup.
func address(e rp.Endpoint, id backup.ID) (path string, body any) {
	path = strings.NewReplacer("{subscription}", subscription, "{group}", "System.local", "{location}", "local", "{backup}", string(id), "{operation}", string(id), "{token}", "abcdefgh", "{plan}", somePlan, "{drill}", string(someDrill), "{diff}", "64e8625a-8dc0-49df-a195-932901b4be80").Replace(e.Pattern)
	switch e.Name {
	case "BackupLocations_Update", "BackupLocations_Patch":
		body = store(map[string]any{"path": `\\fs7\Backups`, "userName": `CORP\b`, "password": password})
	case "BackupLocations_PruneExternalStore":
		body = map[string]any{"operationType": "Default"}
	case "Backups_Restore":
		body = options("")
	case "setSchedule":
		body = map[string]any{"frequencyHours": 7}
	case "acknowledgeAlert":
		body = map[string]any{"code": "SHARE_ALMOST_FULL", "object": "share"}
	case "planRestore":
		body = planBody()
	case "compareBackups":
		body = diffBody()
	case "openPlan":
		body = map[string]any{"backup": string(id), "key": planKey()}
	case "applyPlan":
		body = map[string]any{"consent": map[string]any{"target": "site-b"}}
	case "createToken":
		body = map[string]any{"name": "monitor", "role": "reader"}
	case "answerChallenge":
		body = map[string]any{"answer": "right"}
	}
	return path, body
}

// each calls with every operation at every version that it has.
func each(e func(e rp.Endpoint, version string)) {
	for _, endpoint := range rp.Endpoints() {
		switch {
		case len(endpoint.Versions) > 0:
			for _, version := range endpoint.Versions {
				e(endpoint, version)
			}
		case strings.HasPrefix(endpoint.Pattern, "/api/"):
			e(endpoint, "")
		case endpoint.Anonymous:
			e(endpoint, "2015-01-01")
		default:
			e(endpoint, "2016-06-01")
		}
	}
}

func TestEveryOperationAnswersAndRefuses(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	each(func(e rp.Endpoint, version string) {
		name := e.Name + " " + version
		path, body := address(e, id)
		if version == "2016-05-01" && e.Name == "Backups_Restore" {
			body = nil
		}
		full := map[string]any{"path": `\\fs7\Backups`, "userName": `CORP\b`, "password": password, "encryptionCertBase64": certificate()}
		if version == "2021-09-01" && e.Name == "BackupLocations_Update" {
			body = store(full)
		}

		h.unknown = true
		a := h.do(e.Method, path, version, body)
		if e.Anonymous {
			require.Equal(t, 200, a.status, name)
		} else {
			require.Equal(t, 401, a.status, name)
			require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer authorization_uri=")
		}
		h.unknown = false

		if e.Action != "" {
			h.caller.refuse = map[string]bool{e.Action: true}
			h.asked = nil
			a = h.do(e.Method, path, version, body)
			require.Equal(t, 403, a.status, name)
			require.Contains(t, a.text, e.Action)
			require.Equal(t, []string{e.Action}, h.asked, name)
			h.caller.refuse = nil
		}

		for _, method := range []string{"GET", "PUT", "PATCH", "POST", "DELETE", "HEAD", "OPTIONS"} {
			a = h.do(method, path, version, nil)
			if a.status == 405 {
				require.NotContains(t, a.header.Get("Allow"), method, name)
				require.Contains(t, a.header.Get("Allow"), e.Method, name)
			}
		}
		h.control.settle()

		if len(e.Versions) > 0 {
			require.Equal(t, "MissingApiVersionParameter", h.do(e.Method, path, "", body).code(), name)
			a = h.do(e.Method, path, "2017-01-01", body)
			require.Equal(t, "InvalidApiVersionParameter", a.code(), name)
			require.Contains(t, a.text, "2016-05-01,2018-09-01,2021-09-01")
		}
		for part, code := range map[string]string{"{subscription}": "SubscriptionNotFound", "{group}": "ResourceGroupNotFound", "{location}": "ResourceNotFound", "{backup}": "ResourceNotFound", "{operation}": "ResourceNotFound", "{token}": "ResourceNotFound", "{plan}": "ResourceNotFound", "{drill}": "ResourceNotFound", "{diff}": "ResourceNotFound"} {
			if !strings.Contains(e.Pattern, part) {
				continue
			}
			other := e
			other.Pattern = strings.Replace(e.Pattern, part, "c0ffee00-0000-0000-0000-000000000000", 1)
			path, _ := address(other, id)
			a = h.do(e.Method, path, version, body)
			require.Equal(t, 404, a.status, name+part)
			require.Equal(t, code, a.code(), name+part)
		}

		h.board.Apply(func(s *board.Snapshot) { s.Running = nil })
		a = h.do(e.Method, path, version, body)
		require.Less(t, a.status, 500, name)
		h.control.settle()
	})
	for _, e := range rp.Endpoints() {
		for _, version := range e.Versions {
			for _, status := range []string{"Not Found", "Forbidden", "Unauthorized"} {
				name := strings.Replace(e.Name, "_Patch", "_Update", 1) + " " + version + " " + status
				switch {
				case e.Name == "Operations_List" && status == "Not Found":
					continue // nothing can be missing there
				case e.Name == "OperationResults_Get":
					name = "OperationResults " + version + " " + status
				}
				require.NotZero(t, h.seen[name], name)
			}
		}
	}
	require.Equal(t, 404, h.do("POST", place+"/pruneExternalStore", "2016-05-01", nil).status)
	a := h.do("PATCH", place, "2018-09-01", store(nil))
	require.Equal(t, 405, a.status)
	require.Equal(t, "GET, PUT", a.header.Get("Allow"))
	for _, path := range []string{"/", "/nothing", "/subscriptions/" + subscription + "/resourceGroups//providers/Microsoft.Backup.Admin/backupLocations", place + "/backups/a/b/c", "/" + strings.Repeat("a/", 50)} {
		require.Equal(t, 404, h.do("GET", path, "2018-09-01", nil).status, path)
	}
}

// TestEveryFaultAtTheRequest: what could not be begun is refused, and only where nothing was
// begun and waiting helps is the client told to try again.
func TestEveryFaultAtTheRequest(t *testing.T) {
	h := startWith(t, inOwnProcess).enable()
	restoring := "/backups/" + string(h.full()) + "/restore"
	for _, code := range fault.Codes() {
		for _, version := range versions {
			for _, request := range []struct {
				method, path string
				body         any
			}{
				{"POST", "/createBackup", nil}, {"PUT", "", store(map[string]any{"path": `\\fs3\B`, "userName": "u", "password": password, "encryptionCertBase64": certificate()})},
				{"PATCH", "", store(map[string]any{"password": password})}, {"POST", "/pruneExternalStore", map[string]any{"operationType": "DryRun"}},
				{"POST", restoring, options("")},
			} {
				if version == "2016-05-01" && request.method == "PUT" {
					request.body = store(map[string]any{"password": password})
				}
				if request.method == "PATCH" && version != "2021-09-01" || version == "2016-05-01" && (request.path == "/pruneExternalStore" || request.path == restoring) {
					continue
				}
				h.control.refuse = fault.Newf(code, "it could not be begun")
				a := h.do(request.method, place+request.path, version, request.body)
				what := fmt.Sprintf("%s %s %s %s: %s", code, version, request.method, request.path, a.text)
				require.Nil(t, h.control.refuse, what)
				switch code {
				case fault.NoWorker, fault.TemporalUnreachable:
					require.Equal(t, 503, a.status, what)
					require.NotEmpty(t, a.header.Get("Retry-After"), what)
				case fault.Internal:
					require.Equal(t, 500, a.status, what)
				default:
					require.GreaterOrEqual(t, a.status, 400, what)
					require.Less(t, a.status, 500, what)
				}
			}
		}
	}
}

// TestEveryFaultAtTheEnd: operations that fail do so with an error that ends polling.
func TestEveryFaultAtTheEnd(t *testing.T) {
	for _, version := range versions {
		h := startWith(t, inOwnProcess).enable()
		restoring := "/backups/" + string(h.full()) + "/restore"
		for _, code := range fault.Codes() {
			for _, path := range []string{"", "/createBackup", "/pruneExternalStore", restoring} {
				method, body := "POST", any(nil)
				switch {
				case path == "":
					method, body = "PUT", store(map[string]any{"path": `\\fs3\B`, "userName": "u", "password": password, "encryptionCertBase64": certificate()})
					if version == "2016-05-01" {
						body = store(map[string]any{"password": password})
					}
				case (path == "/pruneExternalStore" || path == restoring) && version == "2016-05-01":
					continue
				case path == restoring:
					body = options("")
				}
				h.control.fails = fault.Newf(code, "it has failed")
				a := h.do(method, place+path, version, body)
				require.Equal(t, 202, a.status, a.text)
				async := a.header.Get("Azure-AsyncOperation")
				end := h.follow(a)
				require.GreaterOrEqual(t, end.status, 400, end.text)
				require.Less(t, end.status, 500, end.text)
				if async != "" {
					status := h.do("GET", async, "", nil)
					require.Equal(t, 200, status.status)
					want := "Failed"
					if code == fault.Cancelled {
						want = "Canceled"
					}
					require.Equal(t, want, status.property("status"), status.text)
					require.Equal(t, end.code(), status.code())
				}
			}
		}
	}
}

func TestWhatRunsIsNamed(t *testing.T) {
	h := start(t).enable()
	a := h.do("POST", place+"/createBackup", "2018-09-01", nil)
	require.Equal(t, 202, a.status)
	location := a.header.Get("Location")
	a = h.do("POST", place+"/createBackup", "2018-09-01", nil)
	require.Equal(t, 409, a.status)
	require.Equal(t, "BackupConflict", a.code())
	require.Contains(t, a.text, strings.TrimPrefix(location, h.server.URL))
}

// TestNothingIsSaidOfWhatWasNotReadYet: after a start the board knows nothing, which is not
// the same as that nothing is there. Writes need not wait: they can be what mends it.
func TestNothingIsSaidOfWhatWasNotReadYet(t *testing.T) {
	h := start(t)
	h.board.Apply(func(s *board.Snapshot) {
		s.AsOf, s.Fault = time.Time{}, fault.Newf(fault.ShareUnreachable, "the share does not answer")
	})
	for _, path := range []string{root, place, place + "/backups", place + "/backups/64e8625a-8dc0-49df-a195-932901b4be81"} {
		a := h.do("GET", path, "2018-09-01", nil)
		require.Equal(t, 503, a.status, a.text)
		require.Equal(t, "ShareUnreachable", a.code())
		require.NotEmpty(t, a.header.Get("Retry-After"))
	}
	require.Equal(t, 503, h.do("GET", "/api/v1/locations/local/status", "", nil).status)
	a := h.do("POST", ownPlans+"/plans", "", planBody())
	require.Equal(t, []any{503, "ShareUnreachable"}, []any{a.status, a.code()}, "there may be a newest backup")
	a = h.do("POST", "/api/v1/locations/local/backups/64e8625a-8dc0-49df-a195-932901b4be81/verify", "", nil)
	require.Equal(t, []any{503, "ShareUnreachable"}, []any{a.status, a.code()}, "it may be there")
	require.Equal(t, 200, h.do("GET", ownPlans, "", nil).status, "a worker is asked")
	a = h.do("GET", ownPlans+"/current", "", nil)
	require.Equal(t, []any{404, "ResourceNotFound"}, []any{a.status, a.code()}, "Temporal is asked: %s", a.text)
	require.Equal(t, 202, h.do("PUT", place, "2018-09-01", store(map[string]any{"path": `\\fs2\B`})).status)
	require.Equal(t, 202, h.do("POST", place+"/createBackup", "2018-09-01", nil).status)
}

// TestResultsAreWholeAfterAStart: a backup ended while this process started. Its result waits
// for the settings, which tell of the certificate, and not for the share, and not for ever.
func TestResultsAreWholeAfterAStart(t *testing.T) {
	h := start(t).enable()
	a := h.do("POST", place+"/createBackup", "2018-09-01", nil)
	h.control.settle()
	before := *h.board.Snapshot()
	started := func(s *board.Snapshot) { *s = board.Snapshot{Instance: s.Instance} }
	result := func() answer { return h.do("GET", a.header.Get("Location"), "", nil) }
	h.board.Apply(started)
	require.Equal(t, 202, result().status)
	require.Equal(t, "Accepted", h.do("GET", a.header.Get("Location")+"&IsAsyncOperation=1", "", nil).property("status"))
	h.board.Apply(func(s *board.Snapshot) { s.Settings, s.Enabled = before.Settings, true })
	end := result()
	require.Equal(t, 200, end.status)
	require.Contains(t, end.text, `"encryptionCertThumbprint":"`+before.Settings.Recipients[0].Thumbprint+`"`)

	h.board.Apply(started)
	require.Equal(t, 202, result().status)
	h.mu.Lock()
	h.now = h.now.Add(10 * time.Minute) // the backup ends seven minutes after it began
	h.mu.Unlock()
	require.Equal(t, 200, result().status)
}

// TestWhatIsWrongIsToldWhileTheShareIsAway: settings were read after a start, and the share
// was not.
func TestWhatIsWrongIsToldWhileTheShareIsAway(t *testing.T) {
	h := start(t).enable()
	h.board.Apply(func(s *board.Snapshot) {
		s.AsOf, s.Fault = time.Time{}, fault.Newf(fault.ShareUnreachable, "the share does not answer")
	})
	for _, path := range []string{"status", "alerts", "history", "schedule"} {
		require.Equal(t, 200, h.do("GET", "/api/v1/locations/local/"+path, "", nil).status, path)
	}
	require.Contains(t, h.do("GET", "/api/v1/locations/local/status", "", nil).text, "ShareUnreachable")
	require.Equal(t, 503, h.do("GET", "/api/v1/locations/local/backups", "", nil).status)
}

func TestConflictsOfOwnAdditions(t *testing.T) {
	h := start(t).enable()
	h.board.Apply(func(s *board.Snapshot) { s.Change = &board.Change{ID: "c0ffee00-0000-0000-0000-000000000009"} })
	h.control.refuse = fault.Newf(fault.ChangeRunning, "a change runs")
	a := h.do("PUT", "/api/v1/locations/local/schedule", "", map[string]any{"frequencyHours": 6})
	require.Equal(t, "BackupConflict", a.code())
	require.Contains(t, a.text, h.server.URL+"/api/v1/locations/local/operations/c0ffee00-0000-0000-0000-000000000009")
}

// TestPollersOutliveOutages: while Temporal is away nobody can say that an operation has
// ended, so it goes on.
func TestPollersOutliveOutages(t *testing.T) {
	h := start(t).enable()
	a := h.do("POST", place+"/pruneExternalStore", "2018-09-01", map[string]any{"operationType": "DryRun"})
	h.control.away = fault.Newf(fault.TemporalUnreachable, "Temporal does not answer")
	require.Equal(t, 202, h.do("GET", a.header.Get("Location"), "", nil).status)
	require.Equal(t, "Accepted", h.do("GET", a.header.Get("Azure-AsyncOperation"), "", nil).property("status"))
	h.control.away = nil
	require.Equal(t, 200, h.follow(a).status)
}

// TestReadsAskControlForNothing: whatever is read, and however often unknown operations are
// asked for, control hears little of it.
func TestReadsAskControlForNothing(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	h.control.asked = 0
	each(func(e rp.Endpoint, version string) {
		if e.Method != http.MethodGet {
			return
		}
		path, _ := address(e, id)
		for range 3 {
			h.do("GET", path, version, nil)
		}
	})
	require.Zero(t, h.control.asked)
	for range 20 {
		require.Equal(t, 404, h.do("GET", place+"/operationResults/c0ffee00-0000-0000-0000-000000000000", "2018-09-01", nil).status)
	}
	require.LessOrEqual(t, h.control.asked, 20)
	require.Equal(t, 404, h.do("GET", place+"/operationResults/nonsense", "2018-09-01", nil).status)
}

func TestRunningBackupIsShown(t *testing.T) {
	h := start(t).enable()
	a := h.do("POST", place+"/createBackup", "2018-09-01", nil)
	real := board.New(nil, board.Options{Now: h.clock}) // which makes the row of the backup that runs
	real.Apply(func(s *board.Snapshot) {
		*s = *h.board.Snapshot()
		running := *s.Running
		running.Status, running.Services = backup.Running, []flow.ServiceProgress{{Service: backup.AD, Phase: flow.PhaseUpload}, {Service: backup.CA, Phase: flow.PhaseQueued}, {Service: backup.ARM, Phase: flow.PhaseDone}}
		s.Running = &running
	})
	h.board.Apply(func(s *board.Snapshot) { *s = *real.Snapshot() })
	list := h.do("GET", place+"/backups?$top=1", "2018-09-01", nil)
	require.Contains(t, list.text, `"roleStatus":[{"roleName":"AD","status":"Running"},{"roleName":"CA","status":"Queued"},{"roleName":"ARM","status":"Succeeded"}],"status":"Running"`)
	require.Contains(t, list.text, `"completelyUploaded":false`)
	require.Equal(t, 202, h.do("GET", a.header.Get("Location"), "", nil).status)
}
