package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// TestTracingCostsNoWork: whatever the variables of OpenTelemetry say, a command does what it
// would do without them, and says so when it leaves no trace.
func TestTracingCostsNoWork(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "codec.keys")
	require.Zero(t, call(t, "", nil, "codec-key", "generate", "--out", keys).code)
	for name, tt := range map[string]struct {
		variables map[string]string
		warns     string
	}{
		"none":                     {},
		"a collector that is away": {variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, warns: "Warning: the trace of this command was not taken within 2s: "},
		"an unknown exporter":      {variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "zipkin"}, warns: "Warning: this command leaves no trace: CONFIG_INVALID"},
		// A command that offered metrics would open a port, which a worker has already.
		"metrics to be scraped": {variables: map[string]string{"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"INFRABACKUP_CODEC_KEY_FILE": keys, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
			for key, value := range tt.variables {
				t.Setenv(key, value)
				env[key] = value
			}
			out := call(t, "", env, "backup", "list", "--timeout", "1s")
			require.Equal(t, fault.ExitTemporal, out.code, out.stderr)
			require.Contains(t, out.stderr, string(fault.TemporalUnreachable))
			require.Equal(t, tt.warns != "", strings.Contains(out.stderr, "Warning"), out.stderr)
			require.Contains(t, out.stderr, tt.warns)
		})
	}
}
