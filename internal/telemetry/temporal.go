package telemetry

import (
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
)

// Interceptors traces client calls, workflows and activities as one trace. It is
// empty when nothing is exported, so that no headers are written in vain.
func (t *Telemetry) Interceptors() ([]interceptor.ClientInterceptor, error) {
	t = t.orDiscard()
	if !t.exporting {
		return nil, nil
	}
	tracing, err := opentelemetry.NewTracingInterceptor(opentelemetry.TracerOptions{
		Tracer: t.tracer,
		// A caller may use other propagation; its workflows must still run.
		AllowInvalidParentSpans: true,
		// Baggage comes from elsewhere and would be kept in the history in clear.
		DisableBaggage: true,
	})
	if err != nil {
		return nil, fmt.Errorf("create the tracing interceptor: %w", err)
	}
	return []interceptor.ClientInterceptor{tracing}, nil
}

// MetricsHandler feeds the SDK's own metrics into the same meter. It is nil,
// which the SDK takes as none, when nothing is exported.
func (t *Telemetry) MetricsHandler() client.MetricsHandler {
	t = t.orDiscard()
	if !t.exporting {
		return nil
	}
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                t.meter,
		InitialAttributes:    attribute.NewSet(t.own...),
		UseMonotonicCounters: true,
		// Without this a refused instrument would panic.
		OnError: func(err error) { t.logger.Warn("a metric of the Temporal SDK was refused", "error", err) },
	})
}
