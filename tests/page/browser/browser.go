package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab"
	"infrabackup/tests/tier"
)

//go:embed axe/axe.min.js
var axe string

// found are the barriers that axe finds by some rules, as a list in JSON.
const found = `axe.run(document, {runOnly: %s, resultTypes: ["violations"]})
	.then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ") + " (" + n.failureSummary.split("\n").slice(1).join(" ") + ")").slice(0, 3).join("; "))))`

// Rules of axe-core.
const (
	// AllRules are those of WCAG 2.2 at level AA and below.
	AllRules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`
	// ThemeRules are those that the theme is of matter to.
	ThemeRules = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// Start starts a headless Chromium, and returns the context of its first page. A test without
// one is left out, unless [lab.RequireVariable] says that it has to be there.
func Start(t testing.TB) context.Context {
	t.Helper()
	tier.NeedsServers(t)
	path := ""
	for _, name := range []string{"chromium-headless-shell", "headless_shell", "chromium"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" && os.Getenv(lab.RequireVariable) == "1" {
		t.Fatal("there is no Chromium here, and real servers are required: run make setup")
	}
	if path == "" {
		t.Skip("there is no Chromium here: run make setup")
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

// TrustAll makes the browser take any certificate, such as that of a test's server.
func TrustAll(t testing.TB, ctx context.Context) {
	t.Helper()
	_, err := chromedp.Call(ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true})
	require.NoError(t, err)
}

// Downloads makes the browser put downloads into a folder, which it returns.
func Downloads(t testing.TB, ctx context.Context) string {
	t.Helper()
	folder := t.TempDir()
	_, err := chromedp.CallBrowser(ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder})
	require.NoError(t, err)
	return folder
}

// Barriers returns what axe finds on the page, empty for nothing.
func Barriers(t testing.TB, ctx context.Context, rules string) string {
	t.Helper()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(found, rules), chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	if text == "[]" {
		return ""
	}
	return text
}

// Look makes the browser a device of that width and theme.
func Look(t testing.TB, ctx context.Context, width int64, theme string) {
	t.Helper()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(width, 900)))
}

// Complaints collects what the browser says that it stopped, by a page's security policy for
// one, or that went wrong. The function that it returns gives what came since it was called last.
func Complaints(t testing.TB, ctx context.Context) func() []string {
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

// Script runs in the page; tests ask it, the page's policy does not.
func Script[T any](t testing.TB, ctx context.Context, text string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](text))
	require.NoError(t, err, text)
	return value
}

// patience is how long something may take to become true in a page: longer than it takes until
// a server that was away is tried again.
const patience = 2 * time.Minute

// Until waits for something to become true in the page.
func Until(t testing.TB, ctx context.Context, text string) {
	t.Helper()
	var last error
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](text))
		if err == nil && ok {
			return
		}
		last = err // a page that is being left answers nothing
		select {
		case <-look.C:
		case <-deadline.C:
			now, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + " (" + document.readyState + ", focus on " + (document.activeElement || {}).outerHTML.slice(0, 200) + ")\n" + document.body.innerText.slice(0, 3000)`))
			require.FailNow(t, "the page does not come to it", "%s\n%v; the page now: %s %v", text, last, now, err)
		}
	}
}

// Says waits for a text on the page.
func Says(t testing.TB, ctx context.Context, text string) {
	t.Helper()
	Until(t, ctx, fmt.Sprintf(`document.readyState === "complete" && document.body.innerText.includes(%q)`, text))
}

// TabTo presses the tabulator until an element with the text has the focus, which must be seen.
func TabTo(t testing.TB, ctx context.Context, text string) {
	t.Helper()
	for range 60 {
		require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(kb.Tab)))
		if Script[bool](t, ctx, fmt.Sprintf("document.activeElement.textContent.trim().startsWith(%q) || document.activeElement.id === %q", text, text)) {
			require.True(t, Script[bool](t, ctx, `(e => getComputedStyle(e).outlineStyle !== "none" && e.getBoundingClientRect().top >= 0 && e.getBoundingClientRect().bottom <= innerHeight)(document.activeElement)`), "the focus on %s is not seen", text)
			return
		}
	}
	t.Fatalf("the keyboard does not reach %s", text)
}

// Press presses keys, where the focus is.
func Press(t testing.TB, ctx context.Context, keys string) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, chromedp.KeyEvent(keys)))
}

// Visit goes to an address.
func Visit(t testing.TB, ctx context.Context, address string) {
	t.Helper()
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(address)))
}

// TooWide reports whether the page is wider than its window.
func TooWide(t testing.TB, ctx context.Context) bool {
	t.Helper()
	return Script[bool](t, ctx, `document.documentElement.scrollWidth > document.documentElement.clientWidth`)
}

// Pictures is the variable that names the folder for pictures.
const Pictures = "PAGE_PICTURES"

// Picture writes what the browser shows, where [Pictures] names a folder.
func Picture(t testing.TB, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv(Pictures)
	if folder == "" {
		return
	}
	image, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(folder, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".png"), image, 0o644))
}
