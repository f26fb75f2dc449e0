package portal_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/portal/portaltest"
)

// upload sends a form with a file with a private key, none when it is empty.
func (s *site) upload(t *testing.T, path string, values url.Values, key string) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, all := range values {
		for _, value := range all {
			require.NoError(t, w.WriteField(name, value))
		}
	}
	if key != "" {
		file, err := w.CreateFormFile("key", "operator.pfx")
		require.NoError(t, err)
		_, err = file.Write([]byte(key))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	r := httptest.NewRequest(http.MethodPost, "/i/north/"+path, &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return s.do(r)
}

func wanted() url.Values {
	return url.Values{"backup": {string(portaltest.ID(0))}, "target": {"site-b"}, "service": {"CA", "AD"}, "items": {" a \r\n\r\nb"}, "patterns": {"*/x"}, "policy": {"skip"}, "password": {canary}}
}

// TestPlanReadApplyUndo goes the whole way, as a browser without script does.
func TestPlanReadApplyUndo(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	w := s.upload(t, "restores/new", wanted(), canary)
	require.Equal(t, "/i/north/operations/op-plan", leads(w), w.Body)
	require.Equal(t, []string{"plan " + string(portaltest.ID(0)) + " into site-b by " + s.session.Subject() + ": {[CA AD] [a b] [*/x] <nil> } skip"}, s.plans.Calls())
	require.Equal(t, []string{canary, canary}, s.plans.Keys)
	w = s.get("/i/north/operations/op-plan")
	require.Contains(t, w.Body.String(), `/i/north/restores/plans/`+portaltest.PlanID)

	at := "restores/plans/" + portaltest.PlanID
	body := s.get("/i/north/" + at).Body.String()
	require.Contains(t, body, "CN=person 0,")
	require.Contains(t, body, "Rows 1 to 50 of 90")
	require.Contains(t, body, "policy &lt;b&gt;")
	require.Contains(t, body, "?from=50&amp;section=changes")
	require.Contains(t, s.get("/i/north/"+at+"?section=changes&from=50").Body.String(), "Rows 51 to 90 of 90")
	require.Contains(t, s.get("/i/north/"+at+"?section=lost").Body.String(), "Passwords are in no backup")

	for _, form := range []url.Values{{}, {"confirm": {"north"}}} {
		w = s.post("/i/north/"+at+"/apply", form)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code)
		require.Contains(t, w.Body.String(), `href="#f-confirm"`)
		checkPage(t, at, w.Body.String())
	}
	w = s.post("/i/north/"+at+"/apply", url.Values{"confirm": {"site-b"}, "irreversible": {"AD policy <b> x"}, "production": {"id"}})
	require.Equal(t, "/i/north/operations/op-restore", leads(w))
	require.Equal(t, []any{"site-b", "id", []string{"AD policy <b> x"}}, []any{s.plans.Consent.Target, s.plans.Consent.Production, s.plans.Consent.Irreversible})
	require.Contains(t, s.get("/i/north/restores/plans/"+portaltest.ProductionID).Body.String(), `name="production"`)
	require.NotContains(t, body, `name="production"`)
	s.plans.Fail = fault.Newf(fault.TargetProduction, "its ID is 9c1c")
	w = s.post("/i/north/"+at+"/apply", url.Values{"confirm": {"site-b"}})
	require.Less(t, w.Code, 500)
	s.plans.Fail = nil
	w = s.post("/i/north/"+at+"/undo", nil)
	require.Equal(t, "/i/north/operations/op-plan", leads(w))
	require.Equal(t, "/i/north/restores", leads(s.post("/i/north/restores/cancel", nil)), "none runs any more")

	s.plans.At = &flow.RestoreAt{PlanID: portaltest.PlanID, Step: "writing", RestoreState: flow.RestoreState{Batches: 9, Ended: 4}}
	for _, watched := range []string{"operations/op-restoring", "restores/current"} {
		require.Contains(t, s.get("/i/north/"+watched).Body.String(), "<dd>4 of 9</dd>")
	}
	require.Contains(t, s.get("/i/north/restores").Body.String(), "A restore runs")

	s.session.Old = true
	w = s.post("/i/north/"+at+"/apply", url.Values{"confirm": {"site-b"}})
	require.Contains(t, w.Header().Get("Location"), "fresh=1", "what does harm needs a fresh login")
}

