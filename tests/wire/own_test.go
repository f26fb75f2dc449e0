package wire_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/rp"
	"infrabackup/internal/settings"
)

// document is the OpenAPI document as it is served.
type document struct {
	raw   any
	Paths map[string]map[string]json.RawMessage `json:"paths"`
}

func served(t *testing.T, h *harness) document {
	t.Helper()
	a := h.do("GET", "/api/v1/openapi.json", "", nil)
	require.Equal(t, 200, a.status)
	var d document
	require.NoError(t, json.Unmarshal([]byte(a.text), &d))
	var err error
	d.raw, err = jsonschema.UnmarshalJSON(strings.NewReader(a.text))
	require.NoError(t, err)
	return d
}

// schema is that of an answer with a body.
func (d document) schema(t *testing.T, path, method, status string) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("mem:///openapi.json", d.raw))
	escaped := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(path)
	s, err := compiler.Compile(fmt.Sprintf("mem:///openapi.json#/paths/%s/%s/responses/%s/content/application~1json/schema", escaped, method, status))
	require.NoError(t, err, path)
	return s
}

// TestDocumentAndRoutesAgree: every route below /api/v1 is in the document, with its action,
// and the other way round.
func TestDocumentAndRoutesAgree(t *testing.T) {
	d := served(t, start(t))
	routes, documented := map[string]string{}, map[string]string{}
	for _, e := range rp.Endpoints() {
		if strings.HasPrefix(e.Pattern, "/api/") {
			routes[e.Method+" "+e.Pattern+" "+e.Name] = e.Action
		}
	}
	for path, item := range d.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op struct {
				ID     string `json:"operationId"`
				Action string `json:"x-action"`
			}
			require.NoError(t, json.Unmarshal(raw, &op))
			documented[strings.ToUpper(method)+" "+path+" "+op.ID] = op.Action
		}
	}
	require.Equal(t, routes, documented)
	text, err := json.Marshal(d.raw)
	require.NoError(t, err)
	for _, ref := range regexp.MustCompile(`"\$ref":"#/([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		at := d.raw
		for part := range strings.SplitSeq(ref[1], "/") {
			below, ok := at.(map[string]any)
			require.True(t, ok, ref[1])
			at = below[part]
		}
		require.NotNil(t, at, ref[1])
	}
}

// full gives the board something of everything.
func (h *harness) full() backup.ID {
	id := backup.ID("64e8625a-8dc0-49df-a195-932901b4be81")
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	h.board.Apply(func(s *board.Snapshot) {
		s.Backups = []board.Backup{
			{Overview: backup.Overview{BackupID: id, Status: backup.Succeeded, StartedAt: at, FinishedAt: at.Add(time.Hour), Path: "backups/x", TotalBytes: 7, RequestedBy: "test",
				Services: []backup.ServiceResult{{Service: backup.AD, Status: backup.Succeeded, Items: 3, Bytes: 5, Cursor: map[string]string{"usn": "1"}, Gaps: []backup.Gap{}}}},
				VerifiedAt: at.Add(2 * time.Hour), Restorable: at.AddDate(0, 1, 0), Thumbprint: "BDB07F879C1F1A05B74EB43AEAF5E5B5F84DCEA8", Scheduled: true},
			{Overview: backup.Overview{BackupID: "64e8625a-8dc0-49df-a195-932901b4be80", Status: backup.Failed, StartedAt: at.Add(-time.Hour), FinishedAt: at, Code: string(fault.ShareFull), Message: "the share is full"}, Why: "it has failed"},
		}
		s.Alerts = []alert.Alert{{Cause: alert.Cause{Code: "SHARE_ALMOST_FULL", Severity: alert.Warning, Title: "t", Description: "d", Remedy: "r"}, Object: "share", Message: "m", Since: at}}
		s.History = settings.History{Records: []settings.Record{{At: at, Kind: settings.KindEnable, By: "test", What: "everything", Revision: 1, Outcome: settings.Applied, SettleAt: at}}}
		s.Capacity = board.Capacity{Free: 32546421637120, Total: 42546421637120}
		s.Next = at.Add(12 * time.Hour)
		s.Settings.Services = []backup.Service{backup.AD}
		s.Settings.Recipients = append([]settings.RecipientSummary{}, s.Settings.Recipients...)
		for i := range s.Settings.Recipients {
			s.Settings.Recipients[i].ProvenAt = at
		}
	})
	return id
}

func TestOwnAdditions(t *testing.T) {
	h := start(t).enable()
	id := h.full()
	d := served(t, h)
	base := "/api/v1/locations/local"
	pattern := "/api/v1/locations/{location}"
	get := func(path, template string) answer {
		t.Helper()
		a := h.do("GET", path, "", nil)
		require.Equal(t, 200, a.status, a.text)
		holds(t, d.schema(t, template, "get", "200"), a.text)
		return a
	}
	get("/api/v1/locations", "/api/v1/locations")
	a := get(base+"/status", pattern+"/status")
	require.Equal(t, true, a.property("restorable"))
	require.Equal(t, "Idle", get(base+"/progress", pattern+"/progress").property("status"))
	for _, path := range []string{"/history", "/alerts", "/backups", "/schedule"} {
		get(base+path, pattern+path)
	}
	get(base+"/backups/"+string(id), pattern+"/backups/{backup}")

	operation := pattern + "/operations/{operation}"
	for _, test := range []struct {
		path string
		body any
		kind string
	}{
		{"/backups/local%2F" + string(id) + "/verify", nil, "verify"},
		{"/backups/" + string(id) + "/verify", nil, "verify"}, // again, under the same id
		{"/prune", map[string]any{"dryRun": true}, "prune"},
		{"/prune", nil, "prune"},
	} {
		a := h.do("POST", base+test.path, "", test.body)
		require.Equal(t, 202, a.status, a.text)
		at := strings.TrimPrefix(a.header.Get("Location"), h.server.URL)
		require.Equal(t, "Running", get(at, operation).property("status"))
		h.control.settle()
		a = get(at, operation)
		require.Equal(t, "Succeeded", a.property("status"))
		require.Equal(t, test.kind, a.property("kind"))
	}
	require.Equal(t, []bool{true, false}, h.control.dryRun)
	require.Equal(t, []backup.ID{id, id}, h.control.verified)

	require.Equal(t, 200, h.do("PUT", base+"/schedule", "", map[string]any{"frequencyHours": 12}).status, "it is so already")
	a = h.do("PUT", base+"/schedule", "", map[string]any{"frequencyHours": 6, "enabled": true})
	require.Equal(t, 200, a.status, a.text)
	holds(t, d.schema(t, pattern+"/schedule", "put", "200"), a.text)
	require.InDelta(t, 6, get(base+"/schedule", pattern+"/schedule").property("frequencyHours"), 0)

	a = h.do("POST", base+"/alerts/acknowledge", "", map[string]any{"code": "SHARE_ALMOST_FULL", "object": "share"})
	require.Equal(t, 200, a.status, a.text)
	holds(t, d.schema(t, pattern+"/alerts/acknowledge", "post", "200"), a.text)
	require.Contains(t, a.text, "test|operator")
	require.Equal(t, 404, h.do("POST", base+"/alerts/acknowledge", "", map[string]any{"code": "SHARE_ALMOST_FULL"}).status)
	noted := func(note any) answer {
		return h.do("POST", base+"/alerts/acknowledge", "", map[string]any{"code": "SHARE_ALMOST_FULL", "object": "share", "note": note})
	}
	a = noted("more disks\nwere ordered\u202e")
	require.Equal(t, 200, a.status, a.text)
	holds(t, d.schema(t, pattern+"/alerts/acknowledge", "post", "200"), a.text)
	require.Contains(t, a.text, "more disks")
	require.NotContains(t, a.text, "\u202e", "one printable line")
	require.True(t, h.control.acknowledged.Replace, "another note takes the place of who was first")
	for _, none := range []map[string]any{{}, {"note": nil}} {
		none["code"], none["object"] = "SHARE_ALMOST_FULL", "share"
		a = h.do("POST", base+"/alerts/acknowledge", "", none)
		require.Equal(t, 200, a.status, "a second time is no error")
		require.False(t, h.control.acknowledged.Replace)
		require.Contains(t, a.text, "more disks", "who was first stays")
	}
	for _, bad := range []any{strings.Repeat("x", 301), 7, []string{"x"}} {
		a = noted(bad)
		require.Equal(t, 400, a.status, a.text)
		require.Contains(t, a.text, "note")
	}

	a = h.do("POST", base+"/challenges", "", nil)
	holds(t, d.schema(t, pattern+"/challenges", "post", "200"), a.text)
	require.Equal(t, "ProofRefused", h.do("POST", base+"/challenges/answer", "", map[string]any{"answer": "wrong"}).code())
	a = h.do("POST", base+"/challenges/answer", "", map[string]any{"answer": "right"})
	holds(t, d.schema(t, pattern+"/challenges/answer", "post", "200"), a.text)

	require.Equal(t, 404, h.do("POST", base+"/cancel", "", nil).status)
	h.board.Apply(func(s *board.Snapshot) {
		s.Running = &flow.Progress{BackupID: "64e8625a-8dc0-49df-a195-932901b4be8f", Status: backup.Running, Step: "capture", StartedAt: h.now, Services: []flow.ServiceProgress{
			{Service: backup.AD, Phase: flow.PhaseUpload, Bytes: 1, TotalBytes: 2}, {Service: backup.CA, Phase: flow.PhaseQueued}}}
	})
	a = h.do("POST", base+"/cancel", "", nil)
	holds(t, d.schema(t, pattern+"/cancel", "post", "200"), a.text)
	require.InDelta(t, 37.5, get(base+"/progress", pattern+"/progress").property("percentComplete"), 0.01)
	get(base+"/status", pattern+"/status")
}

func holds(t *testing.T, schema *jsonschema.Schema, body string) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader([]byte(body)))
	require.NoError(t, err, body)
	require.NoError(t, schema.Validate(v), body)
}
