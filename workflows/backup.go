package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// Backup makes one backup: it checks the share, makes the backup key, captures
// and uploads every service, seals, and publishes with one rename. A service that
// cannot be captured for good leaves the others alone and makes the result
// PartialSucceeded; a share that fails for good, or a cancellation, ends the run
// and removes what it had written.
func Backup(ctx workflow.Context, in flow.BackupInput) (backup.Overview, error) {
	run := &backupRun{in: in, startedAt: workflow.Now(ctx).UTC(), status: backup.Creating}
	if run.in.SpoolWait <= 0 {
		run.in.SpoolWait = flow.DefaultSpoolWait
	}
	if run.in.SourceWait <= 0 {
		run.in.SourceWait = flow.DefaultSourceWait
	}
	if err := flow.BackupProgress.Handle(ctx, run.progress); err != nil {
		return backup.Overview{}, err
	}
	overview, err := run.run(ctx)
	if err == nil {
		run.enter(ctx, overview.Status, "done: "+overview.Path)
		run.release(ctx)
		return overview, nil
	}
	if run.waits {
		err = ending(ctx.Err(), err)
	}
	run.enter(ctx, backup.Failed, "cleaning up")
	if published := run.discard(ctx, err); published != "" {
		// It was finished before it could be stopped, and nobody had heard of that.
		run.finished.Path = published
		run.enter(ctx, run.finished.Status, "done: "+published)
		return run.finished, nil
	}
	run.enter(ctx, backup.Failed, "failed: "+flow.DecodeFault(err).Message())
	return backup.Overview{}, err
}

// ending is the error that a run ends with: that it was cancelled, where the worker of a step had ended
// then and could not answer.
func ending(cancelled, err error) error {
	var timeout *temporal.TimeoutError
	if cancelled != nil && errors.As(err, &timeout) {
		return cancelled
	}
	return err
}

// backupRun is the state of one run.
type backupRun struct {
	in        flow.BackupInput
	startedAt time.Time
	status    backup.Status
	step      string

	waits bool // for the check of the share, when it is cancelled
	share flow.CheckShareOutput
	key   flow.PrepareKeyOutput
	runs  []*serviceRun
	hosts []string // whose spools hold something of this backup

	indexRoom int64 // for lists of items in results

	finished backup.Overview // once it is sealed: what it is when it is published
}

func (r *backupRun) run(ctx workflow.Context) (backup.Overview, error) {
	r.enter(ctx, backup.Creating, "checking the share")
	var err error
	r.waits = workflow.GetVersion(ctx, changeCheckEnds, workflow.DefaultVersion, 1) != workflow.DefaultVersion
	r.share, err = flow.CheckShare.Run(probingRun(ctx, r.waits), flow.CheckShareInput{Instance: r.in.Instance, BackupID: r.in.BackupID, IgnoreFreeSpace: r.in.IgnoreFreeSpace})
	if err != nil {
		return backup.Overview{}, err
	}
	own := workflow.GetVersion(ctx, changeSourceQueues, workflow.DefaultVersion, 1) != workflow.DefaultVersion
	if workflow.GetVersion(ctx, changeInlineLists, workflow.DefaultVersion, 1) != workflow.DefaultVersion {
		r.indexRoom = flow.MaxIndexData
	}
	for _, service := range r.share.Services {
		s := newServiceRun(r, service)
		s.elsewhere = own && !slices.Contains(r.share.Shared, service)
		s.absent = s.elsewhere && slices.Contains(r.share.Absent, service)
		r.runs = append(r.runs, s)
	}
	r.enter(ctx, backup.Running, "making the backup key")
	r.key, err = flow.PrepareKey.Run(preparing(ctx, "create and wrap the backup key"), flow.PrepareKeyInput{
		BackupID: r.in.BackupID, Revision: r.share.Revision,
	})
	if err != nil {
		return backup.Overview{}, err
	}
	r.enter(ctx, backup.Running, "capturing and uploading")
	if err := r.runServices(ctx); err != nil {
		return backup.Overview{}, err
	}
	results := r.results()
	if backup.Overall(results) == backup.Failed {
		return backup.Overview{}, flow.EncodeFault(fault.Newf(fault.BackupFailed, "no service could be captured: %s", failures(results)))
	}
	return r.finish(ctx, results)
}

// runServices works on the services, several at once, and returns the first error
// that ends the whole run.
func (r *backupRun) runServices(ctx workflow.Context) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	places := workflow.NewSemaphore(ctx, parallelServices)
	wg := workflow.NewWaitGroup(ctx)
	var fatal error
	for _, s := range r.runs {
		wg.Add(1)
		workflow.GoNamed(ctx, string(s.progress.Service), func(ctx workflow.Context) {
			defer wg.Done()
			err := s.work(ctx, places)
			if err != nil && fatal == nil {
				fatal = err
				cancel()
			}
			r.describe(ctx)
		})
	}
	// The services end by themselves when the run is cancelled, and must have ended
	// before anything is cleaned up.
	disconnected, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	wg.Wait(disconnected)
	return fatal
}

