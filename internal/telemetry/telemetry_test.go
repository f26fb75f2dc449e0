package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

func TestSilentWithoutEndpoint(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing set":  {},
		"empty":        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
		"switched off": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		"no exporters": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Start(t.Context(), Options{ServiceName: "test", Lookup: environment(env)})
			require.NoError(t, err)
			require.False(t, got.Exporting())
		})
	}
}

func TestRefusesWhatItCannotSpeak(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"protocol":            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
		"protocol of traces":  {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
		"exporter of metrics": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_METRICS_EXPORTER": "console"},
		"exporter of traces":  {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "prometheus"},
		"port to be scraped":  {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_PORT": "65536"},
		"host to be scraped":  {"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_EXPORTER_PROMETHEUS_HOST": "192.0.2.1", "OTEL_EXPORTER_PROMETHEUS_PORT": "0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Start(t.Context(), Options{ServiceName: "test", Lookup: environment(env)})
			require.ErrorIs(t, err, fault.ConfigInvalid)
		})
	}
}

// Nil and Discard must be usable wherever a Telemetry is.
func TestNilAndDiscard(t *testing.T) {
	for name, telemetry := range map[string]*Telemetry{"nil": nil, "discard": Discard()} {
		t.Run(name, func(t *testing.T) {
			telemetry.RecordStep(t.Context(), "CollectAD", backup.AD, 1, 2, time.Second, "")
			_, span := telemetry.Tracer().Start(t.Context(), "x")
			span.End()
			interceptors, err := telemetry.Interceptors()
			require.NoError(t, err)
			require.Empty(t, interceptors)
			require.Nil(t, telemetry.MetricsHandler())
			require.NoError(t, telemetry.Shutdown(t.Context()))
		})
	}
}

func TestRecordStep(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := newTelemetry(nooptrace.NewTracerProvider(), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), quiet())
	require.NoError(t, err)
	ctx := t.Context()
	telemetry.RecordStep(ctx, "UploadPart", backup.AD, 10, 1000, 2*time.Second, "")
	telemetry.RecordStep(ctx, "UploadPart", backup.AD, 5, 500, 3*time.Second, fault.ShareFull)
	telemetry.RecordStep(ctx, "CheckShare", "", 0, -1, -time.Second, "")

	var got metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(ctx, &got))
	require.Len(t, got.ScopeMetrics, 1)
	metrics := map[string]metricdata.Metrics{}
	for _, m := range got.ScopeMetrics[0].Metrics {
		metrics[m.Name] = m
	}
	upload := attribute.NewSet(stepKey.String("UploadPart"), serviceKey.String("AD"))
	failed := attribute.NewSet(stepKey.String("UploadPart"), serviceKey.String("AD"), codeKey.String("SHARE_FULL"))
	check := attribute.NewSet(stepKey.String("CheckShare"))
	counter := func(unit string, name, description string, points ...metricdata.DataPoint[int64]) {
		t.Helper()
		metricdatatest.AssertEqual(t, metricdata.Metrics{
			Name: name, Description: description, Unit: unit,
			Data: metricdata.Sum[int64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true},
		}, metrics[name], metricdatatest.IgnoreTimestamp())
	}
	counter("By", "infrabackup.step.bytes", "Bytes that a step of a backup has handled.",
		metricdata.DataPoint[int64]{Attributes: upload, Value: 1500}, metricdata.DataPoint[int64]{Attributes: check})
	counter("{item}", "infrabackup.step.items", "Items that a step of a backup has handled.",
		metricdata.DataPoint[int64]{Attributes: upload, Value: 15}, metricdata.DataPoint[int64]{Attributes: check})
	counter("{failure}", "infrabackup.step.failures", "Attempts of a step that failed, by failure code.",
		metricdata.DataPoint[int64]{Attributes: failed, Value: 1})
	durations, ok := metrics["infrabackup.step.duration"].Data.(metricdata.Histogram[float64])
	require.True(t, ok)
	sums := map[attribute.Set]float64{}
	for _, p := range durations.DataPoints {
		sums[p.Attributes] = p.Sum
	}
	require.Equal(t, map[attribute.Set]float64{upload: 2, failed: 3, check: 0}, sums)
}

