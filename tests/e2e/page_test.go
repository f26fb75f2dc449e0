package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/tests/lab"
	"infrabackup/tests/page/browser"
	"infrabackup/tests/tier"
)

// person sits at a browser, before the page of an instance.
type person struct {
	*provider
	t    *testing.T
	ctx  context.Context //nolint:containedctx // the browser's
	here string          // the instance's first page
	said func() []string // complaints of the browser
	bad  []string
	// looked counts the pages that were looked at.
	looked int
	began  time.Time
}

func (q *person) visit(path string) {
	q.t.Helper()
	browser.Visit(q.t, q.ctx, q.here+path)
}

func (q *person) says(text string) {
	q.t.Helper()
	browser.Says(q.t, q.ctx, text)
	q.t.Logf("%.1f s: %s", time.Since(q.began).Seconds(), text)
}

func (q *person) until(script string) { q.t.Helper(); browser.Until(q.t, q.ctx, script) }

// on waits until a page has come.
func (q *person) on(path string) {
	q.t.Helper()
	q.until(fmt.Sprintf(`document.readyState === "complete" && location.pathname.endsWith(%q)`, path))
}

// keys goes to a place with the keyboard alone, and presses keys there.
func (q *person) keys(place string, keys ...string) {
	q.t.Helper()
	browser.TabTo(q.t, q.ctx, place)
	for _, k := range keys {
		browser.Press(q.t, q.ctx, k)
	}
}

// fill puts values into the fields of a form, and sends it.
func (q *person) fill(form string, values map[string]string) {
	q.t.Helper()
	for field, value := range values {
		browser.Script[any](q.t, q.ctx, fmt.Sprintf(`document.getElementById(%q).value = %q; 0`, "f-"+field, value))
	}
	browser.Script[any](q.t, q.ctx, fmt.Sprintf(`[...document.forms].find(f => new URL(f.action).pathname.endsWith(%q)).requestSubmit(); 0`, form))
}

func (q *person) value(field string) string {
	q.t.Helper()
	return browser.Script[string](q.t, q.ctx, fmt.Sprintf(`document.getElementById(%q).value`, "f-"+field))
}

// look looks at the page as axe-core does, and on a narrow phone; in the soak in the dark as well.
func (q *person) look(what string) {
	q.t.Helper()
	q.looked++
	q.t.Logf("%.1f s: %s", time.Since(q.began).Seconds(), what)
	note := func(text string) {
		if text != "" {
			q.bad = append(q.bad, what+": "+text)
		}
	}
	note(browser.Barriers(q.t, q.ctx, browser.AllRules))
	browser.Look(q.t, q.ctx, 320, "light")
	if browser.TooWide(q.t, q.ctx) {
		note("it is wider than a window of 320 pixels")
	}
	if tier.Soak() {
		note(browser.Barriers(q.t, q.ctx, browser.AllRules))
		browser.Look(q.t, q.ctx, 1280, "dark")
		note(browser.Barriers(q.t, q.ctx, browser.ThemeRules))
	}
	browser.Look(q.t, q.ctx, 1280, "light")
	browser.Picture(q.t, q.ctx, "e2e-"+strings.ReplaceAll(what, " ", "-"))
}

// login logs in with the keyboard.
func (q *person) login(token string) {
	q.t.Helper()
	q.keys("f-token", token, kb.Enter)
}

// prove answers the challenge on the page, with a private key.
func (q *person) prove(file []byte) {
	q.t.Helper()
	q.until(`document.readyState === "complete" && !!document.getElementById("challenge-0")`)
	ids, err := seal.ParseIdentities(file)
	require.NoError(q.t, err)
	answer, err := seal.AnswerChallenge([]byte(browser.Script[string](q.t, q.ctx, `document.getElementById("challenge-0").value`)), ids)
	require.NoError(q.t, err)
	q.keys("f-answer", answer.Reveal(), kb.Enter)
}

func (q *person) settings() settings.Summary {
	q.t.Helper()
	return into[settings.Summary](q.t, q.o.run("settings", "show", "-o", "json"))
}

