package portal_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/board"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/schedule"
)

// TestOnlyTheConfirmationChangesAKey: a step that does not exist is no way around the fresh
// login or the confirmation.
func TestOnlyTheConfirmationChangesAKey(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	page := s.follow(t, s.post("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}}))
	s.follow(t, s.post("/i/north/settings/key/proof", url.Values{"answer": {answerOf(t, challengesOf(t, page)[0], identity)}}))
	for _, step := range []string{"x", "check", "share", "account", "key", "Confirm", "proof%20"} {
		require.Equal(t, http.StatusNotFound, s.get("/i/north/settings/key/"+step).Code, step)
		w := s.post("/i/north/settings/key/"+step, url.Values{"confirm": {"north"}})
		require.Equal(t, http.StatusNotFound, w.Code, step)
		checkPage(t, step, w.Body.String())
	}
	s.session.Old = true
	for _, path := range []string{"settings/key/x", "settings/key/account", "settings/key/confirm", "enable/x", "enable/check"} {
		s.post("/i/north/"+path, url.Values{"confirm": {"north"}})
	}
	require.Contains(t, s.post("/i/north/settings/key/x", nil).Header().Get("Location"), "fresh=1", "an unknown step counts as one that begins")
	require.Empty(t, s.control.Calls())
}

// TestNothingWasReadYet: a board that has read nothing does not say that backups are not
// enabled, and nothing is begun from what it shows.
func TestNothingWasReadYet(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	s.board.Set(&board.Snapshot{Number: 1})
	w := s.get("/i/north/")
	require.Equal(t, http.StatusOK, w.Code)
	checkPage(t, "", w.Body.String())
	require.Contains(t, w.Body.String(), "Not known yet.")
	require.Contains(t, w.Body.String(), `http-equiv="refresh"`)
	require.NotContains(t, w.Body.String(), "not enabled")
	require.NotContains(t, w.Body.String(), `href="/i/north/enable"`)
	for _, path := range []string{"enable", "enable/share", "enable/check", "schedule", "schedule/shorten?frequency=12&retention=3&keep=1", "settings", "settings/share", "settings/key", "settings/key/confirm", "prune"} {
		w := s.get("/i/north/" + path)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, path)
		checkPage(t, path, w.Body.String())
		require.Contains(t, w.Body.String(), "Not read yet", path)
		require.Contains(t, w.Body.String(), `<meta http-equiv="refresh"`, path)
	}
	setting := url.Values{"enabled": {"1"}, "frequency": {"12"}, "retention": {"3"}, "keep": {"2"}, "confirm": {"north"}}
	for _, path := range []string{"enable/share", "enable/check", "schedule", "settings/share", "settings/account", "settings/key", "settings/key/confirm"} {
		w := s.post("/i/north/"+path, setting)
		require.Equal(t, http.StatusServiceUnavailable, w.Code, path)
		require.Contains(t, w.Body.String(), "Nothing was changed", path)
		require.NotContains(t, w.Body.String(), "http-equiv", path)
	}
	partly := portaltest.Snapshot("healthy")
	partly.Schedule.FrequencyHours = 0
	partly.AsOf = board.Snapshot{}.AsOf
	s.board.Set(partly)
	require.Equal(t, http.StatusServiceUnavailable, s.post("/i/north/schedule", setting).Code)
	require.Equal(t, http.StatusOK, s.get("/i/north/settings/account").Code, "what a share needs to be read again can be changed")
	require.Empty(t, s.control.Calls())
}

// TestWhatIsEnabledIsNotEnabledAgain: the guided form says so, and leads nowhere.
func TestWhatIsEnabledIsNotEnabledAgain(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	for _, path := range []string{"enable", "enable/share", "enable/check"} {
		w := s.get("/i/north/" + path)
		require.Equal(t, http.StatusConflict, w.Code, path)
		checkPage(t, path, w.Body.String())
		require.Contains(t, w.Body.String(), "ALREADY_ENABLED", path)
	}
	require.Equal(t, http.StatusConflict, s.post("/i/north/enable/check", nil).Code)
	require.Empty(t, s.control.Calls())
}

// TestAClosedTabLeavesNothingHalfBegun: what a form begins goes on when its sender goes away.
func TestAClosedTabLeavesNothingHalfBegun(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for path, body := range map[string]string{
		"backups": "", "backups/" + string(portaltest.ID(0)) + "/verify": "", "cancel": "", "prune": "confirm=north", "prune/preview": "", "settings/challenge": "",
		"settings/account": "username=a%5Cb&password=x", "settings/proof": "answer=infrabackup-proof-" + strings.Repeat("b", 32), "schedule": "frequency=12&retention=7&keep=2",
	} {
		r := httptest.NewRequestWithContext(gone, http.MethodPost, "/i/north/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		before := len(s.control.Calls())
		w := s.do(r)
		require.Equal(t, http.StatusSeeOther, w.Code, "%s: %s", path, w.Body)
		require.Len(t, s.control.Calls(), before+1, path)
	}
}

// TestLessRetentionAndTheScheduleNeedAFreshLogin: what lets backups go is confirmed as a
// removal is, also when nothing but the switch is set.
func TestLessRetentionAndTheScheduleNeedAFreshLogin(t *testing.T) {
	for name, tc := range map[string]struct {
		now, wanted schedule.Setting
		says        string
	}{
		"fewer days":     {schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 6, KeepVerified: 2}, "instead of 7 days"},
		"fewer verified": {schedule.Setting{FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, schedule.Setting{FrequencyHours: 12, RetentionDays: 9, KeepVerified: 1}, "at least 1 verified backup"},
		"switched on":    {schedule.Setting{FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, "Backups start by themselves every 12 hours"},
		"never set":      {schedule.Setting{}, schedule.Setting{FrequencyHours: 12, RetentionDays: 7, KeepVerified: 2}, "instead of without an end"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "healthy", "owner")
			next := portaltest.Snapshot("healthy")
			next.Schedule.Setting = tc.now
			s.board.Set(next)
			values := url.Values{"frequency": {fmt.Sprint(tc.wanted.FrequencyHours)}, "retention": {fmt.Sprint(tc.wanted.RetentionDays)}, "keep": {fmt.Sprint(tc.wanted.KeepVerified)}}
			if tc.wanted.Enabled {
				values.Set("enabled", "1")
			}
			s.session.Old = true
			w := s.post("/i/north/schedule", values)
			require.Contains(t, w.Header().Get("Location"), "/i/north/schedule/shorten?")
			w = s.get(w.Header().Get("Location"))
			require.Contains(t, w.Header().Get("Location"), "fresh=1")
			require.Contains(t, w.Header().Get("Location"), url.QueryEscape("retention="+values.Get("retention")), "what is wanted is lost over the login")
			values.Set("confirm", "north")
			require.Contains(t, s.post("/i/north/schedule", values).Header().Get("Location"), "fresh=1")
			require.Empty(t, s.control.Calls())

			s.session.Old = false
			values.Del("confirm")
			require.Contains(t, s.follow(t, s.post("/i/north/schedule", values)), tc.says)
			require.Empty(t, s.control.Calls())
			values.Set("confirm", "north")
			require.Equal(t, "/i/north/schedule?done=schedule", s.post("/i/north/schedule", values).Header().Get("Location"))
			require.Len(t, s.control.Calls(), 1)
		})
	}
}

// TestQuestionsAboutOperationsAreBounded: an address starts no workflow each time that it is
// opened, and neither does a stream.
func TestQuestionsAboutOperationsAreBounded(t *testing.T) {
	s := newSite(t, "healthy", "reader")
	now := portaltest.Now
	s.options.Questions, s.options.Now = 0, func() time.Time { return now }
	s.open(t)
	for range 20 {
		require.Equal(t, http.StatusOK, s.get("/i/north/operations/op-done").Code)
	}
	require.EqualValues(t, 1, s.control.Asked.Load())
	busy := 0
	for n := range 20 {
		w := s.get(fmt.Sprintf("/i/north/operations/nothing%d", n))
		if w.Code == http.StatusServiceUnavailable {
			busy++
			checkPage(t, "busy", w.Body.String())
			require.Contains(t, w.Body.String(), "Ask again in a moment")
			require.Contains(t, w.Body.String(), `<meta http-equiv="refresh"`)
		}
	}
	require.Equal(t, 19, busy)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for n := range 20 {
		s.do(httptest.NewRequestWithContext(gone, http.MethodGet, fmt.Sprintf("/i/north/events?view=operation&id=other%d", n), nil))
	}
	require.EqualValues(t, 2, s.control.Asked.Load())
	now = now.Add(time.Second)
	require.Equal(t, http.StatusNotFound, s.get("/i/north/operations/nothing19").Code)
}

// TestStreamsOfOnePersonAreBounded: one person cannot take the streams of all.
func TestStreamsOfOnePersonAreBounded(t *testing.T) {
	s := newSite(t, "healthy", "reader")
	server := httptest.NewServer(s.handler)
	defer server.Close()
	for n := range 9 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/i/north/events?view=overview", nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { _ = answer.Body.Close() }()
		require.Equal(t, n == 8, answer.StatusCode == http.StatusServiceUnavailable)
	}
}

