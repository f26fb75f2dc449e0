package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// scope names the instrumentation scope of everything made here.
const scope = "infrabackup"

// Options describe the process that reports.
type Options struct {
	ServiceName string // such as infrabackup-worker
	Version     string
	Instance    string // the instance that is backed up, may be empty
	Host        string // stable name of the host, may be empty

	// Logger receives the exporters' own failures; slog.Default when nil.
	Logger *slog.Logger
	// Lookup reads the environment; os.LookupEnv when nil. The exporters
	// themselves always read the process's environment.
	Lookup func(name string) (string, bool)
}

// Telemetry holds the providers of traces and metrics. The zero value is not
// usable: take [Start] or [Discard]. A nil *Telemetry behaves as [Discard].
type Telemetry struct {
	exporting bool
	tracer    trace.Tracer
	meter     metric.Meter
	steps     instruments
	logger    *slog.Logger
	own       []attribute.KeyValue          // of everything that is recorded
	shutdown  []func(context.Context) error // in order
}

var discard = mustDiscard()

// Discard returns a Telemetry that records nothing.
func Discard() *Telemetry { return discard }

func mustDiscard() *Telemetry {
	t, err := newTelemetry(nooptrace.NewTracerProvider(), noopmetric.NewMeterProvider(), slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err) // the no-op meter gives no errors
	}
	return t
}

// Start sets up export over OTLP/gRPC when OTEL_EXPORTER_OTLP_ENDPOINT, or its
// form for traces or metrics alone, is set and OTEL_SDK_DISABLED is not true. Where
// OTEL_METRICS_EXPORTER is prometheus, metrics are offered to be scraped instead, on the
// loopback address unless OTEL_EXPORTER_PROMETHEUS_HOST says another one. Without any of
// these it returns [Discard]. Connecting happens in the background: a collector that is
// away costs records, never the work itself. Everything else about the export
// (headers, TLS, intervals, sampling) is read from the standard OTEL_…
// variables by the exporters. The caller calls [Telemetry.Shutdown]. Errors are
// CONFIG_INVALID faults.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Lookup == nil {
		o.Lookup = os.LookupEnv
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	signals, err := exported(o.Lookup)
	if err != nil {
		return nil, err
	}
	if !signals.traces && !signals.metrics && signals.scraped == "" {
		return Discard(), nil
	}
	if err := examine(o.Lookup); err != nil {
		return nil, err
	}
	res, err := describe(ctx, o)
	if err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		o.Logger.Warn("telemetry could not be exported", "error", err)
	}))

	var (
		traces   trace.TracerProvider = nooptrace.NewTracerProvider()
		metrics  metric.MeterProvider = noopmetric.NewMeterProvider()
		shutdown []func(context.Context) error
	)
	if signals.traces {
		exporter, err := otlptracegrpc.New(ctx)
		if err != nil {
			return nil, fault.New(fault.ConfigInvalid, "the OTLP exporter of traces was refused", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(res))
		traces, shutdown = provider, append(shutdown, provider.Shutdown)
	}
	if signals.metrics {
		exporter, err := otlpmetricgrpc.New(ctx)
		if err != nil {
			fail := fault.New(fault.ConfigInvalid, "the OTLP exporter of metrics was refused", err)
			return nil, errors.Join(fail, shutdownAll(ctx, shutdown))
		}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)), sdkmetric.WithResource(res))
		metrics, shutdown = provider, append(shutdown, provider.Shutdown)
	}
	if signals.scraped != "" {
		reader, end, err := scraped(ctx, signals.scraped, o.Logger)
		if err != nil {
			return nil, errors.Join(err, shutdownAll(ctx, shutdown))
		}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res))
		metrics, shutdown = provider, append(shutdown, end, provider.Shutdown)
	}
	t, err := newTelemetry(traces, metrics, o.Logger)
	if err != nil {
		return nil, errors.Join(err, shutdownAll(ctx, shutdown))
	}
	t.exporting, t.shutdown = true, shutdown
	return t, nil
}

func newTelemetry(traces trace.TracerProvider, metrics metric.MeterProvider, logger *slog.Logger) (*Telemetry, error) {
	t := &Telemetry{tracer: traces.Tracer(scope), meter: metrics.Meter(scope), logger: logger}
	steps, err := newInstruments(t.meter)
	if err != nil {
		return nil, err
	}
	t.steps = steps
	return t, nil
}

