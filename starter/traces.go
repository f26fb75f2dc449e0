package main

import (
	"context"
	"log/slog"
	"slices"
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
		a.say("Warning: the trace of this command was not taken within %s: %v", flushTime, err)
	}
}

// staying are commands that go on until they are stopped, with a telemetry of their own or none.
var staying = []string{"serve", "codec-server"}

// trace makes a span of each command below cmd, above those of what it asks Temporal for.
func (a *app) trace(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		a.trace(sub)
	}
	run := cmd.RunE
	if run == nil || slices.Contains(staying, cmd.Name()) {
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.startTracing(cmd.Context())
		defer a.endTracing()
		ctx, span := a.traces.Tracer().Start(cmd.Context(), cmd.CommandPath())
		defer span.End() // before what was recorded is sent
		cmd.SetContext(ctx)
		err := run(cmd, args)
		if _, told := err.(exitCode); err != nil && !told {
			span.SetStatus(codes.Error, string(fault.CodeOf(err))) // the code alone: messages name paths and accounts
		}
		return err
	}
}