// TestOnlyOpenAlertsAreAcknowledged: one that is not open is not, ahead. What a second
// acknowledgement does, control decides.
func TestOnlyOpenAlertsAreAcknowledged(t *testing.T) {
	for name, tc := range map[string]struct {
		state, code, object string
		status              int
	}{
		"open":           {"failed", "BACKUP_FAILED", "", http.StatusSeeOther},
		"not open":       {"healthy", "BACKUP_FAILED", "", http.StatusNotFound},
		"another object": {"failed", "BACKUP_FAILED", "x", http.StatusNotFound},
		"acknowledged":   {"damaged", "NEWEST_DAMAGED", string(portaltest.ID(0)), http.StatusSeeOther},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, tc.state, "operator")
			require.Equal(t, tc.status, s.post("/i/north/alerts", url.Values{"code": {tc.code}, "object": {tc.object}}).Code)
			require.Equal(t, tc.status == http.StatusSeeOther, len(s.control.Calls()) == 1)
		})
	}
}

// TestNotesAreGiven on the page, for an alert that is new and for one that is known.
func TestNotesAreGiven(t *testing.T) {
	s := newSite(t, "failed", "operator")
	one := s.window(t, "/i/north/alerts/acknowledge?code=BACKUP_FAILED")
	checkPage(t, "alerts/acknowledge", one.page)
	require.Equal(t, http.StatusUnprocessableEntity, one.send("/i/north/alerts/acknowledge", url.Values{"note": {strings.Repeat("x", 301)}}))
	require.Contains(t, one.page, "f-note-error")
	require.Empty(t, s.control.Calls())
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/alerts/acknowledge", url.Values{"note": {" ordered "}}))
	require.Contains(t, one.page, "The alert was acknowledged.")
	require.Equal(t, flow.AlertAcknowledgement{Code: "BACKUP_FAILED", By: "https://login.example.com|noor", Note: "ordered", Replace: true}, s.control.Acknowledged())

	s = newSite(t, "damaged", "operator")
	snap := portaltest.Snapshot("damaged")
	snap.Alerts[0].Note = "the disk"
	s.board.Set(snap)
	link := "/i/north/alerts/acknowledge?code=NEWEST_DAMAGED&object=" + string(portaltest.ID(0))
	require.Contains(t, html.UnescapeString(s.get("/i/north/alerts").Body.String()), `href="`+link+`"`)
	for note, want := range map[string]struct {
		replace bool
		notice  string
	}{"the disk": {false, "acknowledged before"}, "": {false, "acknowledged before"}, "the cable": {true, "was acknowledged."}} {
		one = s.window(t, link)
		require.Contains(t, one.page, `value="the disk"`)
		require.Equal(t, http.StatusSeeOther, one.send("/i/north/alerts/acknowledge", url.Values{"note": {note}}))
		require.Equal(t, want.replace, s.control.Acknowledged().Replace, note)
		require.Contains(t, one.page, want.notice)
	}
	require.Equal(t, http.StatusNotFound, s.get("/i/north/alerts/acknowledge?code=SHARE_FULL").Code)
	require.Equal(t, http.StatusForbidden, newSite(t, "damaged", "reader").get(link).Code)

	session := s.session
	s.session = nil
	back := s.post("/i/north/alerts/acknowledge", url.Values{"code": {"NEWEST_DAMAGED"}, "object": {string(portaltest.ID(0))}, "note": {"typed before the login"}})
	s.session = session
	require.Equal(t, http.StatusSeeOther, back.Code)
	require.Contains(t, s.get("/i/north/alerts/acknowledge").Body.String(), "typed before the login")
}