// largeCA is a source whose backup takes long enough to be watched, also by a person on a fast machine.
func largeCA(t *testing.T) func(lab.Environment) string {
	t.Helper()
	return func(env lab.Environment) string {
		folder := filepath.Join(t.TempDir(), "ca")
		require.NoError(t, os.CopyFS(folder, os.DirFS(env["LAB_CA_DIR"])))
		large, err := os.Create(filepath.Join(folder, "large"))
		require.NoError(t, err)
		_, err = io.CopyN(large, mathrand.NewChaCha8([32]byte{1}), 256<<20)
		require.NoError(t, errors.Join(err, large.Close()))
		return fmt.Sprintf("  ca: {dir: %s}\n", folder)
	}
}

// TestPage is what operators do on the page, against the real servers: from the first login to
// a damaged backup, with what goes wrong on the way. No page has a barrier that axe-core knows
// of, is too wide for a phone, or does what its security policy forbids.
func TestPage(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, largeCA(t))
	q := o.browse(o.serve())
	defer q.leave()
	q.enable()
	q.backUp()
	q.change()
	q.comeBack()
	q.damage()
	require.Greater(t, q.looked, 10)
}

// TestPageWithoutTemporal is a Temporal server that goes, and comes back: the page says so by
// itself both times, and offers nothing that cannot be begun.
func TestPageWithoutTemporal(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, largeCA(t))
	into[map[string]any](t, o.enable(nil))
	o.backUp()
	temporal := newGate(t, o.env["TEMPORAL_ADDRESS"])
	q := o.browse(o.serveWith(temporal.address, ""))
	defer q.leave()
	q.visit("")
	q.on("/login")
	q.login(q.token)
	q.says("Back up now")
	temporal.set(true)
	q.keys("Back up now", kb.Enter)
	q.says("The backup service does not answer")
	q.look("nothing can be begun")
	q.keys("Overview", kb.Enter)
	q.says("Not possible now")
	q.look("Temporal is away")
	require.True(t, browser.Script[bool](t, q.ctx, `[...document.querySelectorAll("main form button")].every(b => b.disabled)`), "what cannot be begun is offered")
	require.True(t, browser.Script[bool](t, q.ctx, `!!document.getElementById("stale") && document.body.innerText.includes("What you see is as of")`))
	browser.Script[any](t, q.ctx, `window.same = true; 0`)
	temporal.set(false)
	q.until(`!document.getElementById("stale") && [...document.querySelectorAll("main form button")].every(b => !b.disabled)`)
	require.True(t, browser.Script[bool](t, q.ctx, `window.same === true`), "the page was loaded again")
	q.keys("Back up now", kb.Enter)
	q.says("You may close this page")
	require.Eventually(t, func() bool { return len(o.listed()) == 2 }, time.Minute, time.Second)
}

// browse opens a browser before the page that a process serves.
func (o *operator) browse(p *provider) *person {
	o.t.Helper()
	ctx := browser.Start(o.t)
	browser.TrustAll(o.t, ctx)
	q := &person{provider: p, t: o.t, ctx: ctx, said: browser.Complaints(o.t, ctx), here: p.base + "/i/" + o.instance + "/", began: time.Now()}
	browser.Look(o.t, ctx, 1280, "light")
	return q
}

// leave tells what was wrong with the pages.
func (q *person) leave() {
	if q.t.Failed() {
		browser.Picture(q.t, q.ctx, "e2e-failed")
		return
	}
	require.Empty(q.t, q.bad, strings.Join(q.bad, "\n"))
	require.Empty(q.t, q.said(), "the browser complains")
}

