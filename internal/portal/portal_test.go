package portal_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal"
	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/restore"
)

// canary is a secret that must appear nowhere.
const canary = "canary-Pa55word-7731"

// site is a page with everything behind it.
type site struct {
	board   *portaltest.Board
	control *portaltest.Control
	plans   *portaltest.Plans
	session *portaltest.Session // nil for none
	handler http.Handler
	cookies []*http.Cookie
	options portal.Options
}

func newSite(t *testing.T, state, role string) *site {
	t.Helper()
	s := &site{board: &portaltest.Board{}, control: &portaltest.Control{Operations: operations()}, plans: &portaltest.Plans{}}
	s.board.Set(portaltest.Snapshot(state))
	if role != "" {
		s.session = &portaltest.Session{Person: "noor", Is: role, Expires: portaltest.Now.Add(15 * time.Minute)}
	}
	s.options = portal.Options{
		Instances: []portal.Instance{{Name: "north", Board: s.board, Control: s.control, Plans: s.plans, Restoring: s.plans, Drills: s.plans, Diffs: s.plans.Diffs()}},
		Session: func(*http.Request) (portal.Session, bool) {
			if s.session == nil {
				return nil, false
			}
			return s.session, true
		},
		Login: http.NotFoundHandler(), Logout: http.NotFoundHandler(), TokenLogin: true, IssuerLogin: "/login/issuer",
		TemporalUI: "https://temporal.example.com/namespaces/default", Now: func() time.Time { return portaltest.Now },
		Heartbeat: 20 * time.Millisecond, Questions: 1000,
	}
	s.open(t)
	return s
}

// open makes the page of what the options say now.
func (s *site) open(t *testing.T) {
	t.Helper()
	var err error
	s.handler, err = portal.New(s.options)
	require.NoError(t, err)
}

func operations() map[string]operation.Operation {
	begun := portaltest.Now.Add(-time.Minute)
	return map[string]operation.Operation{
		"op-running": {ID: "op-running", Kind: operation.Change, Running: true, StartedAt: begun},
		"op-done":    {ID: "op-done", Kind: operation.Change, StartedAt: begun},
		"op-refused": {ID: "op-refused", Kind: operation.Change, StartedAt: begun, Fault: fault.Newf(fault.ShareAccessDenied, "the account may not write")},
		"op-good":    {ID: "op-good", Kind: operation.Verify, StartedAt: begun, Verdict: &backup.Verdict{Files: 9, Bytes: 1 << 30}},
		"op-bad": {ID: "op-bad", Kind: operation.Verify, StartedAt: begun, Verdict: &backup.Verdict{Files: 9, Findings: []backup.Finding{
			{Code: "BACKUP_DAMAGED", File: portaltest.Hostile, Message: portaltest.Hostile}}}},
		"op-restore":   {ID: "op-restore", Kind: operation.Restore, StartedAt: begun, Restore: &restore.Totals{Confirmed: 5}},
		"op-restoring": {ID: "op-restoring", Kind: operation.Restore, Running: true, StartedAt: begun},
		"op-plan":      {ID: "op-plan", Kind: operation.Plan, StartedAt: begun, Plan: &flow.RestorePlan{PlanID: portaltest.PlanID, Counts: restore.Counts{Create: 5}}},
		"op-backup":    {ID: "op-backup", Kind: operation.Backup, StartedAt: begun, Backup: &backup.Overview{BackupID: portaltest.ID(0), Status: backup.Succeeded}},
		"op-prune": {ID: "op-prune", Kind: operation.Prune, StartedAt: begun, Prune: &operation.PruneResult{Hold: "a gap of 9 days", Decisions: []flow.PruneDecision{
			{BackupID: portaltest.ID(1), Path: "north/backups/a", FinishedAt: begun, Remove: true, Reason: "older than 7 days"},
			{BackupID: portaltest.ID(0), Path: "north/backups/b", FinishedAt: begun, Reason: "newest good backup"}}}},
	}
}

func (s *site) do(r *http.Request) *httptest.ResponseRecorder {
	for _, c := range s.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	s.cookies = append(s.cookies, w.Result().Cookies()...)
	return w
}

