package monitoring

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/telemetry"
)

// scrape is what Prometheus reads from a worker, and from serve, that have done something.
func scrape(t *testing.T) []string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(free.Addr().String())
	require.NoError(t, err)
	require.NoError(t, free.Close())
	environment := map[string]string{"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": port}
	var all []string
	process := func(o telemetry.Options, act func(*telemetry.Telemetry)) {
		o.Logger = slog.New(slog.DiscardHandler)
		o.Lookup = func(name string) (string, bool) { value, ok := environment[name]; return value, ok }
		measured, err := telemetry.Start(t.Context(), o)
		require.NoError(t, err)
		act(measured)
		answer, err := http.Get("http://127.0.0.1:" + port + "/metrics")
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.NoError(t, measured.Shutdown(t.Context()))
		all = append(all, string(text))
	}
	process(telemetry.Options{ServiceName: "infrabackup-worker", Instance: "north"}, func(m *telemetry.Telemetry) {
		m.RecordStep(t.Context(), "CollectAD", backup.AD, 3, 400, time.Second, "")
		m.RecordStep(t.Context(), "UploadPart", backup.AD, 0, 400, time.Second, fault.ShareUnreachable)
	})
	process(telemetry.Options{ServiceName: "infrabackup-serve"}, func(m *telemetry.Telemetry) {
		require.NoError(t, m.ObserveAlerts(func(see func(string, []alert.Alert)) { see("north", nil) }))
	})
	return all
}

// expressions are all that a file asks Prometheus for, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	data, err := os.ReadFile("rules.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &rules))
	for _, r := range rules.Groups[0].Rules {
		found["rule "+r.Alert] = r.Expr
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
			GridPos struct{ X, Y, W, H int }
		}
		Templating struct{ List []struct{ Query any } }
	}
	if data, err = os.ReadFile("dashboard.json"); err != nil {
		t.Fatal(err)
	}
	require.NoError(t, json.Unmarshal(data, &dashboard))
	taken := map[[2]int]string{}
	for _, p := range dashboard.Panels {
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			found["panel "+p.Title] = target.Expr
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			require.Less(t, x, 24, p.Title)
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	require.Len(t, dashboard.Templating.List, 2)
	found["variable instance"] = dashboard.Templating.List[1].Query.(map[string]any)["query"].(string)
	require.Greater(t, len(found), 14)
	return found
}

// TestNames: every metric and every label that rules and dashboard name is one that is offered.
func TestNames(t *testing.T) {
	offered := strings.Join(scrape(t), "")
	names, labels := map[string]bool{"up": true}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? `).FindAllStringSubmatch(offered, -1) {
		names[m[1]] = true
		for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = true
		}
	}
	require.Contains(t, offered, `infrabackup_step_failures_total{infrabackup_code="SHARE_UNREACHABLE",infrabackup_instance="north",infrabackup_service="AD",infrabackup_step="UploadPart"} 1`)
	word := regexp.MustCompile(`\binfrabackup_\w+`)
	for where, expression := range expressions(t) {
		used := word.FindAllString(expression, -1)
		require.NotEmpty(t, append(used, regexp.MustCompile(`\bup\{`).FindAllString(expression, -1)...), where)
		for _, name := range used {
			require.True(t, names[name] || labels[name], "%s asks for %s, which nothing offers", where, name)
		}
	}
	documented, err := os.ReadFile(filepath.Join("..", "OPERATIONS.md"))
	require.NoError(t, err)
	for name := range names {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count"), "_total")
		if strings.HasPrefix(base, "infrabackup_") {
			dotted := strings.ReplaceAll(strings.TrimSuffix(base, "_seconds"), "_", ".")
			require.Contains(t, string(documented), "`"+dotted+"`", "the operations guide does not list it")
		}
	}
}

// TestPromtool lets Prometheus' own tool read rules, dashboard and what is offered.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	run := func(input string, args ...string) {
		t.Helper()
		cmd := exec.Command(promtool, args...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	run("", "check", "rules", "rules.yaml")
	run("", "test", "rules", "rules.test.yaml")
	for _, offered := range scrape(t) {
		run(offered, "check", "metrics")
	}
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var panels []rule
	for where, expression := range expressions(t) {
		if strings.HasPrefix(where, "panel ") {
			panels = append(panels, rule{"panel", strings.NewReplacer("$__rate_interval", "5m", "$instance", "north").Replace(expression)})
		}
	}
	data, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": panels}}})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "panels.yaml")
	require.NoError(t, os.WriteFile(path, data, 0o600))
	run("", "check", "rules", "--lint=none", path)
}
