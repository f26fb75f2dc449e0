package workflows

import (
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// lane takes one service from its source to the share.
type lane struct {
	owner    *backupRun
	progress flow.ServiceProgress
	result   backup.ServiceResult
	upload   flow.UploadPartOutput
}

func newLane(r *backupRun, service backup.Service) *lane {
	return &lane{
		owner:    r,
		progress: flow.ServiceProgress{Service: service, Phase: flow.PhaseQueued},
		result:   backup.ServiceResult{Service: service, Status: backup.Queued},
	}
}

// run captures and uploads. What fails because of the source, or because of the
// host's spool, fails this service only and is no error; what fails because of the
// share fails the run.
func (l *lane) run(ctx workflow.Context) error {
	for captures := 1; ; captures++ {
		captured, err := l.capture(ctx)
		if err != nil {
			return l.fail(ctx, err)
		}
		err = l.send(ctx, captured)
		if err == nil {
			return nil
		}
		if !spoolGone(err) {
			if temporal.IsCanceledError(err) || ctx.Err() != nil {
				return err
			}
			l.note(flow.DecodeFault(err))
			return err
		}
		if captures == maxCaptures {
			return l.fail(ctx, flow.EncodeFault(fault.New(fault.SpoolUnavailable,
				"captured data could not be uploaded from host "+captured.Host, err)))
		}
		workflow.GetLogger(ctx).Warn("the service is captured again, because its captured data cannot be reached",
			"service", l.progress.Service, "host", captured.Host)
	}
}

func (l *lane) capture(ctx workflow.Context) (flow.CollectOutput, error) {
	l.enter(ctx, flow.PhaseCapture, 0)
	r := l.owner
	out, err := flow.Collect(l.progress.Service).Run(streaming(ctx, "capture "+string(l.progress.Service)), flow.CollectInput{
		BackupID: r.in.BackupID, Service: l.progress.Service, Recipient: r.key.Recipient, WorkKeyID: r.key.WorkKeyID,
	})
	if err != nil {
		return out, err
	}
	r.usesSpoolOf(out.Host)
	l.result = out.Result
	l.progress.Items, l.progress.Bytes = out.Result.Items, out.Part.Size
	return out, nil
}

func (l *lane) send(ctx workflow.Context, captured flow.CollectOutput) error {
	l.enter(ctx, flow.PhaseUpload, captured.Part.Size)
	r := l.owner
	queue := flow.SpoolQueue(r.in.Instance, captured.Host)
	out, err := flow.UploadPart.Run(onHost(ctx, queue, r.in.SpoolWait, "upload "+string(l.progress.Service)), flow.UploadPartInput{
		BackupID: r.in.BackupID, Revision: r.share.Revision, Service: l.progress.Service, Part: captured.Part, Index: captured.Index,
	})
	if err != nil {
		return err
	}
	l.upload = out
	l.result.Status, l.result.File, l.result.Bytes = backup.Succeeded, out.Part.Name, out.Part.Size
	l.enter(ctx, flow.PhaseDone, out.Part.Size)
	l.progress.Bytes = out.Part.Size
	return nil
}

// fail marks the service as failed. A cancellation ends the run instead.
func (l *lane) fail(ctx workflow.Context, err error) error {
	if temporal.IsCanceledError(err) || ctx.Err() != nil {
		return err
	}
	l.note(flow.DecodeFault(err))
	workflow.GetLogger(ctx).Warn("the service was not captured", "service", l.progress.Service, "code", l.progress.Code)
	return nil
}

func (l *lane) note(f *fault.Fault) {
	l.result = backup.ServiceResult{
		Service: l.progress.Service, Status: backup.Failed, Code: string(f.Code), Message: f.Message(),
		WindowStart: l.result.WindowStart, WindowEnd: l.result.WindowEnd,
	}
	l.progress.Phase, l.progress.Code, l.progress.Message = flow.PhaseFailed, string(f.Code), f.Message()
}

func (l *lane) enter(ctx workflow.Context, phase flow.Phase, total int64) {
	l.progress.Phase, l.progress.Bytes, l.progress.TotalBytes = phase, 0, total
	l.owner.describe(ctx)
}

// spoolGone reports whether capturing again can help: nobody took up the upload on
// the host that holds the data, or the data is no longer there.
func spoolGone(err error) bool {
	var timeout *temporal.TimeoutError
	if errors.As(err, &timeout) && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
		return true
	}
	return fault.CodeOf(flow.DecodeFault(err)) == fault.SpoolLost
}
