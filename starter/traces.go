package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel/codes"

	"infrabackup/internal/build"
	"infrabackup/internal/fault"
	"infrabackup/internal/telemetry"
)

// flushTime is how long a command waits at its end for a collector. It is short: a collector
// that is away costs the trace, and no work.
const flushTime = 2 * time.Second

// startTracing begins the export of traces, where the standard variables name a collector.
// Metrics are those of processes that stay, and a command neither sends nor offers any.
func (a *app) startTracing(ctx context.Context) {
	traced, err := telemetry.Start(ctx, telemetry.Options{
		ServiceName: "infrabackup", Version: build.Version(), Instance: a.instance, Logger: slog.New(slog.DiscardHandler),
		Lookup: func(name string) (string, bool) {
			if name == "OTEL_METRICS_EXPORTER" {
				return "none", true
			}
			return a.lookup(name)
		},
	})
	if err != nil {
		a.say("Warning: this command leaves no trace: %s", fault.As(err).Line())
		return
	}
	a.traces = traced
}

// endTracing sends what was recorded.
func (a *app) endTracing() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := a.traces.Shutdown(ctx); err != nil {
		a.say("Warning: the trace of this command was not exported: %s", fault.As(err).Line())
	}
}

// traced makes a span of a command, above those of what it asks Temporal for.
func (a *app) traced(ctx context.Context, cmd *cobra.Command, fn func(context.Context) error) error {
	ctx, span := a.traces.Tracer().Start(ctx, cmd.CommandPath())
	defer span.End()
	err := fn(ctx)
	if err != nil {
		span.SetStatus(codes.Error, string(fault.As(err).Code)) // the code alone: messages name paths and accounts
	}
	return err
}
