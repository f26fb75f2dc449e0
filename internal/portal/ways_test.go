package portal_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/seal"
)

// follow goes where a change has led.
func (s *site) follow(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	next := s.get(w.Header().Get("Location"))
	for next.Code == http.StatusSeeOther {
		next = s.get(next.Header().Get("Location"))
	}
	require.Equal(t, http.StatusOK, next.Code, w.Header().Get("Location"))
	checkPage(t, w.Header().Get("Location"), next.Body.String())
	require.NotContains(t, w.Header().Get("Location"), canary)
	return next.Body.String()
}

// challengesOf reads the challenges from a page.
func challengesOf(t *testing.T, body string) []string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(body))
	require.NoError(t, err)
	var all []string
	for n := range doc.Descendants() {
		if n.Data == "textarea" && strings.HasPrefix(attr(n, "id"), "challenge-") {
			all = append(all, n.FirstChild.Data)
		}
	}
	return all
}

func answerOf(t *testing.T, challenge string, identity *age.X25519Identity) string {
	t.Helper()
	ids, err := seal.ParseIdentities([]byte(identity.String()))
	require.NoError(t, err)
	answer, err := seal.AnswerChallenge([]byte(challenge), ids)
	require.NoError(t, err)
	return answer.Reveal()
}

// TestEnable goes the whole way of the guided form, with a mistake at each step.
func TestEnable(t *testing.T) {
	s := newSite(t, "none", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	require.Contains(t, s.get("/i/north/").Body.String(), `href="/i/north/enable"`)
	require.Contains(t, s.follow(t, s.get("/i/north/enable")), "Enable backups: share")
	require.Equal(t, http.StatusSeeOther, s.get("/i/north/enable/check").Code, "the last step waits for the others")

	w := s.post("/i/north/enable/share", url.Values{"path": {"https://x.blob.core.windows.net/c"}, "transport": {"encrypted"}})
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	checkPage(t, "share", w.Body.String())
	require.Contains(t, w.Body.String(), `value="https://x.blob.core.windows.net/c"`, "what was typed is lost")
	require.Contains(t, w.Body.String(), `aria-invalid="true"`)
	require.Contains(t, w.Body.String(), "autofocus")
	require.Contains(t, s.follow(t, s.post("/i/north/enable/share", url.Values{"path": {`\\fs.example.com\AzSBackups`}, "transport": {"encrypted"}})), "Enable backups: account")

	w = s.post("/i/north/enable/account", url.Values{"username": {`CORP\backup`}})
	require.Contains(t, w.Body.String(), `value="CORP\backup"`)
	require.Contains(t, w.Body.String(), "Give the account&#39;s password")
	require.Contains(t, s.follow(t, s.post("/i/north/enable/account", url.Values{"username": {`CORP\backup`}, "password": {canary}})), "Enable backups: key")
	require.NotContains(t, s.get("/i/north/enable/account").Body.String(), canary)

	w = s.post("/i/north/enable/key", url.Values{"recipients": {identity.String()}})
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.NotContains(t, w.Body.String(), identity.String(), "a private key came back in a page")
	page := s.follow(t, s.post("/i/north/enable/key", url.Values{"recipients": {identity.Recipient().String()}, "source": {"browser"}}))
	challenges := challengesOf(t, page)
	require.Len(t, challenges, 1)
	require.NotContains(t, page, "Prove it later", "a key that was just created is proven at once")
	require.Equal(t, http.StatusUnprocessableEntity, s.post("/i/north/enable/proof", url.Values{"later": {"1"}}).Code)
	w = s.post("/i/north/enable/proof", url.Values{"answer": {"infrabackup-proof-" + strings.Repeat("a", 32)}})
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.NotContains(t, w.Body.String(), strings.Repeat("a", 32))
	page = s.follow(t, s.post("/i/north/enable/proof", url.Values{"answer": {answerOf(t, challenges[0], identity)}}))
	require.Contains(t, page, "Enable backups: check")
	require.NotContains(t, page, canary)
	require.Empty(t, s.control.Calls(), "something was begun before the last step")

	s.control.Fail = fault.Newf(fault.NoWorker, "nothing answers")
	w = s.post("/i/north/enable/check", nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	s.control.Fail = nil
	w = s.post("/i/north/enable/check", nil)
	require.Equal(t, "/i/north/operations/op-change", w.Header().Get("Location"))
	begun := len(s.control.Calls())
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/enable/check", nil).Header().Get("Location"), "a second click leads to what the first has begun")
	s.board.Set(portaltest.Snapshot("healthy"))
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/enable/check", nil).Header().Get("Location"))
	s.board.Set(portaltest.Snapshot("none"))
	require.Len(t, s.control.Calls(), begun)
	wanted := s.control.Wanted()
	require.Equal(t, `\\fs.example.com\AzSBackups`, wanted.Share.Path)
	require.Equal(t, canary, wanted.Password.Reveal())
	require.Equal(t, identity.Recipient().String(), wanted.Recipients[0].Text)
	require.Equal(t, "north", wanted.Instance.Name)
	require.Len(t, wanted.Proofs, 1, "the proof goes with the key")
	require.True(t, wanted.Proofs[0].Of(wanted.Recipients[0].Fingerprint, "north"))
	require.Contains(t, s.follow(t, s.get("/i/north/enable")), "Enable backups: account", "the password is kept no longer than it is needed")
	s.follow(t, s.post("/i/north/enable/account", url.Values{"username": {`CORP\backup`}, "password": {canary}}))
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/enable/check", nil).Header().Get("Location"))
	require.Len(t, s.control.Calls(), begun+1, "after a step that was given again, it is begun again")
}

func TestCertificateIsTakenFromAFile(t *testing.T) {
	s := newSite(t, "none", "owner")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("certificate", "key.cer")
	require.NoError(t, err)
	_, err = part.Write([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	r := httptest.NewRequest(http.MethodPost, "/i/north/enable/key", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := s.do(r)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	checkPage(t, "key", w.Body.String())
	require.Contains(t, w.Body.String(), `id="f-certificate-error"`)
}

// TestExpiredSession: a form that is sent after the session has ended comes back after the
// login, without its secrets, and only to that page of that browser.
func TestExpiredSession(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	session := s.session
	s.session = nil
	for _, path := range []string{"", "backups", "settings"} {
		w := s.get("/i/north/" + path)
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.Equal(t, "/login?return="+url.QueryEscape("/i/north/"+path), w.Header().Get("Location"))
	}
	w := s.post("/i/north/settings/share", url.Values{"path": {`\\fs9.example.com\new`}, "transport": {"signed"}, "username": {`CORP\b`}, "password": {canary}, "confirm": {"north"}})
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.NotContains(t, w.Header().Get("Location"), "fs9")
	require.NotContains(t, fmt.Sprint(w.Header()), canary)
	login := s.get(w.Header().Get("Location"))
	checkPage(t, "login", login.Body.String())
	require.Contains(t, login.Body.String(), "comes back after the login")

	s.session = session
	require.NotContains(t, s.get("/i/north/settings/account").Body.String(), `CORP\b"`, "it is for another page")
	other := newSite(t, "healthy", "owner")
	require.NotContains(t, other.get("/i/north/settings/share").Body.String(), "fs9")
	page := s.get("/i/north/settings/share").Body.String()
	require.Contains(t, page, `value="\\fs9.example.com\new"`)
	require.Contains(t, page, "Nothing was changed yet")
	require.NotContains(t, page, canary)
	require.NotContains(t, s.get("/i/north/settings/share").Body.String(), "fs9", "it comes back once")
	require.Empty(t, s.control.Calls())
}

// TestDangerousChangesNeedAFreshLogin: an old login leads to the login before anything is
// typed, and what was typed all the same is kept.
func TestDangerousChangesNeedAFreshLogin(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	s.session.Old = true
	require.Contains(t, s.post("/i/north/settings/key/confirm", url.Values{"confirm": {"north"}}).Header().Get("Location"), "fresh=1")
	require.Equal(t, http.StatusOK, s.get("/i/north/settings/key").Code, "choosing a key begins nothing")
	for _, path := range []string{"settings/share", "settings/account"} {
		require.Contains(t, s.get("/i/north/"+path).Header().Get("Location"), "fresh=1", path)
		require.Contains(t, s.post("/i/north/"+path, url.Values{"confirm": {"north"}, "password": {canary}}).Header().Get("Location"), "fresh=1", path)
	}
	require.Equal(t, "/i/north/", s.post("/i/north/backups", nil).Header().Get("Location"), "a backup does no harm")
	require.Len(t, s.control.Calls(), 1)
}

// TestDangerousChangesNeedTheName: without the instance's name, nothing is begun.
func TestDangerousChangesNeedTheName(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	share := url.Values{"path": {`\\fs9.example.com\new`}, "transport": {"encrypted"}, "username": {`CORP\azs-backup`}}
	for path, values := range map[string]url.Values{"settings/share": share, "prune": {}, "schedule": {"enabled": {"1"}, "frequency": {"12"}, "retention": {"3"}, "keep": {"2"}, "confirm": {"south"}}} {
		w := s.post("/i/north/"+path, values)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, path)
		checkPage(t, path, w.Body.String())
		require.Contains(t, w.Body.String(), "f-confirm-error", path)
	}
	require.Empty(t, s.control.Calls())
	share.Set("confirm", "north")
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/settings/share", share).Header().Get("Location"))
	require.True(t, s.control.Wanted().Password.IsZero(), "the password in use stays")
	require.Equal(t, "/i/north/operations/op-prune", s.post("/i/north/prune", url.Values{"confirm": {"north"}}).Header().Get("Location"))
	require.Equal(t, "/i/north/operations/op-prune?preview=1", s.post("/i/north/prune/preview", nil).Header().Get("Location"))
}

// TestShorterRetentionIsShownFirst: what would go is seen before anything is saved.
func TestShorterRetentionIsShownFirst(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	values := url.Values{"enabled": {"1"}, "frequency": {"8"}, "retention": {"3"}, "keep": {"2"}}
	page := s.follow(t, s.post("/i/north/schedule", values))
	require.Contains(t, page, "backups would be removed")
	require.Empty(t, s.control.Calls())
	values.Set("confirm", "north")
	require.Contains(t, s.follow(t, s.post("/i/north/schedule", values)), "The schedule was saved")
	require.Equal(t, []string{"schedule true 8 3 2 https://login.example.com|noor"}, s.control.Calls())
	w := s.post("/i/north/schedule", url.Values{"frequency": {"3"}, "retention": {"99"}, "keep": {"x"}})
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Equal(t, 3, strings.Count(w.Body.String(), `aria-invalid="true"`))
	require.Contains(t, w.Body.String(), `value="99"`)
	long := s.follow(t, s.post("/i/north/schedule", url.Values{"frequency": {"12"}, "retention": {"14"}, "keep": {"2"}}))
	require.NotEmpty(t, long)
	next := portaltest.Snapshot("healthy")
	next.Schedule.RetentionDays, next.Schedule.Enabled = 14, false
	s.board.Set(next)
	page = s.get("/i/north/schedule").Body.String()
	require.Contains(t, page, "at least two backups a day are recommended")
	require.Contains(t, page, "at most 7 days are recommended")
}

func TestChangeOfKey(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	page := s.follow(t, s.post("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}}))
	require.Equal(t, "/i/north/settings/key", s.get("/i/north/settings/key/confirm").Header().Get("Location"), "it was not proven yet")
	page = s.follow(t, s.post("/i/north/settings/key/proof", url.Values{"answer": {answerOf(t, challengesOf(t, page)[0], identity)}}))
	require.Contains(t, page, "keep the old private keys until 5 Dec 2026")
	require.Equal(t, http.StatusUnprocessableEntity, s.post("/i/north/settings/key/confirm", nil).Code)
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/settings/key/confirm", url.Values{"confirm": {"north"}}).Header().Get("Location"))
	require.Nil(t, s.control.Wanted().Share)
	require.True(t, s.control.Wanted().Proofs[0].Of(s.control.Wanted().Recipients[0].Fingerprint, "north"))
	s.follow(t, s.post("/i/north/settings/key", url.Values{"recipients": {identity.Recipient().String()}}))
	s.follow(t, s.post("/i/north/settings/key/proof", url.Values{"later": {"1"}, "answer": {"infrabackup-proof-" + strings.Repeat("a", 32)}, "proven": {"1"}}))
	require.Equal(t, "/i/north/operations/op-change", s.post("/i/north/settings/key/confirm", url.Values{"confirm": {"north"}, "proven": {"1"}}).Header().Get("Location"))
	require.Empty(t, s.control.Wanted().Proofs, "nothing was answered")
}

func TestProof(t *testing.T) {
	s := newSite(t, "unproven", "operator")
	s.control.Given = []control.Challenge{{Fingerprint: "SHA256:x", Kind: "x25519", Text: "-----BEGIN AGE ENCRYPTED FILE-----"}}
	require.Contains(t, s.follow(t, s.post("/i/north/settings/challenge", nil)), "BEGIN AGE ENCRYPTED FILE")
	answer := "infrabackup-proof-" + strings.Repeat("b", 32)
	s.control.Fail = fault.Newf(fault.ProofRefused, "no open challenge has this answer")
	w := s.post("/i/north/settings/proof", url.Values{"answer": {answer}})
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.NotContains(t, w.Body.String(), answer)
	s.control.Fail = nil
	require.Contains(t, s.follow(t, s.post("/i/north/settings/proof", url.Values{"answer": {"Answer of north:\n" + answer + "\n"}})), "The key was proven")
	require.NotContains(t, fmt.Sprint(s.control.Calls()), answer)
}

// TestAway: what cannot be begun now is not offered, and the page says as of when it is.
func TestAway(t *testing.T) {
	s := newSite(t, "away", "owner")
	for _, path := range []string{"", "backups", "schedule", "settings/share", "settings/account", "prune"} {
		body := s.get("/i/north/" + path).Body.String()
		doc, err := html.Parse(strings.NewReader(body))
		require.NoError(t, err)
		require.Contains(t, body, "Not possible now", path)
		for n := range doc.Descendants() {
			if n.Data == "form" && attr(n, "action") != "/logout" {
				for b := range n.Descendants() {
					if b.Data == "button" {
						require.True(t, slices.ContainsFunc(b.Attr, func(a html.Attribute) bool { return a.Key == "disabled" }), "%s: %s", path, attr(n, "action"))
					}
				}
			}
		}
	}
	s.control.Fail = fault.Newf(fault.TemporalUnreachable, "temporal does not answer")
	w := s.post("/i/north/backups", nil)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	checkPage(t, "backups", w.Body.String())
}

func TestFaultsNameNoCommands(t *testing.T) {
	s := newSite(t, "healthy", "owner")
	for _, code := range fault.Codes() {
		s.control.Fail = fault.Newf(code, "it failed")
		w := s.post("/i/north/backups", nil)
		require.GreaterOrEqual(t, w.Code, 400)
		require.NotContains(t, w.Body.String(), "`infrabackup", code)
		require.NotContains(t, w.Body.String(), "`--", code)
		checkPage(t, string(code), w.Body.String())
	}
}

// stream reads a stream until a line holds text.
func stream(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	seen := ""
	for lines.Scan() {
		seen += lines.Text() + "\n"
		if strings.Contains(lines.Text(), text) {
			return seen
		}
	}
	t.Fatalf("the stream ended without %q: %s", text, seen)
	return ""
}

// TestEvents: a stream shows what changes, lives without news, and ends with the session.
func TestEvents(t *testing.T) {
	s := newSite(t, "healthy", "reader")
	server := httptest.NewServer(s.handler)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	open := func(path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		require.NoError(t, err)
		return http.DefaultClient.Do(r)
	}
	answer, err := open("/i/north/events?view=overview")
	require.NoError(t, err)
	defer func() { _, _ = io.Copy(io.Discard, answer.Body); _ = answer.Body.Close() }()
	require.Equal(t, "text/event-stream", answer.Header.Get("Content-Type"))
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	require.Contains(t, stream(t, lines, "Yes."), "id: 42")
	stream(t, lines, ": here")
	running := portaltest.Snapshot("running")
	running.Number = 43
	s.board.Set(running)
	require.Contains(t, stream(t, lines, "You may close this page"), "id: 43")
	s.session.End()
	stream(t, lines, "event: signed-out")
	more := 0
	for lines.Scan() && more < 3 { // what belongs to that event
		more++
	}
	require.Less(t, more, 3, "the stream goes on without a session")
}