// enable is the first login and the first settings, with the keyboard alone. The password is
// wrong at first.
func (q *person) enable() {
	folder := browser.Downloads(q.t, q.ctx)
	q.visit("")
	q.on("/login")
	q.look("login")
	q.login(q.token)
	q.says("Backups are not enabled")
	q.look("nothing is enabled")
	q.keys("Enable backups", kb.Enter)
	q.on("/enable/share")
	q.keys("f-path", q.o.env["LAB_SHARE"], kb.Enter)
	q.on("/enable/account")
	q.keys("f-username", q.o.env["LAB_SHARE_USER"])
	q.keys("f-password", "not-the-password", kb.Enter)
	q.on("/enable/key")
	q.keys("make-key", kb.Enter)
	q.until(`document.getElementById("f-recipients").value.startsWith("age1")`)
	var key []byte
	require.Eventually(q.t, func() bool {
		data, err := os.ReadFile(filepath.Join(folder, "infrabackup-key.txt"))
		key = data
		return err == nil && bytes.Contains(data, []byte("AGE-SECRET-KEY-1"))
	}, time.Minute, 50*time.Millisecond)
	q.keys("Continue", kb.Enter)
	q.prove(key)
	q.on("/enable/check")
	q.look("check before enabling")
	q.keys("Check and enable", kb.Enter)

	q.says("Back, to correct it")
	q.look("refused")
	q.keys("Back, to correct it", kb.Enter)
	q.until(`document.readyState === "complete" && !!document.getElementById("f-username-error")`)
	require.Equal(q.t, q.o.env["LAB_SHARE_USER"], q.value("username"), "what was typed is lost")
	q.look("refused at its field")
	q.keys("f-password", strings.TrimSpace(readAll(q.t, q.o.env["LAB_SHARE_PASSWORD_FILE"])), kb.Enter)
	q.on("/enable/check")
	q.keys("Check and enable", kb.Enter)
	q.says("Everything was tried, worked, and is saved.")
	q.look("enabled")
	require.False(q.t, browser.Script[bool](q.t, q.ctx, `document.body.innerText.includes("Prove the key")`), "the key is to be proven again")
	now := q.settings()
	require.False(q.t, now.Recipients[0].ProvenAt.IsZero(), "what was proven in the form is proven")
	require.Equal(q.t, q.o.env["LAB_SHARE"], now.Share.Path)
	q.o.write("operator.key", string(key))
}

// backUp begins a backup with the keyboard and watches it, verifies it, and looks at it.
func (q *person) backUp() {
	q.visit("")
	q.says("There is no backup yet.")
	q.keys("Back up now", kb.Enter)
	q.says("You may close this page")
	browser.Script[any](q.t, q.ctx, `window.same = true; 0`)
	q.says("Probably.")
	require.True(q.t, browser.Script[bool](q.t, q.ctx, `window.same === true`), "the page was loaded again")
	q.keys("Verify the newest backup", kb.Enter)
	q.says("All of it is as it was written.")
	q.visit("")
	asked := time.Now()
	q.says("Everything could be restored from the newest verified backup")
	require.Less(q.t, time.Since(asked), 30*time.Second, "the overview has waited for its next reading")
	q.look("overview")
	newest := q.o.listed()[0]
	require.True(q.t, q.o.opens(newest, "operator.key"), "the key that the browser made opens it")
	q.visit("backups/" + string(newest.BackupID))
	q.says("Services")
	q.look("backup")
}