func TestLogHandler(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(NewLogHandler(slog.NewJSONHandler(&out, nil)))
	ctx, span := sdktrace.NewTracerProvider().Tracer("t").Start(t.Context(), "x")
	defer span.End()

	record := func() map[string]any {
		defer out.Reset()
		var got map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &got))
		return got
	}
	logger.With("a", 1).InfoContext(ctx, "inside")
	got := record()
	require.Equal(t, span.SpanContext().TraceID().String(), got["trace_id"])
	require.Equal(t, span.SpanContext().SpanID().String(), got["span_id"])
	require.EqualValues(t, 1, got["a"])

	logger.Info("outside")
	require.NotContains(t, record(), "trace_id")

	logger.Debug("below the level")
	require.Empty(t, out.String())
}

// TestLoggersOfProcesses: each process logs as its configuration says, and what is debugged with
// nonsense for a level is not silent.
func TestLoggersOfProcesses(t *testing.T) {
	for name, c := range map[string]struct{ format, level, want string }{
		"text":        {"text", "warn", "level=WARN msg=hello"},
		"json":        {"json", "warn", `"level":"WARN","msg":"hello"`},
		"upper case":  {"text", "WARN", "level=WARN msg=hello"},
		"no level":    {"text", "", "level=INFO msg=first"},
		"no such one": {"json", "loud", `"level":"INFO","msg":"first"`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			logger := NewLogger(&out, c.format, c.level)
			logger.Debug("zero")
			logger.Info("first")
			logger.Warn("hello")
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			require.Contains(t, lines[0], c.want)
			require.NotContains(t, out.String(), "zero")
			require.Contains(t, lines[len(lines)-1], "hello")
		})
	}
}

// collector is a real OTLP server that remembers names.
type collector struct {
	tracespb.UnimplementedTraceServiceServer
	metrics metricsServer
	mu      sync.Mutex
	spans   []string
	names   []string
	service string
}

type metricsServer struct {
	metricspb.UnimplementedMetricsServiceServer
	c *collector
}

func (c *collector) Export(_ context.Context, r *tracespb.ExportTraceServiceRequest) (*tracespb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.ResourceSpans {
		for _, a := range resource.Resource.Attributes {
			if a.Key == "service.name" {
				c.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans = append(c.spans, span.Name)
			}
		}
	}
	return &tracespb.ExportTraceServiceResponse{}, nil
}

func (m metricsServer) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for _, resource := range r.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, metric := range scope.Metrics {
				m.c.names = append(m.c.names, metric.Name)
			}
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func startCollector(t *testing.T) (*collector, string) {
	t.Helper()
	c := &collector{}
	c.metrics.c = c
	server := grpc.NewServer()
	tracespb.RegisterTraceServiceServer(server, c)
	metricspb.RegisterMetricsServiceServer(server, c.metrics)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-done) })
	return c, "http://" + listener.Addr().String()
}

func TestExport(t *testing.T) {
	c, endpoint := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	telemetry, err := Start(t.Context(), Options{ServiceName: "infrabackup-test", Version: "1", Instance: "local", Host: "h", Logger: quiet()})
	require.NoError(t, err)
	require.True(t, telemetry.Exporting())

	interceptors, err := telemetry.Interceptors()
	require.NoError(t, err)
	require.Len(t, interceptors, 1)
	telemetry.MetricsHandler().Counter("temporal_requests").Inc(1)
	telemetry.RecordStep(t.Context(), "CollectAD", backup.AD, 1, 2, time.Second, fault.SourceTLS)
	_, span := telemetry.Tracer().Start(t.Context(), "a span")
	span.End()
	require.NoError(t, telemetry.Shutdown(t.Context()))

	c.mu.Lock()
	defer c.mu.Unlock()
	require.Equal(t, []string{"a span"}, c.spans)
	require.Equal(t, "infrabackup-test", c.service)
	require.ElementsMatch(t, []string{"temporal_requests", "infrabackup.step.items", "infrabackup.step.bytes", "infrabackup.step.duration", "infrabackup.step.failures"}, c.names)
}

// A collector that is away costs neither the start nor, beyond its bound, the end.
func TestCollectorAway(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+listener.Addr().String())
	telemetry, err := Start(t.Context(), Options{ServiceName: "test", Logger: quiet()})
	require.NoError(t, err)
	telemetry.RecordStep(t.Context(), "CollectAD", backup.AD, 1, 2, time.Second, "")

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	require.Error(t, telemetry.Shutdown(ctx))
	require.Less(t, time.Since(start), 5*time.Second)
}
