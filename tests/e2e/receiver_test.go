package e2e

import (
	"bytes"
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// receiver takes the traces and metrics that a worker exports and keeps their bytes.
type receiver struct {
	address string
	mu      sync.Mutex
	got     bytes.Buffer
	spans   map[string][]string // names of spans by their trace
}

// newReceiver listens until the test ends.
func newReceiver(t *testing.T) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &receiver{address: listener.Addr().String(), spans: map[string][]string{}}
	server := grpc.NewServer()
	tracespb.RegisterTraceServiceServer(server, traces{receiver: r})
	metricspb.RegisterMetricsServiceServer(server, metrics{receiver: r})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); err != nil {
			t.Errorf("receive telemetry: %v", err)
		}
	})
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return r
}

// environment makes a process export to the receiver, within seconds and when it ends.
func (r *receiver) environment() []string {
	return []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + r.address, "OTEL_BSP_SCHEDULE_DELAY=500", "OTEL_METRIC_EXPORT_INTERVAL=5000"}
}

// received is everything that came so far.
func (r *receiver) received() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got.Bytes())
}

func (r *receiver) keep(message proto.Message) error {
	data, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got.Write(data)
	return nil
}

type traces struct {
	tracespb.UnimplementedTraceServiceServer
	*receiver
}

// Export implements the trace service.
func (s traces) Export(_ context.Context, request *tracespb.ExportTraceServiceRequest) (*tracespb.ExportTraceServiceResponse, error) {
	s.mu.Lock()
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				s.spans[string(span.GetTraceId())] = append(s.spans[string(span.GetTraceId())], span.GetName())
			}
		}
	}
	s.mu.Unlock()
	return &tracespb.ExportTraceServiceResponse{}, s.keep(request)
}

type metrics struct {
	metricspb.UnimplementedMetricsServiceServer
	*receiver
}

// Export implements the metrics service.
func (s metrics) Export(_ context.Context, request *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	return &metricspb.ExportMetricsServiceResponse{}, s.keep(request)
}

// oneTrace waits for a trace that has spans of all these names.
func (o *operator) oneTrace(names ...string) {
	o.t.Helper()
	require.Eventually(o.t, func() bool {
		o.traces.mu.Lock()
		defer o.traces.mu.Unlock()
		for _, spans := range o.traces.spans {
			if !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(spans, name) }) {
				return true
			}
		}
		return false
	}, time.Minute, 20*time.Millisecond, "%v", names)
}
