package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/seal"
)

// script runs in the page; tests ask it, the page's policy does not.
func script[T any](t *testing.T, ctx context.Context, text string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](text))
	require.NoError(t, err, text)
	return value
}

// until waits for something to become true in the page.
func until(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](text))
		return err == nil && ok // a page that is being left answers nothing
	}, 20*time.Second, 50*time.Millisecond, text)
}

// tabTo presses the tabulator until an element with the text has the focus, which must be seen.
func tabTo(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for range 60 {
		require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)))
		if script[bool](t, ctx, fmt.Sprintf("document.activeElement.textContent.trim().startsWith(%q) || document.activeElement.id === %q", text, text)) {
			require.True(t, script[bool](t, ctx, `(e => getComputedStyle(e).outlineStyle !== "none" && e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().bottom <= innerHeight)(document.activeElement)`), "the focus on %s is not seen", text)
			return
		}
	}
	t.Fatalf("the keyboard does not reach %s", text)
}

func press(t *testing.T, ctx context.Context, keys string) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(keys)))
}

func visit(t *testing.T, ctx context.Context, address string) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(address)))
}

// TestBackupIsWatchedWithTheKeyboardAlone: begin a backup, see it go on by itself, and see
// that it has finished, without a mouse and without loading the page again.
func TestBackupIsWatchedWithTheKeyboardAlone(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	said := complaints(t, ctx)
	look(t, ctx, 1280, "light")
	visit(t, ctx, base+"/i/healthy/")
	tabTo(t, ctx, "Back up now")
	press(t, ctx, kb.Enter)
	until(t, ctx, `document.body.textContent.includes("You may close this page")`)
	script[any](t, ctx, `window.same = true; 0`)
	tabTo(t, ctx, "Verify the newest backup")
	before := script[string](t, ctx, `document.querySelector("#run-CRP").textContent`)
	until(t, ctx, fmt.Sprintf(`document.querySelector("#run-CRP") && document.querySelector("#run-CRP").textContent !== %q`, before))
	require.True(t, script[bool](t, ctx, `document.activeElement.textContent.trim() === "Verify the newest backup"`), "an update has taken the focus away")
	until(t, ctx, `/MiB\/s|GiB\/s/.test(document.body.textContent)`)
	until(t, ctx, `!document.querySelector("#run-CRP") && document.body.textContent.includes("Back up now")`)
	require.True(t, script[bool](t, ctx, `window.same === true`), "the page was loaded again")
	require.Empty(t, said())
}

// TestKeyIsMadeInTheBrowser: the key that the browser makes is one that age knows, its private
// half is in the download alone, and the proof of it is accepted.
func TestKeyIsMadeInTheBrowser(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	said := complaints(t, ctx)
	folder := t.TempDir()
	_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
	require.NoError(t, err)
	visit(t, ctx, base+"/i/none/enable/key")
	tabTo(t, ctx, "make-key")
	press(t, ctx, kb.Enter)
	until(t, ctx, `document.getElementById("f-recipients").value.startsWith("age1")`)
	var file []byte
	require.Eventually(t, func() bool {
		file, err = os.ReadFile(filepath.Join(folder, "infrabackup-key.txt"))
		return err == nil && strings.Contains(string(file), "AGE-SECRET-KEY-1")
	}, 20*time.Second, 50*time.Millisecond)
	identities, err := seal.ParseIdentities(file)
	require.NoError(t, err)
	require.False(t, script[bool](t, ctx, `document.documentElement.outerHTML.includes("AGE-SECRET-KEY")`))
	tabTo(t, ctx, "Continue")
	press(t, ctx, kb.Enter)
	until(t, ctx, `document.readyState === "complete" && !!document.getElementById("challenge-0")`)
	require.Empty(t, barriers(t, ctx, allRules))
	picture(t, ctx, "enable-proof")
	answer, err := seal.AnswerChallenge([]byte(script[string](t, ctx, `document.getElementById("challenge-0").value`)), identities)
	require.NoError(t, err)
	tabTo(t, ctx, "f-answer")
	press(t, ctx, answer.Reveal())
	press(t, ctx, kb.Enter)
	until(t, ctx, `location.pathname.endsWith("/enable/share")`) // the first step that is still open
	require.True(t, script[bool](t, ctx, `document.querySelector(".steps").textContent.includes("Proof (done)")`))
	require.Empty(t, said())
}

