package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"infrabackup/internal/alert"
)

// Attributes of the metrics of alerts. A process may serve several instances.
const (
	instanceKey      = attribute.Key("infrabackup.instance")
	alertCodeKey     = attribute.Key("infrabackup.alert.code")
	alertSeverityKey = attribute.Key("infrabackup.alert.severity")
)

// ObserveAlerts reports how many alerts are open, and how many of those were acknowledged, whenever
// metrics are collected. Look then calls see with the open alerts of each instance whose state was
// read; it must not wait. There is one time series for each instance and cause, which is 0 while no
// alert has the cause: which backup or key an alert is about never becomes an attribute. An instance
// that is not seen has no series.
func (t *Telemetry) ObserveAlerts(look func(see func(instance string, open []alert.Alert))) error {
	meter := t.orDiscard().meter
	open, err := meter.Int64ObservableGauge("infrabackup.alerts.open", metric.WithUnit("{alert}"),
		metric.WithDescription("Open alerts, by cause."))
	if err != nil {
		return fmt.Errorf("create the gauge of open alerts: %w", err)
	}
	acknowledged, err := meter.Int64ObservableGauge("infrabackup.alerts.acknowledged", metric.WithUnit("{alert}"),
		metric.WithDescription("Open alerts that an operator has acknowledged, by cause."))
	if err != nil {
		return fmt.Errorf("create the gauge of acknowledged alerts: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		look(func(instance string, all []alert.Alert) { observe(o, open, acknowledged, instance, all) })
		return nil
	}, open, acknowledged)
	if err != nil {
		return fmt.Errorf("observe alerts: %w", err)
	}
	return nil
}

// observe reports the alerts of one instance.
func observe(o metric.Observer, open, acknowledged metric.Int64Observable, instance string, all []alert.Alert) {
	counts, known := map[alert.Code]int64{}, map[alert.Code]int64{}
	for _, a := range all {
		counts[a.Code]++
		if !a.AcknowledgedAt.IsZero() {
			known[a.Code]++
		}
	}
	for _, cause := range alert.Causes() {
		set := metric.WithAttributeSet(attribute.NewSet(
			instanceKey.String(instance), alertCodeKey.String(string(cause.Code)), alertSeverityKey.String(string(cause.Severity)),
		))
		o.ObserveInt64(open, counts[cause.Code], set)
		o.ObserveInt64(acknowledged, known[cause.Code], set)
	}
}

// flushTime bounds the last export.
const flushTime = 5 * time.Second

// Flush is [Telemetry.Shutdown] at the end of a process, within five seconds. What could not be
// exported is logged.
func (t *Telemetry) Flush(logger *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		logger.Warn("the last telemetry was not exported", "error", err)
	}
}