func (r *backupRun) finish(ctx workflow.Context, results []backup.ServiceResult) (backup.Overview, error) {
	r.enter(ctx, backup.Running, "sealing")
	in := flow.SealBackupInput{
		BackupID: r.in.BackupID, Revision: r.share.Revision, StartedAt: r.startedAt, RequestedBy: r.in.RequestedBy,
		Recipient: r.key.Recipient, WorkKeyID: r.key.WorkKeyID, Key: r.key.Key, Services: results,
		Previous: r.share.Previous, PreviousKnown: r.share.PreviousKnown,
	}
	for _, s := range r.runs {
		if s.result.Status == backup.Succeeded {
			in.Parts = append(in.Parts, s.upload.Part)
			in.Indexes = append(in.Indexes, flow.ServiceIndex{Service: s.result.Service, File: s.upload.Index, Data: s.upload.IndexData})
		}
	}
	sealed, err := flow.SealBackup.Run(streaming(ctx, "write catalog, manifest, sums and signature"), in)
	if err != nil {
		return backup.Overview{}, err
	}
	r.finished = backup.Overview{
		BackupID: r.in.BackupID, Status: sealed.Status, StartedAt: r.startedAt, FinishedAt: sealed.FinishedAt,
		TotalBytes: sealed.TotalBytes, RequestedBy: r.in.RequestedBy, Services: results,
	}
	r.enter(ctx, backup.Running, "publishing")
	published, err := flow.PublishBackup.Run(streaming(ctx, "read back and rename"), flow.PublishBackupInput{
		BackupID: r.in.BackupID, Revision: r.share.Revision, StartedAt: r.startedAt, RequestedBy: r.in.RequestedBy, Sealed: sealed.Sealed,
	})
	if err != nil {
		return backup.Overview{}, err
	}
	overview := r.finished
	overview.Path, overview.Foreign = published.Path, published.Foreign
	return overview, nil
}

// discard removes what the run left on the share and in the spools. It works after
// a cancellation too, and a failure of it does not hide the run's own. It returns the
// path of a backup that stays, because it was published and is in the ledger.
func (r *backupRun) discard(ctx workflow.Context, cause error) (published string) {
	if r.share.Revision == 0 && !r.unsettled(ctx, cause) {
		return "" // the check of the share failed, and has removed what it wrote; a refused login is not tried again
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	with := tidying
	if r.share.Revision == 0 {
		with = tidyingShortly
	}
	out, err := flow.DiscardBackup.Run(with(ctx, "remove the partial backup from the share"), flow.DiscardBackupInput{
		BackupID: r.in.BackupID, Revision: r.share.Revision,
	})
	if err != nil {
		workflow.GetLogger(ctx).Warn("the partial backup stays on the share until the next run", "error", err)
	}
	r.release(ctx)
	return out.Published
}

// unsettled reports whether the check of the share may have left something, since it was cancelled or its
// worker has ended meanwhile.
func (r *backupRun) unsettled(ctx workflow.Context, cause error) bool {
	code := flow.DecodeFault(cause).Code
	return r.waits && ctx.Err() != nil && (code == fault.Cancelled || code.Retryable())
}

// release empties the spools. A host that is gone is passed over: its spool empties
// itself when it captures the next backup.
func (r *backupRun) release(ctx workflow.Context) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	for _, host := range r.hosts {
		on := workflow.WithTaskQueue(tidying(ctx, "empty the spool of "+host), flow.SpoolQueue(r.in.Instance, host))
		if _, err := flow.ReleaseSpool.Run(on, flow.ReleaseSpoolInput{BackupID: r.in.BackupID}); err != nil {
			workflow.GetLogger(ctx).Warn("the spool is emptied with the next backup", "host", host, "error", err)
		}
	}
}

func (r *backupRun) results() []backup.ServiceResult {
	results := make([]backup.ServiceResult, 0, len(r.runs))
	for _, s := range r.runs {
		results = append(results, s.result)
	}
	return results
}

func failures(results []backup.ServiceResult) string {
	var texts []string
	for _, result := range results {
		texts = append(texts, fmt.Sprintf("%s %s: %s", result.Service, result.Code, result.Message))
	}
	return strings.Join(texts, "; ")
}

// enter records where the run is, for the query and for the Web UI.
func (r *backupRun) enter(ctx workflow.Context, status backup.Status, step string) {
	r.status, r.step = status, step
	r.describe(ctx)
}

func (r *backupRun) describe(ctx workflow.Context) {
	var text strings.Builder
	fmt.Fprintf(&text, "**%s** backup `%s`: %s\n", r.status, r.in.BackupID, r.step)
	for _, s := range r.runs {
		p := s.progress
		fmt.Fprintf(&text, "\n- %s: %s, %d items, %d bytes", p.Service, p.Phase, p.Items, p.Bytes)
		if p.Code != "" {
			fmt.Fprintf(&text, ", %s", p.Code)
		}
	}
	workflow.SetCurrentDetails(ctx, text.String())
}

func (r *backupRun) progress(struct{}) (flow.Progress, error) {
	p := flow.Progress{BackupID: r.in.BackupID, Status: r.status, Step: r.step, StartedAt: r.startedAt, Services: []flow.ServiceProgress{}}
	for _, s := range r.runs {
		p.Services = append(p.Services, s.progress)
	}
	return p, nil
}

// usesSpoolOf remembers a host for [backupRun.release].
func (r *backupRun) usesSpoolOf(host string) {
	if !slices.Contains(r.hosts, host) {
		r.hosts = append(r.hosts, host)
	}
}

// probingRun is [probing] at the start of a run: a file server that is just being
// restarted gets a few minutes. A run that waits for its end is sure that it writes nothing
// any more.
func probingRun(ctx workflow.Context, waits bool) workflow.Context {
	ctx = probing(ctx, "check the share and pin the settings")
	options := workflow.GetActivityOptions(ctx)
	options.WaitForCancellation = waits
	ctx = workflow.WithActivityOptions(ctx, options)
	ctx = workflow.WithScheduleToCloseTimeout(ctx, 10*time.Minute)
	return workflow.WithRetryPolicy(ctx, temporal.RetryPolicy{
		InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second, MaximumAttempts: 12,
	})
}