func (s *site) get(path string) *httptest.ResponseRecorder {
	return s.do(httptest.NewRequest(http.MethodGet, path, nil))
}

func (s *site) post(path string, values url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return s.do(r)
}

// pages are the addresses of all pages.
var pages = []string{"", "backups", "backups/" + string(portaltest.ID(0)), "backups/nothing", "alerts", "schedule", "schedule/shorten?enabled=1&frequency=12&retention=3&keep=1",
	"prune", "settings", "settings/share", "settings/account", "settings/key", "settings/proof", "history", "cancel", "enable", "enable/share", "enable/account", "enable/key",
	"operations/op-running", "operations/op-done", "operations/op-refused", "operations/op-good", "operations/op-bad", "operations/op-backup", "operations/op-prune", "operations/op-prune?preview=1", "operations/nothing",
	"restores", "restores/new", "restores/current", "restores/plans/" + portaltest.PlanID, "restores/plans/" + portaltest.PlanID + "?section=refused", "restores/plans/" + portaltest.PlanID + "?section=steps&from=50",
	"restores/plans/" + portaltest.UndoID, "restores/plans/" + portaltest.ProductionID, "restores/plans/" + strings.Repeat("77", 32), "restores/plans/nothing", "operations/op-restore", "operations/op-restoring", "operations/op-plan"}

func TestEveryPageInEveryState(t *testing.T) {
	for _, state := range portaltest.States {
		for _, role := range []string{"reader", "operator", "owner"} {
			t.Run(state+" "+role, func(t *testing.T) {
				s := newSite(t, state, role)
				for _, path := range pages {
					w := s.get("/i/north/" + path)
					require.Less(t, w.Code, 500, "%s: %s", path, w.Body)
					if w.Code == http.StatusSeeOther {
						continue
					}
					checkPage(t, path, w.Body.String())
				}
				require.Empty(t, s.control.Calls(), "a GET has begun something")
			})
		}
	}
}