// TestNotesAreShown: as text, whatever they are.
func TestNotesAreShown(t *testing.T) {
	s := newSite(t, "damaged", "operator")
	require.NotContains(t, s.get("/i/north/alerts").Body.String(), "the disk")
	snap := portaltest.Snapshot("damaged")
	snap.Alerts[0].Note = "the disk <b>is</b>\u202e replaced"
	s.board.Set(snap)
	text := s.get("/i/north/alerts").Body.String()
	require.Contains(t, text, "the disk &lt;b&gt;is&lt;/b&gt;")
	require.NotContains(t, text, "\u202e")
}

// TestWhatIsWrongWithARequest: too large, malformed, and sent to the wrong place are told
// apart.
func TestWhatIsWrongWithARequest(t *testing.T) {
	const fields, parts = "application/x-www-form-urlencoded", "multipart/form-data"
	for name, tc := range map[string]struct {
		method, path, kind, body string
		status                   int
		allow                    string
	}{
		"malformed":        {http.MethodPost, "settings/account", fields, "a=%zz", http.StatusBadRequest, ""},
		"no boundary":      {http.MethodPost, "settings/key", parts, "x", http.StatusBadRequest, ""},
		"cut off":          {http.MethodPost, "settings/key", parts + "; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb", http.StatusBadRequest, ""},
		"large":            {http.MethodPost, "settings/account", fields, "a=" + strings.Repeat("b", 70<<10), http.StatusRequestEntityTooLarge, ""},
		"large in parts":   {http.MethodPost, "settings/key", parts + "; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n" + strings.Repeat("b", 70<<10) + "\r\n--x--\r\n", http.StatusRequestEntityTooLarge, ""},
		"page is read":     {http.MethodPost, "history", fields, "", http.StatusMethodNotAllowed, "GET, HEAD"},
		"form is sent":     {http.MethodGet, "settings/challenge", "", "", http.StatusNotFound, ""},
		"preview is sent":  {http.MethodGet, "prune/preview", "", "", http.StatusMethodNotAllowed, "POST"},
		"neither":          {http.MethodDelete, "backups", "", "", http.StatusMethodNotAllowed, "GET, HEAD, POST"},
		"there is no page": {http.MethodDelete, "nothing", "", "", http.StatusNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "healthy", "owner")
			r := httptest.NewRequest(tc.method, "/i/north/"+tc.path, strings.NewReader(tc.body))
			r.Header.Set("Content-Type", tc.kind)
			w := s.do(r)
			require.Equal(t, tc.status, w.Code)
			require.Equal(t, tc.allow, w.Header().Get("Allow"))
			checkPage(t, tc.path, w.Body.String())
			require.Empty(t, s.control.Calls())
		})
	}
}

