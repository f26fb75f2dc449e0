package portal_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal"
	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/schedule"
)

// window is a browser's window: it sends the forms that its page has, with what they hide.
type window struct {
	t    *testing.T
	s    *site
	page string
}

func (s *site) window(t *testing.T, path string) *window {
	t.Helper()
	w := &window{t: t, s: s}
	w.load(path)
	return w
}

func (w *window) load(path string) {
	w.t.Helper()
	answer := w.s.get(path)
	for answer.Code == http.StatusSeeOther {
		answer = w.s.get(answer.Header().Get("Location"))
	}
	if !strings.Contains(path, "/operations/") { // what was begun, the control knows nothing of
		require.Equal(w.t, http.StatusOK, answer.Code, "%s: %s", path, answer.Body)
	}
	w.page = answer.Body.String()
}

// send fills in the form of the page whose address begins so, and follows where that leads.
func (w *window) send(action string, values url.Values) int {
	w.t.Helper()
	doc, err := html.Parse(strings.NewReader(w.page))
	require.NoError(w.t, err)
	for form := range doc.Descendants() {
		if form.Data != "form" || !strings.HasPrefix(attr(form, "action"), action) {
			continue
		}
		sent := url.Values{}
		for n := range form.Descendants() {
			if n.Data == "input" && attr(n, "type") == "hidden" {
				sent.Set(attr(n, "name"), attr(n, "value"))
			}
		}
		for name, value := range values {
			sent[name] = value
		}
		answer := w.s.post(attr(form, "action"), sent)
		if answer.Code == http.StatusSeeOther {
			w.load(answer.Header().Get("Location"))
		} else {
			w.page = answer.Body.String()
			checkPage(w.t, action, w.page)
		}
		return answer.Code
	}
	w.t.Fatalf("no form leads to %s: %s", action, w.page)
	return 0
}

func share(name string) url.Values {
	return url.Values{"path": {`\\` + name + `.example.com\AzSBackups`}, "transport": {"encrypted"}}
}

