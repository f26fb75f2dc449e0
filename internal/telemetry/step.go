package telemetry

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Attributes of the step metrics.
const (
	stepKey    = attribute.Key("infrabackup.step")
	serviceKey = attribute.Key("infrabackup.service")
	codeKey    = attribute.Key("infrabackup.code")
)

// durationBounds fit steps from a look at the share to the upload of a large part,
// in seconds.
var durationBounds = []float64{0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 14400}

type instruments struct {
	items    metric.Int64Counter
	bytes    metric.Int64Counter
	duration metric.Float64Histogram
	failures metric.Int64Counter
}

func newInstruments(meter metric.Meter) (instruments, error) {
	var (
		all instruments
		err error
	)
	if all.items, err = meter.Int64Counter("infrabackup.step.items", metric.WithUnit("{item}"),
		metric.WithDescription("Items that a step of a backup has handled.")); err != nil {
		return instruments{}, fmt.Errorf("create the counter of items: %w", err)
	}
	if all.bytes, err = meter.Int64Counter("infrabackup.step.bytes", metric.WithUnit("By"),
		metric.WithDescription("Bytes that a step of a backup has handled.")); err != nil {
		return instruments{}, fmt.Errorf("create the counter of bytes: %w", err)
	}
	if all.duration, err = meter.Float64Histogram("infrabackup.step.duration", metric.WithUnit("s"),
		metric.WithDescription("How long an attempt of a step took."),
		metric.WithExplicitBucketBoundaries(durationBounds...)); err != nil {
		return instruments{}, fmt.Errorf("create the histogram of durations: %w", err)
	}
	if all.failures, err = meter.Int64Counter("infrabackup.step.failures", metric.WithUnit("{failure}"),
		metric.WithDescription("Attempts of a step that failed, by failure code.")); err != nil {
		return instruments{}, fmt.Errorf("create the counter of failures: %w", err)
	}
	return all, nil
}

// RecordStep records one attempt of a step, such as an activity. Step is the
// activity's name; service is empty for steps of the whole backup; items and bytes
// are what this attempt handled; code is empty when it succeeded. Negative counts
// are recorded as zero.
func (t *Telemetry) RecordStep(ctx context.Context, step string, service backup.Service, items, bytes int64, duration time.Duration, code fault.Code) {
	steps := t.orDiscard().steps
	attributes := append([]attribute.KeyValue{stepKey.String(step)}, t.orDiscard().own...)
	if service != "" {
		attributes = append(attributes, serviceKey.String(string(service)))
	}
	set := metric.WithAttributeSet(attribute.NewSet(attributes...))
	steps.items.Add(ctx, max(items, 0), set)
	steps.bytes.Add(ctx, max(bytes, 0), set)
	if code != "" {
		set = metric.WithAttributeSet(attribute.NewSet(append(attributes, codeKey.String(string(code)))...))
		steps.failures.Add(ctx, 1, set)
	}
	steps.duration.Record(ctx, max(duration, 0).Seconds(), set)
}