// TestKeysOfPlansAreNowhere: what is wrong is told at its field, what was typed is kept but for the
// key, and no page has anything of that.
func TestKeysOfPlansAreNowhere(t *testing.T) {
	s := newSite(t, "healthy", "operator")
	for name, test := range map[string]struct {
		change func(url.Values)
		key    string
		fail   error
		field  string
	}{
		"no key":           {func(url.Values) {}, "", nil, "key"},
		"a large key":      {func(url.Values) {}, strings.Repeat(canary, 4000), nil, ""},
		"no target":        {func(v url.Values) { v.Del("target") }, canary, nil, "target"},
		"a bad target":     {func(v url.Values) { v.Set("target", "../x") }, canary, nil, "target"},
		"no backup":        {func(v url.Values) { v.Set("backup", "x") }, canary, nil, "backup"},
		"a bad pattern":    {func(v url.Values) { v.Set("patterns", "[") }, canary, nil, "patterns"},
		"many items":       {func(v url.Values) { v.Set("items", strings.Repeat("a\n", 201)) }, canary, nil, "items"},
		"no policy":        {func(v url.Values) { v.Set("policy", "delete") }, canary, nil, "policy"},
		"a wrong password": {func(url.Values) {}, canary, fault.Newf(fault.KeyPassword, "wrong"), "password"},
		"another's key":    {func(url.Values) {}, canary, fault.Newf(fault.KeyDoesNotFit, "not that one"), "key"},
		"another plan":     {func(url.Values) {}, canary, fault.Newf(fault.RestoreRunning, "it runs"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.plans.Fail = test.fail
			form := wanted()
			test.change(form)
			w := s.upload(t, "restores/new", form, test.key)
			body := w.Body.String()
			require.GreaterOrEqual(t, w.Code, 400, body)
			require.NotContains(t, body, canary)
			checkPage(t, "restores/new", body)
			if test.field != "" {
				require.Contains(t, body, `href="#f-`+test.field+`"`)
				require.Contains(t, body, `id="f-`+test.field+`"`)
				require.Contains(t, body, "Nothing was changed")
			}
		})
	}
	s.plans.Fail = nil
	unheld := "restores/plans/" + strings.Repeat("77", 32)
	require.Contains(t, s.get("/i/north/"+unheld).Body.String(), `action="/i/north/`+unheld+`/open"`)
	require.Equal(t, "/i/north/"+unheld, leads(s.upload(t, unheld+"/open", url.Values{"backup": {string(portaltest.ID(0))}, "password": {canary}}, canary)))
	w := s.upload(t, unheld+"/open", url.Values{"backup": {"x"}, "password": {canary}}, canary)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.NotContains(t, w.Body.String(), canary)
	s.post("/logout", nil)
	calls := s.plans.Calls()
	require.Equal(t, "forget "+s.session.Subject(), calls[len(calls)-1])
}

// TestPagesAskWorkersSeldom: a page of restores starts no workflow each time that it is opened.
func TestPagesAskWorkersSeldom(t *testing.T) {
	s := newSite(t, "healthy", "operator")
	now := portaltest.Now
	s.options.Questions, s.options.Now = 0, func() time.Time { return now }
	s.open(t)
	for _, page := range []string{"restores", "restores/current", "restores/plans/" + portaltest.PlanID} {
		s.plans.At = &flow.RestoreAt{PlanID: portaltest.PlanID, Step: "writing"}
		busy := 0
		for range 20 {
			w := s.get("/i/north/" + page)
			if w.Code == http.StatusServiceUnavailable {
				busy++
				checkPage(t, "busy", w.Body.String())
				require.Contains(t, w.Body.String(), "Ask again in a moment")
				continue
			}
			require.Equal(t, http.StatusOK, w.Code)
		}
		require.Equal(t, 18, busy, page)
		now = now.Add(time.Second)
	}
	require.Len(t, s.plans.Calls(), 2+2*2, "of a plan with a step that cannot be undone, two pages are read")
}

// TestWhatWasBegunGoesOnAfterItsDay: a plan expires for who has not begun with it.
func TestWhatWasBegunGoesOnAfterItsDay(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	s.options.Now = func() time.Time { return portaltest.Now.Add(48 * time.Hour) }
	s.session.Expires = portaltest.Now.Add(49 * time.Hour)
	s.open(t)
	at := "/i/north/restores/plans/" + portaltest.PlanID
	body := s.get(at).Body.String()
	require.Contains(t, body, "Make a new one")
	require.NotContains(t, body, `action="`+at+`/apply"`)
	s.plans.State = "unfinished"
	body = s.get(at).Body.String()
	require.NotContains(t, body, "Make a new one")
	require.Contains(t, body, "Go on with it")
	require.Contains(t, body, `action="`+at+`/apply"`)
}

// TestWhatRunsIsShownWhileTheShareIsAway: nothing can be listed then, and the restore can be stopped.
func TestWhatRunsIsShownWhileTheShareIsAway(t *testing.T) {
	s := newSite(t, "healthy", "operator")
	s.plans.Fail = fault.Newf(fault.ShareUnreachable, "the share does not answer")
	require.NotEqual(t, http.StatusOK, s.get("/i/north/restores").Code)
	s.plans.At = &flow.RestoreAt{PlanID: portaltest.PlanID, Step: "writing"}
	w := s.get("/i/north/restores")
	require.Equal(t, http.StatusOK, w.Code)
	checkPage(t, "restores", w.Body.String())
	require.Contains(t, w.Body.String(), `href="/i/north/restores/current"`)
	require.Contains(t, w.Body.String(), "The share does not answer")
	require.NotContains(t, w.Body.String(), "Nothing was restored yet")
}

// TestFormsOfPlansComeBack: after a login in between, the form has the services that were chosen,
// since none stands for all, and who applies a plan is back at that plan.
func TestFormsOfPlansComeBack(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	session := s.session
	s.session = nil
	w := s.upload(t, "restores/new", wanted(), canary)
	require.Contains(t, w.Header().Get("Location"), "/login?")
	s.session = session
	body := s.get("/i/north/restores/new").Body.String()
	require.NotContains(t, body, canary)
	for service, chosen := range map[string]bool{"CA": true, "AD": true, "RBAC": false} {
		require.Contains(t, body, `name="service" value="`+service+`"`)
		require.Equal(t, chosen, strings.Contains(body, `name="service" value="`+service+`" checked`), service)
	}
	at := "/i/north/restores/plans/" + portaltest.PlanID
	s.session.Old = true
	location, err := url.Parse(s.post(at+"/apply", url.Values{"confirm": {"site-b"}}).Header().Get("Location"))
	require.NoError(t, err)
	require.Equal(t, at, location.Query().Get("return"))
}
