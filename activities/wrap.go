package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// volume is what a step has moved, as far as its input and result tell.
type volume struct {
	service      backup.Service
	items, bytes int64
}

// measured wraps an activity: it refuses input that is none, translates its error for
// Temporal and records how it went.
func measured[In flow.Input, Out any](a *Activities, name string, fn func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		began := a.Now()
		ctx, stop := withHeartbeat(ctx)
		var out Out
		err := in.Check(a.Instance.Name)
		if err == nil {
			out, err = fn(ctx, in)
		}
		stop()
		v := volumeOf(in, out)
		code := fault.CodeOf(err)
		a.Recorder.RecordStep(ctx, name, v.service, v.items, v.bytes, a.Now().Sub(began), code)
		if err != nil {
			activity.GetLogger(ctx).Warn("the step failed", "step", name, "service", v.service, "code", code, "error", err.Error())
		}
		return out, translate(ctx, err)
	}
}

func volumeOf(in, out any) volume {
	switch out := out.(type) {
	case flow.CollectOutput:
		return volume{out.Result.Service, out.Result.Items, out.Part.Size}
	case flow.UploadPartOutput:
		service := backup.Service("")
		if in, ok := in.(flow.UploadPartInput); ok {
			service = in.Service
		}
		return volume{service, 0, out.SentBytes}
	case flow.SealBackupOutput:
		return volume{"", 0, out.TotalBytes}
	case backup.Verdict:
		return volume{"", out.Items, out.Bytes}
	}
	return volume{}
}

// translate is the one place that says how an error leaves an activity:
//
//   - a fault becomes an application error of its code; the table in package fault
//     says whether Temporal tries again, and after which delay at least
//   - the end of a context that was cancelled from outside is a cancellation
//   - the end of a context because this worker stops is tried again at once,
//     elsewhere or after the restart
//   - anything else is INTERNAL, and tried again
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err())) {
		if errors.Is(context.Cause(ctx), ErrStopping) || stopping(ctx) {
			return temporal.NewApplicationErrorWithOptions(ErrStopping.Error(), string(fault.Internal),
				temporal.ApplicationErrorOptions{NextRetryDelay: time.Second, Cause: err})
		}
		return temporal.NewCanceledError()
	}
	return flow.EncodeFault(err)
}

// ErrStopping is why the context of an activity ends when its worker stops. The channel of the SDK
// does not tell in time: it is closed after Temporal has answered that the worker leaves.
var ErrStopping = errors.New("the worker stops")

// stopping reports whether the SDK itself ends the activities.
func stopping(ctx context.Context) bool {
	select {
	case <-activity.GetWorkerStopChannel(ctx):
		return true
	default:
		return false
	}
}
