package portal_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal/portaltest"
)

var backLink = regexp.MustCompile(`href="([^"]*)">Back, to correct it`)

// begun sends a form that begins a change, which has ended with a fault then, or without one
// for no code, and returns the page of it.
func (s *site) begun(t *testing.T, code fault.Code, form string, values url.Values) string {
	t.Helper()
	s.control.Change = fmt.Sprintf("op-%d", len(s.control.Operations))
	o := operation.Operation{ID: s.control.Change, Kind: operation.Change, StartedAt: portaltest.Now, EndedAt: portaltest.Now}
	if code != "" {
		o.Fault = fault.Newf(code, "the server does not let the account in")
	}
	s.control.Operations[o.ID] = o
	return s.follow(t, s.post("/i/north/"+form, values))
}

// refused is begun with a fault, and goes the way back.
func (s *site) refused(t *testing.T, code fault.Code, form string, values url.Values) string {
	t.Helper()
	back := backLink.FindStringSubmatch(s.begun(t, code, form, values))
	require.Len(t, back, 2)
	w := s.get(html.UnescapeString(back[1]))
	require.Equal(t, http.StatusOK, w.Code, back[1])
	checkPage(t, back[1], w.Body.String())
	require.NotContains(t, w.Body.String(), canary)
	require.Contains(t, w.Body.String(), "server does not let the account in")
	return w.Body.String()
}

// TestWhatWasRefusedIsToldAtItsField: the way back from a change that was refused leads to its
// form, which says at the field why, and holds what was typed but for the password.
func TestWhatWasRefusedIsToldAtItsField(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	sent := url.Values{"path": {`\\fs9.example.com\new`}, "transport": {"signed"}, "username": {`CORP\other`}, "password": {canary}, "confirm": {"north"}}
	for code, field := range map[fault.Code]string{fault.ShareNotFound: "path", fault.ShareNotEncrypted: "transport", fault.ShareAuthFailed: "username"} {
		body := s.refused(t, code, "settings/share", sent)
		require.Contains(t, body, `id="f-`+field+`-error"`, code)
		require.Contains(t, body, `value="\\fs9.example.com\new"`)
		require.Contains(t, body, `value="CORP\other"`)
		require.Contains(t, body, `value="signed" checked`)
		require.Equal(t, code == fault.ShareAuthFailed, strings.Contains(body, `id="f-password-error"`))
	}
	after := "?after=" + s.control.Change
	require.NotContains(t, s.get("/i/north/settings/share").Body.String(), "fs9", "it is not what is set")
	require.NotContains(t, s.get("/i/north/settings/share?after=op-refused").Body.String(), "fs9")
	require.NotContains(t, s.get("/i/north/settings/account"+after).Body.String(), `CORP\other`, "it is another form's")
	s.session.Person = "mika"
	require.NotContains(t, s.get("/i/north/settings/share"+after).Body.String(), "fs9", "it is another person's")
	s.session.Person = "noor"
	require.Contains(t, s.get("/i/north/settings/share"+after).Body.String(), "fs9")

	account := url.Values{"username": {`CORP\third`}, "password": {canary}}
	require.Contains(t, s.refused(t, fault.ShareAuthFailed, "settings/account", account), `value="CORP\third"`)
	require.NotContains(t, s.begun(t, "", "settings/account", account), "Back, to correct it")
	require.NotContains(t, s.get("/i/north/settings/account?after="+s.control.Change).Body.String(), `CORP\third`, "it was saved")
}

// TestARefusedKeyIsNotProvenAgain: after a change of the key that was refused, the key and its
// proof are still there.
func TestARefusedKeyIsNotProvenAgain(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	page := s.follow(t, s.post("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}}))
	s.follow(t, s.post("/i/north/settings/key/proof", url.Values{"answer": {answerOf(t, challengesOf(t, page)[0], identity)}}))
	confirm := url.Values{"confirm": {"north"}}
	require.Contains(t, s.refused(t, fault.ShareUnreachable, "settings/key/confirm", confirm), "(proven)")
	s.begun(t, "", "settings/key/confirm", confirm)
	require.Len(t, s.control.Wanted().Proofs, 1)
	require.Equal(t, "/i/north/settings/key", s.get("/i/north/settings/key/confirm").Header().Get("Location"), "it was saved, and is over")
}

// TestRefusedEnablingLeadsToItsStep with everything that was given but the password.
func TestRefusedEnablingLeadsToItsStep(t *testing.T) {
	s := newSite(t, "none", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	s.follow(t, s.post("/i/north/enable/share", url.Values{"path": {`\\fs.example.com\AzSBackups`}, "transport": {"encrypted"}}))
	s.follow(t, s.post("/i/north/enable/account", url.Values{"username": {`CORP\backup`}, "password": {canary}}))
	page := s.follow(t, s.post("/i/north/enable/key", url.Values{"recipients": {identity.Recipient().String()}, "source": {"browser"}}))
	s.follow(t, s.post("/i/north/enable/proof", url.Values{"answer": {answerOf(t, challengesOf(t, page)[0], identity)}}))
	account := url.Values{"username": {`CORP\backup`}, "password": {canary}}
	for code, want := range map[fault.Code]string{fault.ShareNotFound: `id="f-path-error"`, fault.NoWorker: `value="CORP\backup"`, fault.ShareAuthFailed: `id="f-username-error"`} {
		s.follow(t, s.post("/i/north/enable/account", account))
		require.Contains(t, s.refused(t, code, "enable/check", nil), want, code)
	}
	page = s.follow(t, s.post("/i/north/enable/account", account))
	require.NotContains(t, page, "f-username-error")
	require.Contains(t, page, "Enable backups: check", "key and proof are still there")
	page = s.follow(t, s.post("/i/north/enable/key", url.Values{"recipients": {identity.Recipient().String()}}))
	require.Contains(t, page, "Enable backups: check", "the same key is proven")
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	page = s.follow(t, s.post("/i/north/enable/key", url.Values{"recipients": {other.Recipient().String()}}))
	require.Contains(t, page, "Enable backups: proof", "another one is not")
}
