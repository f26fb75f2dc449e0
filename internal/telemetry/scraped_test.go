package telemetry

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// TestScraped: metrics are offered on the loopback address, to reading alone, and no longer
// than the process wants.
func TestScraped(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	env := map[string]string{"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "0"}
	m, err := Start(t.Context(), Options{ServiceName: "infrabackup-worker", Instance: "north", Host: "h1", Logger: logger, Lookup: environment(env)})
	require.NoError(t, err)
	require.True(t, m.Exporting())
	address := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(log.String())
	require.NotNil(t, address, log.String())
	host, port, err := net.SplitHostPort(address[1])
	require.NoError(t, err)
	require.True(t, net.ParseIP(host).IsLoopback(), host)

	_, err = Start(t.Context(), Options{ServiceName: "second", Logger: logger, Lookup: environment(map[string]string{"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST": host, "OTEL_EXPORTER_PROMETHEUS_PORT": port})})
	require.ErrorIs(t, err, fault.ConfigInvalid, "the port is in use")

	m.RecordStep(t.Context(), "UploadPart", backup.AD, 2, 10, time.Second, fault.ShareUnreachable)
	m.MetricsHandler().Counter("temporal_requests").Inc(1)
	log.Reset()
	several, err := Start(t.Context(), Options{ServiceName: "infrabackup-worker", Host: "h1", Logger: logger, Lookup: environment(env)})
	require.NoError(t, err)
	secondAddress := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(log.String())[1]
	askAt := func(at, method, path string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at+path, strings.NewReader(""))
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { require.NoError(t, answer.Body.Close()) }()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body)
	}
	ask := func(method, path string) (int, string) { return askAt(address[1], method, path) }
	status, text := ask(http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, text, `infrabackup_step_bytes_total{infrabackup_instance="north",infrabackup_service="AD",infrabackup_step="UploadPart"} 10`)
	require.Contains(t, text, "temporal_requests")
	for _, bad := range [][2]string{{http.MethodPost, "/metrics"}, {http.MethodGet, "/"}, {http.MethodGet, "/debug/pprof/"}, {http.MethodDelete, "/metrics"}} {
		status, _ := ask(bad[0], bad[1])
		require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, status, bad)
	}

	// A process that serves several instances tells them apart.
	for _, instance := range []string{"east", "west"} {
		of := several.Of(instance)
		of.RecordStep(t.Context(), "UploadPart", backup.AD, 3, 20, time.Second, "")
		of.MetricsHandler().WithTags(map[string]string{"a": "b"}).Counter("temporal_requests").Inc(1)
		require.NoError(t, of.Shutdown(t.Context()))
	}
	status, text = askAt(secondAddress, http.MethodGet, "/metrics")
	require.Equal(t, http.StatusOK, status, "it ends with the process, not with an instance")
	for _, instance := range []string{"east", "west"} {
		require.Contains(t, text, `infrabackup_step_items_total{infrabackup_instance="`+instance+`",infrabackup_service="AD",infrabackup_step="UploadPart"} 3`)
		require.Regexp(t, `temporal_requests\w*\{a="b",infrabackup_instance="`+instance+`"`, text)
	}
	require.NoError(t, several.Shutdown(t.Context()))
	require.NoError(t, m.Shutdown(t.Context()))
	_, err = net.DialTimeout("tcp", address[1], time.Second)
	require.Error(t, err)
}
