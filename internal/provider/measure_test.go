package provider

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control/facts"
	"infrabackup/internal/telemetry"
)

// collector is an OTLP server that keeps the newest value of each series of open alerts.
type collector struct {
	metricspb.UnimplementedMetricsServiceServer
	mu   sync.Mutex
	open map[string]int64 // by instance and code
}

// Export implements the server.
func (c *collector) Export(_ context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range r.ResourceMetrics {
		for _, scope := range resource.ScopeMetrics {
			for _, m := range scope.Metrics {
				for _, p := range m.GetGauge().GetDataPoints() {
					attributes := map[string]string{}
					for _, a := range p.Attributes {
						attributes[a.Key] = a.Value.GetStringValue()
					}
					if m.Name == "infrabackup.alerts.open" {
						c.open[attributes["infrabackup.instance"]+" "+attributes["infrabackup.alert.code"]] = p.GetAsInt()
					}
				}
			}
		}
	}
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// TestMeasure: what the boards know arrives at a collector, and what they do not know yet does not.
func TestMeasure(t *testing.T) {
	c := &collector{open: map[string]int64{}}
	server := grpc.NewServer()
	metricspb.RegisterMetricsServiceServer(server, c)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-done) })
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://"+listener.Addr().String())
	logger := slog.New(slog.DiscardHandler)
	measured, err := telemetry.Start(t.Context(), telemetry.Options{ServiceName: "test", Logger: logger})
	require.NoError(t, err)

	p := &Provider{logger: logger}
	for _, name := range []string{"north", "south", "unread"} {
		b := board.New(facts.Source{}, board.Options{}) // nobody lets it read
		b.Apply(func(s *board.Snapshot) {
			s.Instance = backup.Instance{Name: name}
			if name == "unread" {
				return
			}
			s.AsOf = time.Now()
			if cause, _ := alert.Find(alert.ShareFull); name == "north" {
				s.Alerts = []alert.Alert{{Cause: cause}}
			}
		})
		p.boards = append(p.boards, b)
	}
	require.NoError(t, p.Measure(measured))
	measured.Flush(logger)
	c.mu.Lock()
	defer c.mu.Unlock()
	require.EqualValues(t, 1, c.open["north SHARE_FULL"])
	require.Contains(t, c.open, "south SHARE_FULL")
	require.Zero(t, c.open["south SHARE_FULL"])
	require.Len(t, c.open, 2*len(alert.Causes()))
}
