package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/portal/portaltest"
	"infrabackup/tests/tier"
)

//go:embed axe/axe.min.js
var axe string

// found are the barriers that axe finds by some rules, as a list in JSON.
const found = `axe.run(document, {runOnly: %s, resultTypes: ["violations"]})
	.then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ") + " (" + n.failureSummary.split("\n").slice(1).join(" ") + ")").slice(0, 3).join("; "))))`

const (
	// allRules are those of WCAG 2.2 at level AA and below.
	allRules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`
	// themeRules are those that the theme is of matter to.
	themeRules = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// barriers returns what axe finds on the page, empty for nothing.
func barriers(t *testing.T, ctx context.Context, rules string) string {
	t.Helper()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(found, rules), chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	if text == "[]" {
		return ""
	}
	return text
}

// TestAxeIsWhatItWas: it was taken over from npm axe-core 4.14.1, axe.min.js.
func TestAxeIsWhatItWas(t *testing.T) {
	sums, err := os.ReadFile("axe/SHA256SUMS")
	require.NoError(t, err)
	require.Contains(t, string(sums), fmt.Sprintf("%x  axe.min.js", sha256.Sum256([]byte(axe))))
}

// chromium starts a headless Chromium; a test without one is left out.
func chromium(t *testing.T) context.Context {
	t.Helper()
	tier.NeedsServers(t)
	path := ""
	for _, name := range []string{"chromium-headless-shell", "headless_shell", "chromium"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium here")
	}
	allocated, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU)...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	_, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: axe})
	require.NoError(t, err)
	return ctx
}

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

// look makes the browser a device of that width and theme.
func look(t *testing.T, ctx context.Context, width int64, theme string) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900)))
}

// complaints collects what the browser says that it stopped, or that went wrong.
func complaints(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	entries, thrown := chromedp.Events(ctx, log.EntryAdded), chromedp.Events(ctx, runtime.ExceptionThrown)
	all := make(chan string, 1000)
	go func() {
		for e, err := range entries {
			if err != nil {
				return
			}
			if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
				all <- e.Entry.Text + " " + e.Entry.URL
			}
		}
	}()
	go func() {
		for e, err := range thrown {
			if err != nil {
				return
			}
			text, _ := json.Marshal(e.ExceptionDetails)
			all <- string(text)
		}
	}()
	return func() []string {
		var out []string
		for {
			select {
			case text := <-all:
				out = append(out, text)
			default:
				return out
			}
		}
	}
}

// addresses are all pages with what there is to see.
func addresses() []string {
	all := []string{"/login?return=/i/healthy/&kept=1&fresh=1", "/"}
	for _, state := range portaltest.States {
		all = append(all, "/i/"+state+"/")
	}
	for _, path := range []string{"backups", "backups/" + string(portaltest.ID(0)), "alerts", "schedule", "schedule/shorten?enabled=1&frequency=12&retention=3&keep=2", "prune", "settings",
		"settings/share", "settings/account", "settings/key", "settings/proof", "history", "operations/op-change", "operations/op-busy", "operations/op-verify", "operations/op-prune?preview=1"} {
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
}{{1280, "light", allRules}, {320, "light", ""}, {1280, "dark", themeRules}, {390, "dark", ""}, {390, "light", ""}}

// TestPagesWithoutBarriers: no page has a barrier that axe-core knows of, is wider than its
// window, or does what its security policy forbids.
func TestPagesWithoutBarriers(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	said := complaints(t, ctx)
	var bad []string
	note := func(isBad bool, what string) {
		if isBad {
			bad = append(bad, what)
		}
	}
	for _, sight := range sights[:tier.Size(0, 2, len(sights))] {
		if sight.width == 390 && os.Getenv(pictures) == "" {
			continue // what fits 320 fits 390: this is for the eye
		}
		look(t, ctx, sight.width, sight.theme)
		for _, address := range addresses() {
			where := fmt.Sprintf("%s %d %s", address, sight.width, sight.theme)
			require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(base+address)), where)
			if rules := sight.rules; rules != "" || address == "/i/running/" {
				text := barriers(t, ctx, cmp.Or(rules, allRules))
				note(text != "", where+": "+text)
			}
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
			require.NoError(t, err, where)
			note(wide, where+" is wider than its window")
			cut := script[bool](t, ctx, `[...document.querySelectorAll("svg .tick")].some(e => e.getBoundingClientRect().left < e.closest("svg").getBoundingClientRect().left - 1)`)
			note(cut, where+" cuts the text of a chart")
			for _, text := range said() {
				note(true, where+": "+text)
			}
			picture(t, ctx, fmt.Sprintf("%s-%d-%s", strings.NewReplacer("/", "_", "?", "_", "&", "_", "=", "_").Replace(strings.Trim(address, "/")), sight.width, sight.theme))
		}
	}
	require.Empty(t, bad, strings.Join(bad, "\n"))
}

// TestPicturesOfTheReadme makes the pictures again where PAGE_PICTURES names a folder: always the
// same ones, since time and data are invented.
func TestPicturesOfTheReadme(t *testing.T) {
	ctx := chromium(t)
	_, base := serve(t)
	for _, theme := range []string{"light", "dark"} {
		look(t, ctx, 1120, theme)
		visit(t, ctx, base+"/i/"+forReadme+"/")
		picture(t, ctx, "overview-"+theme)
	}
}

// pictures is the variable that names the folder for pictures.
const pictures = "PAGE_PICTURES"

// picture writes what the browser shows, where [pictures] names a folder.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv(pictures)
	if folder == "" {
		return
	}
	image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".png"), image, 0o644))
}