// change changes share, account and key. The password of the new share is wrong at first.
func (q *person) change() {
	password := strings.TrimSpace(readAll(q.t, q.o.env["LAB_SHARE_PASSWORD_FILE"]))
	next := q.o.shareFolder("page")
	q.visit("settings/share")
	q.fill("settings/share", map[string]string{"path": next, "username": `SECOND\` + q.o.env["LAB_SHARE_USER"], "password": "not-the-password", "confirm": q.o.instance})
	q.says("Back, to correct it")
	q.keys("Back, to correct it", kb.Enter)
	q.until(`document.readyState === "complete" && !!document.getElementById("f-username-error")`)
	q.look("refused share")
	require.Equal(q.t, next, q.value("path"), "what was typed is lost")
	require.Equal(q.t, `SECOND\`+q.o.env["LAB_SHARE_USER"], q.value("username"))
	require.Empty(q.t, q.value("password"))
	require.Equal(q.t, q.o.env["LAB_SHARE"], q.settings().Share.Path, "nothing was changed")
	q.fill("settings/share", map[string]string{"password": password, "confirm": q.o.instance})
	q.says("Everything was tried, worked, and is saved.")
	require.Equal(q.t, next, q.settings().Share.Path)

	q.visit("settings/account")
	q.fill("settings/account", map[string]string{"username": `OTHER\` + q.o.env["LAB_SHARE_USER"], "password": password})
	q.says("Everything was tried, worked, and is saved.")
	require.Equal(q.t, `OTHER\`+q.o.env["LAB_SHARE_USER"], q.settings().Username)

	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(q.t, err)
	q.visit("settings/key")
	q.fill("settings/key", map[string]string{"recipients": text.Reveal()})
	q.until(`document.readyState === "complete" && !!document.getElementById("f-recipients-error")`)
	require.Empty(q.t, q.value("recipients"), "a private key came back")
	q.fill("settings/key", map[string]string{"recipients": recipient.Text})
	q.prove([]byte(text.Reveal()))
	q.on("/settings/key/confirm")
	q.look("confirm a key")
	q.fill("settings/key/confirm", map[string]string{"confirm": q.o.instance})
	q.says("Everything was tried, worked, and is saved.")
	now := q.settings()
	require.Equal(q.t, recipient.Fingerprint, now.Recipients[0].Fingerprint)
	require.False(q.t, now.Recipients[0].ProvenAt.IsZero())
	q.visit("settings")
	q.says(now.Share.Path)
	q.look("settings")
	q.visit("history")
	q.says(recipient.Fingerprint)
	q.look("history")
}

// comeBack is a login that ends while a form is filled in.
func (q *person) comeBack() {
	second := q.newToken("second")
	q.visit("settings/share")
	revoked := q.o.run("token", "revoke", q.first, "--config", q.o.file("serve.yaml"))
	require.Zero(q.t, revoked.code, "%s%s", revoked.stdout, revoked.stderr)
	require.Eventually(q.t, func() bool {
		return q.at(http.MethodGet, q.location("")+"?api-version=2018-09-01", nil).status == http.StatusUnauthorized
	}, time.Minute, 100*time.Millisecond)
	q.token = second.Token
	q.fill("settings/share", map[string]string{"path": q.o.env["LAB_SHARE"], "password": "canary-of-the-form"})
	q.on("/login")
	q.says("comes back after the login")
	q.look("login again")
	q.login(second.Token)
	q.on("/settings/share")
	require.Equal(q.t, q.o.env["LAB_SHARE"], q.value("path"))
	require.Empty(q.t, q.value("password"))
	q.says("Nothing was changed yet.")
}

// damage makes a backup on the new share, and changes bytes of it there.
func (q *person) damage() {
	q.visit("")
	q.says("There is no backup yet.")
	q.keys("Back up now", kb.Enter)
	q.says("You may close this page")
	q.says("Probably.")
	made := q.o.listed()[0]
	file := filepath.Join(q.o.env["LAB_SHARE_DIR"], q.o.instance+"-page", filepath.FromSlash(made.Path), "ca.tar.zst.age")
	data := []byte(readAll(q.t, file))
	for i := range 16 {
		data[len(data)/2+i] ^= 0xff
	}
	require.NoError(q.t, os.WriteFile(file, data, 0o600))
	q.visit("backups/" + string(made.BackupID))
	q.says("Verify now")
	q.keys("Verify now", kb.Enter)
	q.says("The backup is damaged")
	q.look("damage")
	q.visit("")
	q.says("The newest backup is damaged")
	q.look("overview with damage")
	q.visit("backups/" + string(made.BackupID))
	q.says("Cannot be restored")
	q.visit("alerts")
	q.says("The newest backup is damaged")
	q.look("alerts")
	require.Equal(q.t, backup.Succeeded, q.o.listed()[0].Status, "what the run was stays known")
}
