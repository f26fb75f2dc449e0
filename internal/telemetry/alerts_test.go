package telemetry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"infrabackup/internal/alert"
	"infrabackup/internal/fault"
)

// series are the values of a gauge, by instance, code and severity.
type series map[[3]string]int64

// collect reads all gauges, by name.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]series {
	t.Helper()
	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &got))
	out := map[string]series{}
	for _, scope := range got.ScopeMetrics {
		for _, m := range scope.Metrics {
			gauge, ok := m.Data.(metricdata.Gauge[int64])
			require.True(t, ok, m.Name)
			require.Equal(t, "{alert}", m.Unit)
			require.NotEmpty(t, m.Description)
			out[m.Name] = series{}
			for _, p := range gauge.DataPoints {
				require.Equal(t, 3, p.Attributes.Len(), "nothing else is an attribute")
				value := func(key attribute.Key) string { v, _ := p.Attributes.Value(key); return v.AsString() }
				key := [3]string{value("infrabackup.instance"), value("infrabackup.alert.code"), value("infrabackup.alert.severity")}
				require.NotContains(t, out[m.Name], key, "one series")
				out[m.Name][key] = p.Value
			}
		}
	}
	return out
}

// raised are the series that are not 0.
func (s series) raised() series {
	out := series{}
	for key, n := range s {
		if n != 0 {
			out[key] = n
		}
	}
	return out
}

// TestAlertsAreObserved: each open alert is counted in the one series of its cause, and one that
// has closed no more.
func TestAlertsAreObserved(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := newTelemetry(nooptrace.NewTracerProvider(), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), quiet())
	require.NoError(t, err)
	state := map[string]alert.Facts{}
	require.NoError(t, telemetry.ObserveAlerts(func(see func(string, []alert.Alert)) {
		for instance, facts := range state {
			see(instance, alert.Evaluate(facts))
		}
	}))
	require.Empty(t, collect(t, reader), "what was not read is not told as well")

	now := time.Date(2027, 5, 4, 12, 0, 0, 0, time.UTC)
	damaged := func(id string) alert.Check {
		return alert.Check{Object: id, EndedAt: now.Add(-time.Hour), VerifiedAt: now, Code: string(fault.BackupDamaged)}
	}
	state["north"] = alert.Facts{
		Now: now, NoGood: true, Checks: []alert.Check{damaged("a"), damaged("b")},
		Acknowledged: []alert.Acknowledgement{{Code: alert.BackupDamaged, Object: "b", By: "anna", At: now}},
	}
	state["south"] = alert.Facts{Now: now, NotEnabled: true}
	got := collect(t, reader)
	require.Equal(t, series{
		{"north", "NO_GOOD_BACKUP", "critical"}: 1, {"north", "BACKUP_DAMAGED", "warning"}: 2, {"south", "NOT_ENABLED", "critical"}: 1,
	}, got["infrabackup.alerts.open"].raised())
	require.Equal(t, series{{"north", "BACKUP_DAMAGED", "warning"}: 1}, got["infrabackup.alerts.acknowledged"].raised())
	require.Len(t, got["infrabackup.alerts.open"], 2*len(alert.Causes()), "as many whatever is open")
	require.Len(t, got["infrabackup.alerts.acknowledged"], 2*len(alert.Causes()))

	state["north"] = alert.Facts{Now: now, Checks: []alert.Check{damaged("a")}}
	delete(state, "south")
	got = collect(t, reader)
	require.Equal(t, series{{"north", "BACKUP_DAMAGED", "warning"}: 1}, got["infrabackup.alerts.open"].raised())
	require.Contains(t, got["infrabackup.alerts.open"], [3]string{"north", "NO_GOOD_BACKUP", "critical"}, "what has closed is 0")
	require.Len(t, got["infrabackup.alerts.open"], len(alert.Causes()), "an instance that is not seen has no series")
}

func TestAlertsOfNobody(t *testing.T) {
	for _, telemetry := range []*Telemetry{nil, Discard()} {
		require.NoError(t, telemetry.ObserveAlerts(func(func(string, []alert.Alert)) { t.Error("nobody collects") }))
		telemetry.Flush(quiet())
	}
}