// checkPage holds a page to what every page has to be.
func checkPage(t *testing.T, path, body string) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	require.NoError(t, err)
	require.NotContains(t, body, "ZgotmplZ", path)
	require.NotContains(t, body, canary, path)
	require.NotContains(t, body, "<no value>", path)
	headings, ids, labelled := 0, map[string]bool{}, map[string]bool{}
	var inputs []*html.Node
	var described []string
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			require.NotEqual(t, "style", a.Key, "%s: inline style", path)
			require.False(t, strings.HasPrefix(a.Key, "on"), "%s: inline script %s", path, a.Key)
			switch a.Key {
			case "id":
				require.False(t, ids[a.Val], "%s: id %s twice", path, a.Val)
				ids[a.Val] = true
			case "for":
				labelled[a.Val] = true
			case "aria-describedby", "aria-labelledby":
				described = append(described, strings.Fields(a.Val)...)
			case "href", "src", "action":
				require.NotContains(t, strings.ToLower(a.Val), "javascript:", path)
			}
		}
		switch n.Data {
		case "h1":
			headings++
		case "style":
			t.Fatalf("%s: inline style", path)
		case "script":
			require.NotEmpty(t, attr(n, "src"), "%s: inline script", path)
			require.Nil(t, n.FirstChild, path)
		case "img":
			t.Fatalf("%s: an image that no page has", path)
		case "input", "textarea", "select":
			if attr(n, "type") != "hidden" {
				inputs = append(inputs, n)
			}
		case "form":
			require.Equal(t, "post", attr(n, "method"), path)
		}
	}
	require.Equal(t, 1, headings, "%s: h1", path)
	for _, n := range inputs {
		require.True(t, labelled[attr(n, "id")], "%s: %s has no label", path, attr(n, "name"))
	}
	for _, id := range described {
		require.True(t, ids[id], "%s: nothing has id %s", path, id)
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func TestTheFirstLineAnswers(t *testing.T) {
	for state, want := range map[string]string{
		"none": "Backups are not enabled", "empty": "There is no backup yet", "healthy": "Yes.", "unproven": "Only if the private key still exists.", "unverified": "Probably.",
		"partial": "Only in part.", "damaged": "damaged", "failed": "Yes, but only to an old state.", "running": "Yes.", "away": "as of",
	} {
		require.Contains(t, newSite(t, state, "reader").get("/i/north/").Body.String(), want, state)
	}
}

// TestReadersSeeNoFormsThatWouldBeRefused: what a role does not allow is not offered, and
// refused when it is sent all the same.
func TestReadersSeeNoFormsThatWouldBeRefused(t *testing.T) {
	changes := map[string]string{ // least role by address
		"backups": "operator", "backups/" + string(portaltest.ID(0)) + "/verify": "operator", "cancel": "operator", "alerts": "operator", "alerts/acknowledge": "operator", "settings/challenge": "operator", "settings/proof": "operator", "prune/preview": "operator",
		"prune": "owner", "schedule": "owner", "settings/share": "owner", "settings/account": "owner", "settings/key": "owner", "settings/key/proof": "owner", "enable/share": "owner",
		"restores/new": "operator", "restores/cancel": "operator", "restores/plans/" + portaltest.PlanID + "/open": "operator", "restores/plans/" + portaltest.PlanID + "/apply": "owner", "restores/plans/" + portaltest.PlanID + "/undo": "owner",
	}
	rank := map[string]int{"reader": 0, "operator": 1, "owner": 2}
	for _, role := range []string{"reader", "operator", "owner"} {
		for _, state := range []string{"none", "healthy", "running", "failed"} {
			s := newSite(t, state, role)
			for _, path := range pages {
				w := s.get("/i/north/" + path)
				doc, err := html.Parse(strings.NewReader(w.Body.String()))
				require.NoError(t, err)
				for n := range doc.Descendants() {
					action, _, _ := strings.Cut(strings.TrimPrefix(attr(n, "action"), "/i/north/"), "?")
					if n.Data != "form" || action == "/logout" {
						continue
					}
					least, known := changes[action]
					if !known && strings.HasPrefix(action, "backups/") {
						least, known = "operator", true
					}
					if !known && strings.HasPrefix(action, "enable/") {
						least, known = "owner", true
					}
					if rest, of := strings.CutPrefix(action, "restores/plans/"); !known && of {
						_, verb, _ := strings.Cut(rest, "/")
						least, known = changes["restores/plans/"+portaltest.PlanID+"/"+verb], true
					}
					require.True(t, known, "%s on %s", action, path)
					require.GreaterOrEqual(t, rank[role], rank[least], "%s is offered to a %s on %s", action, role, path)
				}
			}
			for action, least := range changes {
				if rank[role] < rank[least] {
					w := s.post("/i/north/"+action, url.Values{"confirm": {"north"}})
					require.Equal(t, http.StatusForbidden, w.Code, "%s by %s", action, role)
					checkPage(t, action, w.Body.String())
				}
			}
			require.Empty(t, s.control.Calls())
		}
	}
}

func TestHostileText(t *testing.T) {
	s := newSite(t, "hostile", "owner")
	for _, path := range append(pages, "backups/"+string(portaltest.ID(0))) {
		body := s.get("/i/north/" + path).Body.String()
		require.NotContains(t, body, "<script>alert", path)
		require.NotContains(t, body, "<img", path)
		doc, err := html.Parse(strings.NewReader(body))
		require.NoError(t, err)
		for n := range doc.Descendants() {
			require.False(t, n.Type == html.TextNode && n.Parent.Data != "textarea" && strings.Contains(n.Data, "\u202e"), "%s: %s", path, n.Data)
		}
	}
}

func TestNothingEndsTheRestore(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	next := portaltest.Snapshot("healthy")
	for i := range next.Backups {
		next.Backups[i].Restorable = board.Forever
	}
	s.board.Set(next)
	for _, path := range []string{"", "backups", "backups/" + string(portaltest.ID(0))} {
		body := s.get("/i/north/" + path).Body.String()
		require.Contains(t, body, "as long as it stays on the share", path)
		require.NotContains(t, body, "9999", path)
	}
}