// TestTwoWindowsOfOnePerson: what is typed into one is no part of what the other one begins.
func TestTwoWindowsOfOnePerson(t *testing.T) {
	s := newSite(t, "none", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	one, two := s.window(t, "/i/north/enable"), s.window(t, "/i/north/enable")
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/enable/share", share("one")))
	require.Equal(t, http.StatusSeeOther, two.send("/i/north/enable/share", share("two")))
	for _, w := range []*window{one, two} {
		require.Equal(t, http.StatusSeeOther, w.send("/i/north/enable/account", url.Values{"username": {`CORP\b`}, "password": {canary}}))
		require.Equal(t, http.StatusSeeOther, w.send("/i/north/enable/key", url.Values{"recipients": {identity.Recipient().String()}}))
		require.Equal(t, http.StatusSeeOther, w.send("/i/north/enable/proof", url.Values{"later": {"1"}}))
	}
	require.Contains(t, one.page, `\\one.example.com`)
	require.NotContains(t, one.page, `\\two.example.com`)
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/enable/check", nil))
	require.Equal(t, `\\one.example.com\AzSBackups`, s.control.Wanted().Share.Path)
	require.Contains(t, two.page, `\\two.example.com`)
	require.Equal(t, http.StatusSeeOther, two.send("/i/north/enable/check", nil))
	require.Equal(t, `\\two.example.com\AzSBackups`, s.control.Wanted().Share.Path)
	require.Len(t, s.control.Calls(), 2)
}

// TestWindowsThatGoOnWithOneForm: the one that shows what is not so any more changes nothing, and
// what was typed into it stays in it.
func TestWindowsThatGoOnWithOneForm(t *testing.T) {
	s := newSite(t, "none", "owner")
	one := s.window(t, "/i/north/enable")
	one.send("/i/north/enable/share", share("one"))
	two := s.window(t, "/i/north/enable")
	require.Contains(t, two.page, "Enable backups: account", "it goes on where the person was")
	two.load("/i/north/enable/share")
	require.Equal(t, http.StatusSeeOther, two.send("/i/north/enable/share", share("two")))
	require.Equal(t, http.StatusUnprocessableEntity, one.send("/i/north/enable/account", url.Values{"username": {`CORP\typed`}, "password": {canary}}))
	require.Contains(t, one.page, "changed after it was shown here")
	require.Contains(t, one.page, `value="CORP\typed"`)
	require.Contains(t, one.page, `\\two.example.com`, "it is shown as it is")
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/enable/account", url.Values{"username": {`CORP\typed`}, "password": {canary}}))
	require.Contains(t, one.page, "Enable backups: key")

	changing := newSite(t, "healthy", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	one = changing.window(t, "/i/north/settings/key")
	one.send("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}})
	two = changing.window(t, "/i/north/settings/key")
	two.send("/i/north/settings/key", url.Values{"recipients": {other.Recipient().String()}})
	require.Equal(t, http.StatusUnprocessableEntity, one.send("/i/north/settings/key/proof", url.Values{"later": {"1"}}))
	two.send("/i/north/settings/key/proof", url.Values{"later": {"1"}})
	require.Equal(t, http.StatusSeeOther, two.send("/i/north/settings/key/confirm", url.Values{"confirm": {"north"}}))
	require.Equal(t, other.Recipient().String(), changing.control.Wanted().Recipients[0].Text)
}

// TestTheWayBackLeadsToTheWindowsOwnForm: what was refused is corrected in the form that it was sent
// with, whatever another window has begun to type since.
func TestTheWayBackLeadsToTheWindowsOwnForm(t *testing.T) {
	s := newSite(t, "none", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	one, two := s.window(t, "/i/north/enable"), s.window(t, "/i/north/enable")
	one.send("/i/north/enable/share", share("one"))
	one.send("/i/north/enable/account", url.Values{"username": {`CORP\b`}, "password": {canary}})
	one.send("/i/north/enable/key", url.Values{"recipients": {identity.Recipient().String()}})
	one.send("/i/north/enable/proof", url.Values{"later": {"1"}})
	s.control.Change = "op-one"
	s.control.Operations["op-one"] = operation.Operation{
		ID: "op-one", Kind: operation.Change, StartedAt: portaltest.Now, EndedAt: portaltest.Now, Fault: fault.Newf(fault.ShareNotFound, "there is no such share"),
	}
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/enable/check", nil))
	two.send("/i/north/enable/share", share("two"))
	back := backLink.FindStringSubmatch(one.page)
	require.Len(t, back, 2)
	one.load(html.UnescapeString(back[1]))
	require.Contains(t, one.page, `value="\\one.example.com\AzSBackups"`)
	require.Contains(t, one.page, "There is no such share")
	require.NotContains(t, two.page, "There is no such share")
}

// TestASecondClickOnTheConfirmationLeadsToTheChange that the first one has begun.
func TestASecondClickOnTheConfirmationLeadsToTheChange(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	one := s.window(t, "/i/north/settings/key")
	one.send("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}})
	one.send("/i/north/settings/key/proof", url.Values{"later": {"1"}})
	confirm := formAction(t, one.page, "/i/north/settings/key/confirm")
	for range 2 {
		require.Equal(t, "/i/north/operations/op-change", s.post(confirm, url.Values{"confirm": {"north"}}).Header().Get("Location"))
	}
	require.Len(t, s.control.Calls(), 1)
}

// TestALoginInBetweenKeepsTheWindow: it goes on with the draft that it had.
func TestALoginInBetweenKeepsTheWindow(t *testing.T) {
	s := newSite(t, "none", "owner")
	one, two := s.window(t, "/i/north/enable"), s.window(t, "/i/north/enable")
	one.send("/i/north/enable/share", share("one"))
	two.send("/i/north/enable/share", share("two"))
	session := s.session
	s.session = nil
	require.Equal(t, http.StatusSeeOther, s.post(formAction(t, one.page, "/i/north/enable/account"), url.Values{"username": {`CORP\typed`}}).Code)
	login := s.post(formAction(t, one.page, "/i/north/enable/account"), url.Values{"username": {`CORP\typed`}}).Header().Get("Location")
	s.session = session
	back, err := url.Parse(login)
	require.NoError(t, err)
	one.load(back.Query().Get("return"))
	require.Contains(t, one.page, `value="CORP\typed"`)
	require.Contains(t, one.page, `\\one.example.com`)
}

func formAction(t *testing.T, page, action string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	for n := range doc.Descendants() {
		if n.Data == "form" && strings.HasPrefix(attr(n, "action"), action) {
			return attr(n, "action")
		}
	}
	t.Fatalf("no form leads to %s", action)
	return ""
}

// TestEnablingOneKeepsNoOtherWaiting: while one form is handed over, another one is, too.
func TestEnablingOneKeepsNoOtherWaiting(t *testing.T) {
	s := newSite(t, "none", "owner")
	south := &portaltest.Control{}
	s.options.Instances = append(s.options.Instances, portal.Instance{Name: "south", Board: s.board, Control: south, Plans: s.plans, Restoring: s.plans, Drills: s.plans, Diffs: s.plans.Diffs()})
	s.open(t)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	ready := func(instance string) string {
		w := s.window(t, "/i/"+instance+"/enable")
		w.send("/i/"+instance+"/enable/share", share(instance))
		w.send("/i/"+instance+"/enable/account", url.Values{"username": {"a"}, "password": {canary}})
		w.send("/i/"+instance+"/enable/key", url.Values{"recipients": {identity.Recipient().String()}})
		w.send("/i/"+instance+"/enable/proof", url.Values{"later": {"1"}})
		return formAction(t, w.page, "/i/"+instance+"/enable/check")
	}
	north, other := ready("north"), ready("south")
	began, answer, done := make(chan struct{}), make(chan struct{}), make(chan int)
	s.control.Done = func(string) { close(began); <-answer }
	post := func(action string) int {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, action, nil))
		return w.Code
	}
	go func() { done <- post(north) }()
	<-began
	require.Equal(t, http.StatusSeeOther, post(other))
	require.Len(t, south.Calls(), 1)
	close(answer)
	require.Equal(t, http.StatusSeeOther, <-done)
}

// TestAScheduleIsSavedOverTheOneThatWasShown, and not over what another person has saved meanwhile.
func TestAScheduleIsSavedOverTheOneThatWasShown(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	shown := s.board.Snapshot().Schedule.Setting
	one := s.window(t, "/i/north/schedule")
	meanwhile := portaltest.Snapshot("healthy")
	meanwhile.Schedule.KeepVerified = 9
	s.board.Set(meanwhile)
	longer := url.Values{"enabled": {"1"}, "frequency": {"12"}, "retention": {"14"}, "keep": {"9"}}
	s.control.Fail = fault.Newf(fault.SettingsChanged, "the schedule was changed meanwhile, by mika")
	require.Equal(t, http.StatusUnprocessableEntity, one.send("/i/north/schedule", longer))
	require.Equal(t, shown, s.control.Over())
	require.Contains(t, one.page, "by mika")
	require.Contains(t, one.page, `value="14"`, "what was typed is not lost")
	s.control.Fail = nil
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/schedule", longer))
	require.Equal(t, meanwhile.Schedule.Setting, s.control.Over(), "it was seen then")

	shorter := url.Values{"enabled": {"1"}, "frequency": {"12"}, "retention": {"3"}, "keep": {"9"}}
	one = s.window(t, "/i/north/schedule")
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/schedule", shorter))
	s.board.Set(portaltest.Snapshot("healthy"))
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/schedule", url.Values{"confirm": {"north"}}))
	require.Equal(t, meanwhile.Schedule.Setting, s.control.Over(), "also after the question for consent")
	for _, seen := range []string{"x", "true-1-2", "true-12-7-2-9e9", strings.Repeat("9", 400)} {
		values := url.Values{"enabled": {"1"}, "frequency": {"12"}, "retention": {"14"}, "keep": {"2"}, "seen": {seen}}
		require.Less(t, s.post("/i/north/schedule", values).Code, 500, seen)
	}
}

// TestWhatWouldGoIsShownBeforeConsent: as a worker found it for that very setting, and by age where
// none could look.
func TestWhatWouldGoIsShownBeforeConsent(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	shorter := url.Values{"enabled": {"1"}, "frequency": {"12"}, "retention": {"3"}, "keep": {"2"}}
	s.control.Would = &operation.PruneResult{Decisions: []flow.PruneDecision{
		{BackupID: portaltest.ID(0), Path: "backups/kept", Reason: "newest good backup"},
		{BackupID: portaltest.ID(9), Path: "backups/goes", FinishedAt: portaltest.Now.AddDate(0, 0, -5), Remove: true, Reason: "older than 3 days"},
	}, Removed: []backup.ID{}}
	one := s.window(t, "/i/north/schedule")
	require.Equal(t, http.StatusSeeOther, one.send("/i/north/schedule", shorter))
	require.Contains(t, one.page, "<strong>1 backup would be removed</strong>")
	require.Contains(t, one.page, "backups/goes")
	require.NotContains(t, one.page, "backups/kept")
	require.NotContains(t, one.page, "By age alone")
	require.Empty(t, s.control.Calls(), "nothing is set before consent")
	require.EqualValues(t, 1, s.control.Looked.Load())

	w := s.get("/i/north/schedule/shorten?enabled=1&frequency=12&retention=2&keep=2")
	require.NotContains(t, w.Body.String(), "backups/goes", "it was found for another setting")
	require.Contains(t, w.Body.String(), "By age alone")
	s.session.Person = "mika"
	w = s.get("/i/north/schedule/shorten?enabled=1&frequency=12&retention=3&keep=2")
	require.Contains(t, w.Body.String(), "By age alone", "for another person")
	s.session.Person = "noor"
	require.EqualValues(t, 1, s.control.Looked.Load(), "a link begins nothing")

	s.control.Would = &operation.PruneResult{Hold: "the clocks differ", Removed: []backup.ID{}}
	one = s.window(t, "/i/north/schedule")
	one.send("/i/north/schedule", shorter)
	require.Contains(t, one.page, "No backup that is there now would be removed")
	require.Contains(t, one.page, "the clocks differ")

	s.control.Would = nil
	longer := schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 4, KeepVerified: 2}
	one = s.window(t, "/i/north/schedule")
	one.send("/i/north/schedule", url.Values{"enabled": {"1"}, "frequency": {"12"}, "retention": {fmt.Sprint(longer.RetentionDays)}, "keep": {"2"}})
	require.Contains(t, one.page, "Up to ")
	require.Contains(t, one.page, "By age alone")
}