// TestDraftsEndAtLogout: who logs out leaves nothing behind that was typed and not sent.
func TestDraftsEndAtLogout(t *testing.T) {
	s := newSite(t, "none", "owner")
	typed := func() string {
		s.post("/i/north/enable/share", url.Values{"path": {`\\fs.example.com\AzSBackups`}, "transport": {"encrypted"}})
		s.post("/i/north/enable/account", url.Values{"username": {"a"}, "password": {canary}})
		return leads(s.get("/i/north/enable"))
	}
	require.Equal(t, "/i/north/enable/key", typed())
	s.session.Person = "mika"
	require.Equal(t, "/i/north/enable/key", typed())
	s.post("/logout", nil)
	require.Equal(t, "/i/north/enable/share", leads(s.get("/i/north/enable")))
	s.session.Person = "noor"
	require.Equal(t, "/i/north/enable/key", leads(s.get("/i/north/enable")), "of another person")
}

// leads is where an answer leads, whatever draft that is of.
func leads(w *httptest.ResponseRecorder) string {
	path, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	return path
}

// TestTwoClicksEnableOnce: also when the second comes before the first is answered.
func TestTwoClicksEnableOnce(t *testing.T) {
	s := newSite(t, "none", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	s.post("/i/north/enable/share", url.Values{"path": {`\\fs.example.com\AzSBackups`}, "transport": {"encrypted"}})
	s.post("/i/north/enable/account", url.Values{"username": {"a"}, "password": {canary}})
	s.post("/i/north/enable/key", url.Values{"recipients": {identity.Recipient().String()}})
	s.post("/i/north/enable/proof", url.Values{"later": {"1"}})
	second := make(chan string, 1)
	s.control.Done = func(string) {
		s.control.Done = nil
		go func() {
			w := httptest.NewRecorder()
			s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/i/north/enable/check", nil))
			second <- w.Header().Get("Location")
		}()
	}
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/enable/check", nil).Header().Get("Location"))
	require.Equal(t, "/i/north/operations/op-change", <-second)
	require.Len(t, s.control.Calls(), 1)
}