// Shutdown flushes what was recorded and ends the exporters, within ctx.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	return shutdownAll(ctx, t.orDiscard().shutdown)
}

// Exporting reports whether anything is exported at all.
func (t *Telemetry) Exporting() bool { return t.orDiscard().exporting }

// Tracer makes spans below the ones that the SDK's interceptor makes for
// workflows and activities.
func (t *Telemetry) Tracer() trace.Tracer { return t.orDiscard().tracer }

// Of is a Telemetry whose metrics name an instance, for a process that serves several. It ends with
// t, and is not shut down by itself.
func (t *Telemetry) Of(instance string) *Telemetry {
	of := *t.orDiscard()
	of.own, of.shutdown = []attribute.KeyValue{instanceKey.String(instance)}, nil
	return &of
}

func (t *Telemetry) orDiscard() *Telemetry {
	if t == nil {
		return discard
	}
	return t
}

func shutdownAll(ctx context.Context, all []func(context.Context) error) error {
	var errs []error
	for _, end := range all {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

func describe(ctx context.Context, o Options) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{semconv.ServiceName(o.ServiceName), semconv.ServiceVersion(o.Version)}
	if o.Instance != "" {
		attributes = append(attributes, instanceKey.String(o.Instance))
	}
	if o.Host != "" {
		attributes = append(attributes, semconv.HostName(o.Host))
	}
	// The environment (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES) comes last and wins.
	res, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(attributes...), resource.WithFromEnv())
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "OTEL_RESOURCE_ATTRIBUTES was refused", err)
	}
	return res, nil
}

// maxPEMBytes bounds the files that the exporters read.
const maxPEMBytes = 4 << 20

// examine looks at the files that the exporters' variables name. The exporters open them
// whatever they are, and go on without one that they cannot use.
func examine(lookup func(string) (string, bool)) error {
	for _, signal := range []string{"", "TRACES_", "METRICS_"} {
		for _, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
			variable := "OTEL_EXPORTER_OTLP_" + signal + name
			path, _ := lookup(variable)
			if path = strings.TrimSpace(path); path == "" {
				continue
			}
			if err := (secret.File{MaxBytes: maxPEMBytes, Private: name == "CLIENT_KEY"}).Examine(path); err != nil {
				return fault.New(fault.ConfigInvalid, variable+" was refused", err)
			}
		}
	}
	return nil
}

// signals are what is sent. Scraped is the address at which metrics wait to be asked for.
type signals struct {
	traces, metrics bool
	scraped         string
}

// exporters are those that a signal can have.
var exporters = map[string]string{"TRACES": "otlp and none", "METRICS": "otlp, prometheus and none"}

// exported decides by the variables of the OpenTelemetry specification
// ("Environment Variable Specification" and "OpenTelemetry Protocol Exporter").
func exported(lookup func(string) (string, bool)) (signals, error) {
	get := func(name string) string {
		value, _ := lookup(name)
		return strings.TrimSpace(value)
	}
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return signals{}, nil
	}
	one := func(signal string) (bool, error) {
		if get("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && get("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") == "" {
			return false, nil
		}
		switch exporter := get("OTEL_" + signal + "_EXPORTER"); exporter {
		case "none":
			return false, nil
		case "", "otlp":
		default:
			return false, fault.Newf(fault.ConfigInvalid, "OTEL_%s_EXPORTER is %q; %s are supported", signal, exporter, exporters[signal])
		}
		for _, name := range []string{"OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
			switch protocol := get(name); protocol {
			case "":
				continue
			case "grpc":
				return true, nil
			default:
				return false, fault.Newf(fault.ConfigInvalid, "%s is %q; only grpc is supported", name, protocol)
			}
		}
		return true, nil
	}
	traces, err := one("TRACES")
	if err != nil {
		return signals{}, fmt.Errorf("set up traces: %w", err)
	}
	if get("OTEL_METRICS_EXPORTER") == "prometheus" {
		address, err := scrapedAt(get)
		if err != nil {
			return signals{}, fmt.Errorf("set up metrics: %w", err)
		}
		return signals{traces: traces, scraped: address}, nil
	}
	metrics, err := one("METRICS")
	if err != nil {
		return signals{}, fmt.Errorf("set up metrics: %w", err)
	}
	return signals{traces: traces, metrics: metrics}, nil
}
