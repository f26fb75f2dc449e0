package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
	"infrabackup/tests/page/browser"
)

// walker goes over pages with the keyboard alone.
type walker struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // the browser's
	base string
	site *site
}

func walk(t *testing.T) *walker {
	t.Helper()
	ctx := browser.Start(t)
	s, base := serve(t)
	said := browser.Complaints(t, ctx)
	browser.Look(t, ctx, 1280, "light")
	t.Cleanup(func() {
		if !t.Failed() {
			require.Empty(t, said(), "the browser complains")
		}
	})
	return &walker{t, ctx, base + "/i/healthy/", s}
}

func (w *walker) visit(path string) { w.t.Helper(); browser.Visit(w.t, w.ctx, w.base+path) }

// press goes to a place, and presses keys there.
func (w *walker) press(place string, keys ...string) {
	w.t.Helper()
	browser.TabTo(w.t, w.ctx, place)
	for _, k := range keys {
		browser.Press(w.t, w.ctx, k)
	}
}

func (w *walker) says(text string) { w.t.Helper(); browser.Says(w.t, w.ctx, text) }

// key chooses the file with the key: the dialog of an operating system is none of the page's.
func (w *walker) key(field string) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "operator.pfx")
	require.NoError(w.t, os.WriteFile(file, []byte("key"), 0o600))
	require.NoError(w.t, chromedp.Do(w.ctx, chromedp.SetUploadFiles("#"+field, []string{file})))
}

// TestRestoreWithTheKeyboardAlone: planned, read, agreed to, done, and taken back.
func TestRestoreWithTheKeyboardAlone(t *testing.T) {
	w := walk(t)
	w.visit("restores")
	w.press("Plan a restore", kb.Enter)
	w.says("Make the plan")
	w.key("f-key")
	w.press("f-target", "site-b")
	w.press("s-CA", " ")
	w.press("f-password", "word", kb.Enter)
	w.says("Nothing was changed yet.")
	w.press("Read the plan", kb.Enter)
	w.says("What it would do")
	w.press("Refused", kb.Enter)
	w.says("NAME_TAKEN")
	w.press("Changes", kb.Enter)
	w.says("Rows 1 to 50 of 90")
	w.press("Further rows", kb.Enter)
	w.says("Rows 51 to 90 of 90")

	w.press("f-confirm", "site-c", kb.Enter)
	browser.Until(t, w.ctx, `document.readyState === "complete" && document.activeElement.id === "errors"`)
	require.Contains(t, w.site.plans.Consent.Target, "site-c")
	w.press("i-40", " ")
	w.press("f-confirm", "site-b", kb.Enter)
	w.says("confirmed by reading the target again")
	require.Equal(t, "site-b", w.site.plans.Consent.Target)
	require.Len(t, w.site.plans.Consent.Irreversible, 1)
	w.press("See the restores", kb.Enter)
	w.says("Restores and plans")

	w.site.plans.State = "ended"
	w.visit("restores/plans/" + portaltest.PlanID)
	w.press("Plan the undo", kb.Enter)
	w.says("Nothing was changed yet.")
	require.Contains(t, w.site.plans.Calls(), "undo 3f2a91c0 by https://login.example.com|noor")
	w.visit("restores")
	w.press("Watch it", kb.Enter)
	w.says("The restore that runs")
	w.press("Stop the restore", kb.Enter)
	w.says("Restores and plans")
	require.Contains(t, w.site.plans.Calls(), "stop")
}

// TestDrillsWithTheKeyboardAlone: from the backups to the list, to one, and to older ones.
func TestDrillsWithTheKeyboardAlone(t *testing.T) {
	w := walk(t)
	w.visit("backups/" + string(portaltest.ID(0)))
	w.press("28 Nov 2026, 11:05", kb.Enter)
	w.says("How long it took")
	w.press("Drills", kb.Enter)
	w.says("Drills 1 to 20 of 30")
	w.press("Older drills", kb.Enter)
	w.says("Drills 21 to 30 of 30")
	w.press("Newer drills", kb.Enter)
	w.says("Drills 1 to 20 of 30")
	w.press("21 Nov 2026", kb.Enter)
	w.says("What nothing explains")
}

// TestCompareWithTheKeyboardAlone: two backups are chosen, and what differs is read.
func TestCompareWithTheKeyboardAlone(t *testing.T) {
	w := walk(t)
	w.visit("backups")
	w.press("Compare two backups", kb.Enter)
	w.says("Values of secrets are never shown.")
	w.press("s-AD", " ")
	w.press("f-password", "wrong", kb.Enter) // no file was chosen yet
	browser.Until(t, w.ctx, `document.readyState === "complete" && document.activeElement.id === "errors"`)
	require.True(t, browser.Script[bool](t, w.ctx, `document.getElementById("s-AD").checked`), "what was chosen is lost")
	w.key("f-key")
	w.press("The second backup opens", kb.Enter)
	browser.Until(t, w.ctx, `document.getElementById("f-keyOfB").checkVisibility()`)
	w.key("f-keyOfB")
	w.press("f-keyOfB-password", "wrong", kb.Enter)
	browser.Until(t, w.ctx, `document.readyState === "complete" && !!document.getElementById("f-keyOfB-password-error")`)
	require.Empty(t, browser.Barriers(t, w.ctx, browser.AllRules))
	browser.Picture(t, w.ctx, "diff-error")
	w.key("f-key")
	w.press("f-password", "word", kb.Enter)
	w.says("29 changed")
	w.press("Read what differs", kb.Enter)
	w.says("There are differences")
	w.press("By kind of item", kb.Enter)
	browser.Until(t, w.ctx, `document.body.innerText.includes("network-security-group")`)
	require.Empty(t, browser.Barriers(t, w.ctx, browser.AllRules))
	w.press("Access gained and lost", kb.Enter)
	w.says("CN=noor,OU=Admins")
	w.press("Items", kb.Enter)
	w.says("Rows 1 to 50 of 71")
	w.press("NRP", kb.Enter)
	w.says("rules[https].access")
	w.press("All services", kb.Enter)
	w.says("Rows 1 to 50 of 71")
	w.press("Further rows", kb.Enter)
	w.says("Rows 51 to 71 of 71")
}
