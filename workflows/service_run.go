package workflows

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// serviceRun takes one service from its source to the share.
type serviceRun struct {
	owner    *backupRun
	progress flow.ServiceProgress
	result   backup.ServiceResult
	upload   flow.UploadPartOutput

	elsewhere bool // the capture goes to the queue of the workers that have the source
	absent    bool // there seemed to be none when the run began
}

func newServiceRun(r *backupRun, service backup.Service) *serviceRun {
	return &serviceRun{
		owner:    r,
		progress: flow.ServiceProgress{Service: service, Phase: flow.PhaseQueued},
		result:   backup.ServiceResult{Service: service, Status: backup.Queued},
	}
}

// work runs the service in one of the places. A service that no worker has a source for
// only waits, and takes none.
func (s *serviceRun) work(ctx workflow.Context, places workflow.Semaphore) error {
	if s.absent {
		return s.run(ctx)
	}
	if err := places.Acquire(ctx, 1); err != nil {
		return err
	}
	defer places.Release(1)
	return s.run(ctx)
}

// run captures and uploads. What fails because of the source, or because of the
// host's spool, fails this service only and is no error; what fails because of the
// share fails the run.
func (s *serviceRun) run(ctx workflow.Context) error {
	for captures := 1; ; captures++ {
		captured, err := s.capture(ctx)
		if err != nil {
			return s.fail(ctx, err)
		}
		err = s.send(ctx, captured)
		if err == nil {
			return nil
		}
		if !spoolGone(err) {
			if temporal.IsCanceledError(err) || ctx.Err() != nil {
				return err
			}
			s.note(flow.DecodeFault(err))
			return err
		}
		if captures == maxCaptures {
			return s.fail(ctx, flow.EncodeFault(fault.New(fault.SpoolUnavailable,
				"captured data could not be uploaded from host "+captured.Host, err)))
		}
		workflow.GetLogger(ctx).Warn("the service is captured again, because its captured data cannot be reached",
			"service", s.progress.Service, "host", captured.Host)
	}
}

func (s *serviceRun) capture(ctx workflow.Context) (flow.CollectOutput, error) {
	s.enter(ctx, flow.PhaseCapture, 0)
	r := s.owner
	out, err := s.collect(ctx)
	if err != nil {
		return out, err
	}
	r.usesSpoolOf(out.Host)
	s.result = out.Result
	s.progress.Items, s.progress.Bytes = out.Result.Items, out.Part.Size
	return out, nil
}

// collect lets a worker capture that has the source. When none takes it up in time, it is
// tried once more: the time may have passed while there was no worker at all, not even
// for this workflow.
func (s *serviceRun) collect(ctx workflow.Context) (out flow.CollectOutput, err error) {
	r := s.owner
	service := s.progress.Service
	in := flow.CollectInput{BackupID: r.in.BackupID, Service: service, Recipient: r.key.Recipient, WorkKeyID: r.key.WorkKeyID, Revision: r.share.Revision}
	if !s.elsewhere {
		return flow.Collect(service).Run(streaming(ctx, "capture "+string(service)), in)
	}
	wait, tries := r.in.SourceWait, 2
	if s.absent {
		wait, tries = min(wait, flow.AbsentSourceWait), 1
	}
	for range tries {
		out, err = flow.Collect(service).Run(onHost(ctx, flow.SourceQueue(r.in.Instance, service), wait, "capture "+string(service)), in)
		if !notTakenUp(err) {
			return out, err
		}
	}
	return out, flow.EncodeFault(fault.Newf(fault.NoWorker, "no worker that has a source for %s took up its capture within %s", service, wait*time.Duration(tries)))
}

func (s *serviceRun) send(ctx workflow.Context, captured flow.CollectOutput) error {
	s.enter(ctx, flow.PhaseUpload, captured.Part.Size)
	r := s.owner
	queue := flow.SpoolQueue(r.in.Instance, captured.Host)
	inline := r.indexRoom > 0 && captured.Index.Size <= r.indexRoom
	if inline {
		r.indexRoom -= captured.Index.Size
	}
	out, err := flow.UploadPart.Run(onHost(ctx, queue, r.in.SpoolWait, "upload "+string(s.progress.Service)), flow.UploadPartInput{
		BackupID: r.in.BackupID, Revision: r.share.Revision, Service: s.progress.Service, Part: captured.Part, Index: captured.Index, Inline: inline,
	})
	if err != nil {
		return err
	}
	s.upload = out
	s.result.Status, s.result.File, s.result.Bytes = backup.Succeeded, out.Part.Name, out.Part.Size
	s.enter(ctx, flow.PhaseDone, out.Part.Size)
	s.progress.Bytes = out.Part.Size
	return nil
}

// fail marks the service as failed. A cancellation ends the run instead.
func (s *serviceRun) fail(ctx workflow.Context, err error) error {
	if temporal.IsCanceledError(err) || ctx.Err() != nil {
		return err
	}
	s.note(flow.DecodeFault(err))
	workflow.GetLogger(ctx).Warn("the service was not captured", "service", s.progress.Service, "code", s.progress.Code)
	return nil
}

func (s *serviceRun) note(f *fault.Fault) {
	s.result = backup.ServiceResult{
		Service: s.progress.Service, Status: backup.Failed, Code: string(f.Code), Message: f.Message(),
		WindowStart: s.result.WindowStart, WindowEnd: s.result.WindowEnd,
	}
	s.progress.Phase, s.progress.Code, s.progress.Message = flow.PhaseFailed, string(f.Code), f.Message()
}

func (s *serviceRun) enter(ctx workflow.Context, phase flow.Phase, total int64) {
	s.progress.Phase, s.progress.Bytes, s.progress.TotalBytes = phase, 0, total
	s.owner.describe(ctx)
}

// spoolGone reports whether capturing again can help: nobody took up the upload on
// the host that holds the data, or the data is no longer there.
func spoolGone(err error) bool {
	return notTakenUp(err) || fault.CodeOf(flow.DecodeFault(err)) == fault.SpoolLost
}

// notTakenUp reports whether nobody took up an activity within the time that was given
// for that.
func notTakenUp(err error) bool {
	var timeout *temporal.TimeoutError
	return errors.As(err, &timeout) && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
}
