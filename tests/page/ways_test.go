package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
	"infrabackup/internal/seal"
	"infrabackup/tests/page/browser"
)

// TestBackupIsWatchedWithTheKeyboardAlone: begin a backup, see it go on by itself, and see
// that it has finished, without a mouse and without loading the page again.
func TestBackupIsWatchedWithTheKeyboardAlone(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	said := browser.Complaints(t, ctx)
	browser.Look(t, ctx, 1280, "light")
	browser.Visit(t, ctx, base+"/i/healthy/")
	browser.TabTo(t, ctx, "Back up now")
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `document.body.textContent.includes("You may close this page")`)
	browser.Script[any](t, ctx, `window.same = true; 0`)
	browser.TabTo(t, ctx, "Verify the newest backup")
	before := browser.Script[string](t, ctx, `document.querySelector("#run-CRP").textContent`)
	browser.Until(t, ctx, fmt.Sprintf(`document.querySelector("#run-CRP") && document.querySelector("#run-CRP").textContent !== %q`, before))
	require.True(t, browser.Script[bool](t, ctx, `document.activeElement.textContent.trim() === "Verify the newest backup"`), "an update has taken the focus away")
	browser.Until(t, ctx, `/MiB\/s|GiB\/s/.test(document.body.textContent)`)
	browser.Until(t, ctx, `!document.querySelector("#run-CRP") && document.body.textContent.includes("Back up now")`)
	require.True(t, browser.Script[bool](t, ctx, `window.same === true`), "the page was loaded again")
	require.Empty(t, said())
}

// TestKeyIsMadeInTheBrowser: the key that the browser makes is one that age knows, its private
// half is in the download alone, and the proof of it is accepted.
func TestKeyIsMadeInTheBrowser(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	said := browser.Complaints(t, ctx)
	folder := browser.Downloads(t, ctx)
	browser.Visit(t, ctx, base+"/i/none/enable/key")
	browser.TabTo(t, ctx, "make-key")
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `document.getElementById("f-recipients").value.startsWith("age1")`)
	var file []byte
	require.Eventually(t, func() bool {
		var err error
		file, err = os.ReadFile(filepath.Join(folder, "infrabackup-key.txt"))
		return err == nil && strings.Contains(string(file), "AGE-SECRET-KEY-1")
	}, 20*time.Second, 50*time.Millisecond)
	identities, err := seal.ParseIdentities(file)
	require.NoError(t, err)
	require.False(t, browser.Script[bool](t, ctx, `document.documentElement.outerHTML.includes("AGE-SECRET-KEY")`))
	browser.TabTo(t, ctx, "Continue")
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `document.readyState === "complete" && !!document.getElementById("challenge-0")`)
	require.Empty(t, browser.Barriers(t, ctx, browser.AllRules))
	browser.Picture(t, ctx, "enable-proof")
	answer, err := seal.AnswerChallenge([]byte(browser.Script[string](t, ctx, `document.getElementById("challenge-0").value`)), identities)
	require.NoError(t, err)
	browser.TabTo(t, ctx, "f-answer")
	browser.Press(t, ctx, answer.Reveal())
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `location.pathname.endsWith("/enable/share")`) // the first step that is still open
	require.True(t, browser.Script[bool](t, ctx, `document.querySelector(".steps").textContent.includes("Proof (done)")`))
	require.Empty(t, said())
}

// TestErrorsTakeTheFocus: what is wrong is read first, and leads to its field.
func TestErrorsTakeTheFocus(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	browser.Visit(t, ctx, base+"/i/none/enable/share")
	browser.TabTo(t, ctx, "f-path")
	browser.Press(t, ctx, `\\bad host\x`)
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `document.readyState === "complete" && document.activeElement.id === "errors"`)
	require.Empty(t, browser.Barriers(t, ctx, browser.AllRules))
	browser.Picture(t, ctx, "enable-error")
	require.Equal(t, `\\bad host\x`, browser.Script[string](t, ctx, `document.getElementById("f-path").value`))
	browser.Press(t, ctx, kb.Tab)
	require.Equal(t, "#f-path", browser.Script[string](t, ctx, `document.activeElement.getAttribute("href")`))
	browser.Script[any](t, ctx, `document.activeElement.click(); 0`) // a key that a test presses would reach the field as well
	browser.Until(t, ctx, `location.hash === "#f-path" && document.activeElement.id === "f-path"`)
}

// TestFormComesBackAfterALogin: the session ends while a form is filled in.
func TestFormComesBackAfterALogin(t *testing.T) {
	ctx := browser.Start(t)
	s, base := serve(t)
	browser.Visit(t, ctx, base+"/i/healthy/settings/share")
	browser.Script[any](t, ctx, `document.getElementById("f-path").value = "\\\\fs9.example.com\\new"; document.getElementById("f-password").value = "canary-Pa55word"; 0`)
	s.role.Store("")
	browser.Script[any](t, ctx, `document.querySelector("form[action$='settings/share']").requestSubmit(); 0`)
	browser.Until(t, ctx, `location.pathname === "/login" && document.body.textContent.includes("comes back after the login")`)
	require.NotContains(t, browser.Script[string](t, ctx, `location.href`), "fs9")
	browser.TabTo(t, ctx, "f-token")
	browser.Press(t, ctx, "ibk_x")
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `location.pathname.endsWith("/settings/share")`)
	require.Equal(t, `\\fs9.example.com\new`, browser.Script[string](t, ctx, `document.getElementById("f-path").value`))
	require.Empty(t, browser.Script[string](t, ctx, `document.getElementById("f-password").value`))
	require.Empty(t, s.doing["healthy"].Calls())
}

// TestEndOfTheLoginIsSaidBefore: two minutes before the end, a page says so, and one button
// is enough to stay.
func TestEndOfTheLoginIsSaidBefore(t *testing.T) {
	ctx := browser.Start(t)
	s, base := serve(t)
	s.ends.Store(90)
	browser.Visit(t, ctx, base+"/i/healthy/settings")
	browser.Until(t, ctx, `!document.getElementById("expiry").hidden`)
	s.ends.Store(900)
	browser.TabTo(t, ctx, "Stay logged in")
	browser.Press(t, ctx, kb.Enter)
	browser.Until(t, ctx, `document.getElementById("expiry").hidden`)
}

// TestTimesAreInTheViewersZoneAsWell shows UTC always, and the zone of the browser beside it.
func TestTimesAreInTheViewersZoneAsWell(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Australia/Adelaide"})
	require.NoError(t, err)
	browser.Visit(t, ctx, base+"/i/healthy/backups/"+string(portaltest.ID(0)))
	require.Contains(t, browser.Script[string](t, ctx, `document.querySelector("time").textContent`), "11:00 UTC")
	require.Regexp(t, `9:30`, browser.Script[string](t, ctx, `document.querySelector("time").dataset.local`))
}

// TestWithoutScript: the page that shows a backup loads again by itself, and says how to stop
// that.
func TestWithoutScript(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	browser.Visit(t, ctx, base+"/i/running/")
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	require.NoError(t, err)
	require.Contains(t, text, "loads again every 10 seconds")
	require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`a[href="?still=1"]`))))
	require.Eventually(t, func() bool {
		text, err = chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
		return err == nil && !strings.Contains(text, "loads again")
	}, 10*time.Second, 50*time.Millisecond)
}