// TestErrorsTakeTheFocus: what is wrong is read first, and leads to its field.
func TestErrorsTakeTheFocus(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	visit(t, ctx, base+"/i/none/enable/share")
	tabTo(t, ctx, "f-path")
	press(t, ctx, `\\bad host\x`)
	press(t, ctx, kb.Enter)
	until(t, ctx, `document.readyState === "complete" && document.activeElement.id === "errors"`)
	require.Empty(t, barriers(t, ctx, allRules))
	picture(t, ctx, "enable-error")
	require.Equal(t, `\\bad host\x`, script[string](t, ctx, `document.getElementById("f-path").value`))
	press(t, ctx, kb.Tab)
	require.Equal(t, "#f-path", script[string](t, ctx, `document.activeElement.getAttribute("href")`))
	script[any](t, ctx, `document.activeElement.click(); 0`) // a key that a test presses would reach the field as well
	until(t, ctx, `location.hash === "#f-path" && document.activeElement.id === "f-path"`)
}

// TestFormComesBackAfterALogin: the session ends while a form is filled in.
func TestFormComesBackAfterALogin(t *testing.T) {
	ctx := chromium(t)
	s, base := serve(t)
	visit(t, ctx, base+"/i/healthy/settings/share")
	script[any](t, ctx, `document.getElementById("f-path").value = "\\\\fs9.example.com\\new"; document.getElementById("f-password").value = "canary-Pa55word"; 0`)
	s.role.Store("")
	script[any](t, ctx, `document.querySelector("form[action$='settings/share']").requestSubmit(); 0`)
	until(t, ctx, `location.pathname === "/login" && document.body.textContent.includes("comes back after the login")`)
	require.NotContains(t, script[string](t, ctx, `location.href`), "fs9")
	tabTo(t, ctx, "f-token")
	press(t, ctx, "ibk_x")
	press(t, ctx, kb.Enter)
	until(t, ctx, `location.pathname.endsWith("/settings/share")`)
	require.Equal(t, `\\fs9.example.com\new`, script[string](t, ctx, `document.getElementById("f-path").value`))
	require.Empty(t, script[string](t, ctx, `document.getElementById("f-password").value`))
	require.Empty(t, s.doing["healthy"].Calls())
}

// TestEndOfTheLoginIsSaidBefore: two minutes before the end, a page says so, and one button
// is enough to stay.
func TestEndOfTheLoginIsSaidBefore(t *testing.T) {
	ctx := chromium(t)
	s, base := serve(t)
	s.ends.Store(90)
	visit(t, ctx, base+"/i/healthy/settings")
	until(t, ctx, `!document.getElementById("expiry").hidden`)
	s.ends.Store(900)
	tabTo(t, ctx, "Stay logged in")
	press(t, ctx, kb.Enter)
	until(t, ctx, `document.getElementById("expiry").hidden`)
}

// TestTimesAreInTheViewersZoneAsWell shows UTC always, and the zone of the browser beside it.
func TestTimesAreInTheViewersZoneAsWell(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Australia/Adelaide"})
	require.NoError(t, err)
	visit(t, ctx, base+"/i/healthy/backups/"+string(portaltest.ID(0)))
	require.Contains(t, script[string](t, ctx, `document.querySelector("time").textContent`), "11:00 UTC")
	require.Regexp(t, `9:30`, script[string](t, ctx, `document.querySelector("time").dataset.local`))
}

// TestWithoutScript: the page that shows a backup loads again by itself, and says how to stop
// that.
func TestWithoutScript(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	visit(t, ctx, base+"/i/running/")
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	require.NoError(t, err)
	require.Contains(t, text, "loads again every 10 seconds")
	require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`a[href="?still=1"]`))))
	require.Eventually(t, func() bool {
		text, err = chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
		return err == nil && !strings.Contains(text, "loads again")
	}, 10*time.Second, 50*time.Millisecond)
}
