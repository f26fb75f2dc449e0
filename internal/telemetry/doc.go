// Package telemetry is OpenTelemetry for infrabackup: traces over client,
// workflows and activities, metrics of the steps of a backup, and log records
// that carry the ids of the trace that they belong to.
//
// It exports over OTLP/gRPC when the standard environment variables name an
// endpoint, offers metrics to Prometheus when they say so, and is silent otherwise. Attributes come from small fixed sets (step,
// service, failure code), so that the number of time series stays small; no
// payload, path or name of an item ever becomes an attribute.
//
// Start reading at [Start], then [Telemetry.RecordStep].
package telemetry
