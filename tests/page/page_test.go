package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
	"infrabackup/tests/page/browser"
	"infrabackup/tests/tier"
)

// serve serves the page on a name that browsers take for safe.
func serve(t *testing.T) (*site, string) {
	t.Helper()
	s, err := newSite(t.Context())
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(s.handler)
	server.Listener = listener
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s, "http://localhost:" + strings.Split(listener.Addr().String(), ":")[1]
}

// addresses are all pages with what there is to see.
func addresses() []string {
	all := []string{"/login?return=/i/healthy/&kept=1&fresh=1", "/"}
	for _, state := range portaltest.States {
		all = append(all, "/i/"+state+"/")
	}
	for _, path := range []string{"backups", "backups/" + string(portaltest.ID(0)), "alerts", "schedule", "schedule/shorten?enabled=1&frequency=12&retention=3&keep=2", "prune", "settings",
		"settings/share", "settings/account", "settings/key", "settings/proof", "history", "operations/op-change", "operations/op-busy", "operations/op-verify", "operations/op-prune?preview=1",
		"restores", "restores/new", "restores/current", "restores/plans/" + portaltest.PlanID, "restores/plans/" + portaltest.PlanID + "?section=refused", "restores/plans/" + portaltest.ProductionID, "restores/plans/" + portaltest.UndoID,
		"restores/plans/" + strings.Repeat("77", 32), "operations/op-plan", "operations/op-restoring",
		"drills", "drills/" + string(portaltest.DrillID(0)), "drills/" + string(portaltest.DrillID(1)), "drills/" + string(portaltest.DrillID(2)), "drills/" + string(portaltest.DrillID(3)),
		"diffs/new", "diffs/" + portaltest.DiffID, "diffs/" + portaltest.DiffID + "?section=access", "diffs/" + portaltest.DiffID + "?section=roles", "operations/op-diff"} {
		all = append(all, "/i/healthy/"+path)
	}
	return append(all, "/i/partial/backups", "/i/partial/backups/"+string(portaltest.ID(0)), "/i/failed/backups", "/i/running/cancel", "/i/failed/alerts",
		"/i/none/enable/share", "/i/none/enable/account", "/i/none/enable/key")
}

// sights are how the pages are looked at. The barriers of a page are the same at each width but
// for the phone's, and contrast differs by theme.
var sights = []struct {
	width int64
	theme string
	rules string // of axe
}{{1280, "light", browser.AllRules}, {320, "light", ""}, {1280, "dark", browser.ThemeRules}, {390, "dark", ""}, {390, "light", ""}}

// TestPagesWithoutBarriers: no page has a barrier that axe-core knows of, is wider than its
// window, or does what its security policy forbids.
func TestPagesWithoutBarriers(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	said := browser.Complaints(t, ctx)
	var bad []string
	note := func(isBad bool, what string) {
		if isBad {
			bad = append(bad, what)
		}
	}
	for _, address := range addresses() {
		for i, sight := range sights[:tier.Size(0, 2, len(sights))] {
			if sight.width == 390 && os.Getenv(browser.Pictures) == "" {
				continue // what fits 320 fits 390: this is for the eye
			}
			where := fmt.Sprintf("%s %d %s", address, sight.width, sight.theme)
			browser.Look(t, ctx, sight.width, sight.theme)
			if i == 0 || tier.Soak() { // no script asks how wide the window is: a page that is there fits another as a new one does
				require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(base+address)), where)
			}
			if rules := sight.rules; rules != "" || address == "/i/running/" {
				text := browser.Barriers(t, ctx, cmp.Or(rules, browser.AllRules))
				note(text != "", where+": "+text)
			}
			note(browser.TooWide(t, ctx), where+" is wider than its window")
			cut := browser.Script[bool](t, ctx, `[...document.querySelectorAll("svg .tick")].some(e => e.getBoundingClientRect().left < e.closest("svg").getBoundingClientRect().left - 1)`)
			note(cut, where+" cuts the text of a chart")
			for _, text := range said() {
				note(true, where+": "+text)
			}
			browser.Picture(t, ctx, fmt.Sprintf("%s-%d-%s", strings.NewReplacer("/", "_", "?", "_", "&", "_", "=", "_").Replace(strings.Trim(address, "/")), sight.width, sight.theme))
		}
	}
	require.Empty(t, bad, strings.Join(bad, "\n"))
}

// TestPicturesOfTheReadme makes the pictures again where PAGE_PICTURES names a folder: always the
// same ones, since time and data are invented.
func TestPicturesOfTheReadme(t *testing.T) {
	ctx := browser.Start(t)
	_, base := serve(t)
	for _, theme := range []string{"light", "dark"} {
		browser.Look(t, ctx, 1120, theme)
		browser.Visit(t, ctx, base+"/i/"+forReadme+"/")
		browser.Picture(t, ctx, "overview-"+theme)
	}
}
