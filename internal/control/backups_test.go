package control

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

func TestOneBackupAtATime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	reached, release := s.block(flow.Heartbeat{})
	ctx := t.Context()

	var both sync.WaitGroup
	var started [2]Started
	var errs [2]error
	for i := range started {
		both.Go(func() { started[i], errs[i] = s.Start(ctx, "op", time.Minute) })
	}
	both.Wait()
	winner, refused := started[0], errs[1]
	if errs[0] != nil {
		winner, refused = started[1], errs[0]
	}
	require.NotEmpty(t, winner.RunID)
	require.ErrorIs(t, refused, fault.BackupRunning)
	<-reached

	_, err := s.Start(ctx, "op", 0)
	require.ErrorIs(t, err, fault.BackupRunning)
	require.Contains(t, err.Error(), winner.RunID)
	require.Regexp(t, `started at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, err.Error())
	running, err := s.Running(ctx)
	require.NoError(t, err)
	require.Equal(t, winner.RunID, running)

	release()
	overview, err := s.Wait(ctx, winner.RunID, "")
	require.NoError(t, err)
	require.Equal(t, winner.BackupID, overview.BackupID)
	require.Equal(t, "op", overview.RequestedBy)
	_, err = s.Running(ctx)
	require.ErrorIs(t, err, fault.BackupNotFound)
	_, err = s.Wait(ctx, "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", "")
	require.ErrorIs(t, err, fault.BackupNotFound)
}

// TestProgress: what the query does not know is in the heartbeats.
func TestProgress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	reached, release := s.block(flow.Heartbeat{Service: backup.AD, Phase: flow.PhaseReadBack, Items: 7, Bytes: 70, TotalBytes: 700})
	started, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	<-reached
	ad := flow.ServiceProgress{Service: backup.AD, Phase: flow.PhaseReadBack, Items: 7, Bytes: 70, TotalBytes: 700}
	require.Eventually(t, func() bool {
		p, err := s.Progress(t.Context(), started.RunID)
		return err == nil && p.BackupID == started.BackupID && p.Services[0] == ad
	}, 20*time.Second, 50*time.Millisecond)

	// Somebody who stops watching does not stop the backup.
	watching, leave := context.WithCancel(t.Context())
	err = s.Watch(watching, started.RunID, func(flow.Progress) { leave() })
	require.ErrorIs(t, err, fault.Cancelled)
	require.Contains(t, err.Error(), "goes on")
	_, err = s.Wait(watching, started.RunID, "")
	require.ErrorIs(t, err, fault.Cancelled)
	_, err = s.Running(t.Context())
	require.NoError(t, err)

	var last flow.Progress
	require.NoError(t, s.Watch(t.Context(), started.RunID, func(p flow.Progress) { last = p; release() }))
	require.NotEmpty(t, last.Services)
	overview, err := s.Wait(t.Context(), started.RunID, "")
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, overview.Status)
}

// TestProgressOfRetries: an activity that is tried again says why.
func TestProgressOfRetries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	// The second attempt stays until it was looked at.
	seen := make(chan struct{})
	s.collect = func(ctx context.Context, attempt int32) error {
		if attempt == 1 {
			return fault.Newf(fault.SourceUnreachable, "dc1 refused the connection")
		}
		select {
		case <-seen:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	started, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	var p flow.Progress
	require.Eventually(t, func() bool {
		p, err = s.Progress(t.Context(), started.RunID)
		return err == nil && p.Services[0].Code == string(fault.SourceUnreachable)
	}, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, "attempt 2 of CollectAD, after SOURCE_UNREACHABLE: dc1 refused the connection", p.Services[0].Message)
	require.Equal(t, flow.PhaseCapture, p.Services[0].Phase)
	require.Empty(t, p.Services[1].Code)
	close(seen)
	_, err = s.Wait(t.Context(), started.RunID, "")
	require.NoError(t, err)
}

// TestWatchOutlivesTheWorker: a worker that restarts does not end a watch.
func TestWatchOutlivesTheWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	s.responseTimeout = shortTimeout
	reached, release := s.block(flow.Heartbeat{})
	started, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	<-reached
	s.stop()
	var waited bool
	err = s.Watch(t.Context(), started.RunID, func(p flow.Progress) {
		if !waited && p.Step != "capturing" {
			require.Contains(t, p.Step, "waiting: no worker")
			waited = true
			release()
			s.work()
		}
	})
	require.NoError(t, err)
	require.True(t, waited)
	_, err = s.Wait(t.Context(), started.RunID, "")
	require.NoError(t, err)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	require.ErrorIs(t, s.Cancel(t.Context()), fault.BackupNotFound)
	reached, _ := s.block(flow.Heartbeat{})
	_, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	<-reached
	require.NoError(t, s.Cancel(t.Context()))
	_, err = s.Running(t.Context())
	require.ErrorIs(t, err, fault.BackupNotFound)
}

// TestCancelTooLate: a backup that was finished all the same was not cancelled.
func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	reached, release := s.hold(flow.Heartbeat{}, func(context.Context) <-chan struct{} { return nil })
	started, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	<-reached
	cancelled := make(chan error, 1)
	go func() { cancelled <- s.Cancel(t.Context()) }()
	require.Eventually(t, func() bool {
		d, err := s.client.DescribeWorkflowExecution(t.Context(), flow.BackupWorkflowID(s.instance), started.RunID)
		return err == nil && d.GetWorkflowExtendedInfo().GetCancelRequested()
	}, 10*time.Second, 20*time.Millisecond)
	release()
	err = <-cancelled
	require.ErrorIs(t, err, fault.BackupNotFound)
	require.Contains(t, err.Error(), "ended with Succeeded before")
}

func TestListAndShow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	ctx := t.Context()
	older := time.Now().UTC().Add(-time.Hour).Truncate(time.Second)
	const onShare = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

	_, err := s.Resolve(ctx, Latest)
	require.ErrorIs(t, err, fault.BackupNotFound)
	_, err = s.Resolve(ctx, "nonsense")
	require.ErrorIs(t, err, fault.Usage)
	empty, err := s.List(ctx, 10)
	require.NoError(t, err)
	require.NotNil(t, empty.Backups)

	s.listing.Backups = []backup.Overview{{BackupID: onShare, Status: backup.Succeeded, StartedAt: older, Services: []backup.ServiceResult{}}}
	s.collect = func(context.Context, int32) error { return fault.Newf(fault.SourceAuthFailed, "dc1 refused svc") }
	failed, err := s.Start(ctx, "op", 0)
	require.NoError(t, err)
	_, err = s.Wait(ctx, failed.RunID, "")
	require.ErrorIs(t, err, fault.SourceAuthFailed)
	reached, _ := s.block(flow.Heartbeat{})
	running, err := s.Start(ctx, "op", 0)
	require.NoError(t, err)
	<-reached

	// Visibility follows within a moment.
	var listed flow.ListOutput
	require.Eventually(t, func() bool {
		listed, err = s.List(ctx, 10)
		return err == nil && len(listed.Backups) == 3
	}, 10*time.Second, 100*time.Millisecond)
	var ids []backup.ID
	for _, b := range listed.Backups {
		ids = append(ids, b.BackupID)
	}
	require.Equal(t, []backup.ID{running.BackupID, failed.BackupID, onShare}, ids)
	require.False(t, listed.More)

	now := listed.Backups[0]
	require.Equal(t, backup.Running, now.Status)
	require.Empty(t, now.Code)
	require.Equal(t, []backup.Status{backup.Running, backup.Queued}, []backup.Status{now.Services[0].Status, now.Services[1].Status})
	bad := listed.Backups[1]
	require.Equal(t, backup.Failed, bad.Status)
	require.Equal(t, string(fault.SourceAuthFailed), bad.Code)
	require.Equal(t, "dc1 refused svc", bad.Message)
	require.False(t, bad.FinishedAt.IsZero())
	for _, service := range bad.Services {
		require.Equal(t, backup.Failed, service.Status, "nothing goes on in a run that has ended")
	}

	short, err := s.List(ctx, 1)
	require.NoError(t, err)
	require.Len(t, short.Backups, 1)
	require.True(t, short.More)

	latest, err := s.Show(ctx, Latest)
	require.NoError(t, err)
	require.Equal(t, onShare, latest.BackupID)
	shown, err := s.Show(ctx, string(running.BackupID))
	require.NoError(t, err)
	require.Equal(t, backup.Running, shown.Status)
	_, err = s.Show(ctx, "ffffffff-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.ErrorIs(t, err, fault.BackupNotFound)
	require.NoError(t, s.Cancel(ctx))
	cancelled, err := s.Show(ctx, string(running.BackupID))
	require.NoError(t, err)
	require.Equal(t, string(fault.Cancelled), cancelled.Code)
}

func TestVerifyAndDelete(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	const id = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	s.listing.Backups = []backup.Overview{{BackupID: id}}
	verdict, err := s.Verify(t.Context(), Latest)
	require.NoError(t, err)
	require.Equal(t, backup.ID(id), verdict.BackupID)
	const missing = "ffffffff-5a59-4b0e-9a43-5f0f0f7f6a11"
	s.listing.Expected = missing
	verdict, err = s.Verify(t.Context(), Latest)
	require.NoError(t, err)
	require.Equal(t, backup.ID(missing), verdict.BackupID, "the ledger tells of a newer one")
	shown, err := s.Show(t.Context(), Latest)
	require.NoError(t, err)
	require.Equal(t, backup.ID(id), shown.BackupID)
	gone, err := s.Delete(t.Context(), id, "op")
	require.NoError(t, err)
	require.Equal(t, backup.Overview{BackupID: id, RequestedBy: "op", Status: backup.Deleted}, gone)
	_, err = s.Verify(t.Context(), "nonsense")
	require.ErrorIs(t, err, fault.Usage)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Verify(ctx, id)
	require.ErrorIs(t, err, fault.Cancelled)
}

// TestOneUnreadableRunIsOneLine puts a run under the ID of backups that nobody answers for,
// and one of another type: the list has a line for each, and everything else.
func TestOneUnreadableRunIsOneLine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	s.collect = func(context.Context, int32) error { return fault.Newf(fault.SourceTLS, "refused") }
	started, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	_, err = s.Wait(t.Context(), started.RunID, started.BackupID)
	require.ErrorIs(t, err, fault.SourceTLS)
	s.responseTimeout = shortTimeout
	id := flow.BackupWorkflowID(s.instance)
	for _, name := range []string{flow.Backup.Name, "Another"} {
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "elsewhere-" + s.instance}, name)
		require.NoError(t, err)
		require.NoError(t, s.client.TerminateWorkflow(t.Context(), id, run.GetRunID(), "x"))
	}
	var listed flow.ListOutput
	require.Eventually(t, func() bool {
		listed, err = s.List(t.Context(), 0)
		require.NoError(t, err)
		return len(listed.Unreadable) == 2 && len(listed.Backups) == 1
	}, 30*time.Second, 200*time.Millisecond)
	require.Equal(t, started.BackupID, listed.Backups[0].BackupID)
	for _, f := range listed.Unreadable {
		require.Equal(t, string(fault.AnswerRefused), f.Code)
		require.Contains(t, f.File, "run ")
	}
}

// TestRunsOfOthersAreRefused: of another kind, or for other workers.
func TestRunsOfOthersAreRefused(t *testing.T) {
	c := &Controller{instance: "local"}
	require.NoError(t, c.ours("A", "A", flow.Queue("local"), "id", "run"))
	require.ErrorIs(t, c.ours("A", "B", flow.Queue("local"), "id", "run"), fault.AnswerRefused)
	require.ErrorIs(t, c.ours("A", "A", "elsewhere", "id", "run"), fault.AnswerRefused)
}

// TestAResultOfAnotherBackupIsRefused waits for a run that ends with another backup's ID.
func TestAResultOfAnotherBackupIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	started, err := s.Start(t.Context(), "op", 0)
	require.NoError(t, err)
	_, err = s.Wait(t.Context(), started.RunID, "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12")
	require.ErrorIs(t, err, fault.AnswerRefused)
	_, err = s.Wait(t.Context(), started.RunID, started.BackupID)
	require.NoError(t, err)
}

// TestASettingsWorkflowThatHasEndedIsNotActive ends and deletes the settings workflow.
func TestASettingsWorkflowThatHasEndedIsNotActive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.Summary(t.Context())
	require.ErrorIs(t, err, fault.NotEnabled)
	s.enable()
	s.terminate(flow.SettingsWorkflowID(s.instance))
	for name, ask := range map[string]func() error{
		"show":    func() error { _, err := s.Summary(t.Context()); return err },
		"secrets": func() error { _, err := s.Settings(t.Context()); return err },
		"start":   func() error { _, err := s.Start(t.Context(), "op", 0); return err },
		"change":  func() error { _, err := s.ChangeSigningKey(t.Context(), "op"); return err },
		"history": func() error { _, err := s.History(t.Context()); return err },
		"reseal":  func() error { return s.Reseal(t.Context(), "op") },
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, ask(), fault.SettingsStopped) })
	}
}
