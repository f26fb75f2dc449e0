package control

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
)

// shortTimeout lets a test find out that nobody answers.
const shortTimeout = 3 * time.Second

func TestMain(m *testing.M) { lab.Main(m) }

// address is that of the Temporal server that all tests share.
func address(t *testing.T) string { return lab.Temporal(t) }

// site is one instance: its controller, and a worker whose workflows are as small as
// the contract allows.
type site struct {
	*Controller
	t        *testing.T
	instance string
	line     string // of the codec key file
	stop     func()

	probe    error                              // of the share at enable
	listing  flow.ListOutput                    // what lies on the share
	collect  func(context.Context, int32) error // what CollectAD does in its attempt
	overview backup.Overview                    // what a backup ends with
	looks    atomic.Int32                       // how often the share was listed
	silent   string                             // a worker's host that answers nobody
	keyFile  func(flow.KeyFileInput) (flow.KeyFileOutput, error)
	restores func(restores.Input) (restores.Output, error)
	drills   func(drills.Input) (drills.Output, error)
	diff     func(workflow.Context, diffs.Input) (diffs.Output, error)
}

// newIdleSite makes an instance that no worker serves.
func newIdleSite(t *testing.T) *site {
	t.Helper()
	var suffix [4]byte
	_, err := rand.Read(suffix[:])
	require.NoError(t, err)
	line, err := codec.GenerateKeyLine("test", rand.Reader)
	require.NoError(t, err)
	s := &site{t: t, instance: "c-" + hex.EncodeToString(suffix[:]), line: line, stop: func() {}}
	s.listing.Unreadable = []backup.Finding{}
	s.collect = func(context.Context, int32) error { return nil }
	s.Controller = s.connect(line)
	return s
}

// connect makes a controller with a codec key of its own.
func (s *site) connect(line string) *Controller {
	s.t.Helper()
	ring, err := codec.ParseKeyring([]byte(line))
	require.NoError(s.t, err)
	options := temporal.Options{Address: address(s.t), Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler)}
	c, err := temporal.Dial(s.t.Context(), options)
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return New(c, temporal.DataConverter(options.Codec), temporal.DefaultNamespace, s.instance)
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := newIdleSite(t)
	s.work()
	return s
}

// work starts the worker.
func (s *site) work() {
	s.t.Helper()
	w := worker.New(s.client, flow.Queue(s.instance), worker.Options{WorkerStopTimeout: time.Second})
	flow.Settings.Register(w, settingsEntity)
	flow.Enable.Register(w, func(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
		return flow.SettleChange.Run(steps(ctx, 1), flow.SettleChangeInput{Revision: in.Revision})
	})
	flow.SettleChange.Register(w, s.settle)
	flow.Backup.Register(w, s.backup)
	flow.Collect(backup.AD).Register(w, func(ctx context.Context, _ flow.CollectInput) (flow.CollectOutput, error) {
		err := s.collect(ctx, activity.GetInfo(ctx).Attempt)
		return flow.CollectOutput{}, flow.EncodeFault(err)
	})
	flow.List.Register(w, func(_ workflow.Context, in flow.ListInput) (flow.ListOutput, error) { return s.list(in) })
	flow.KeyFile.Register(w, func(_ workflow.Context, in flow.KeyFileInput) (flow.KeyFileOutput, error) { return s.keyFile(in) })
	flow.Drills.Register(w, func(_ workflow.Context, in drills.Input) (drills.Output, error) { return s.drills(in) })
	flow.Diff.Register(w, func(ctx workflow.Context, in diffs.Input) (diffs.Output, error) { return s.diff(ctx, in) })
	flow.Restores.Register(w, func(_ workflow.Context, in restores.Input) (restores.Output, error) { return s.restores(in) })
	flow.Verify.Register(w, func(_ workflow.Context, in flow.VerifyInput) (backup.Verdict, error) {
		return backup.Verdict{BackupID: in.BackupID, Findings: []backup.Finding{}}, nil
	})
	flow.Delete.Register(w, func(_ workflow.Context, in flow.DeleteInput) (backup.Overview, error) {
		return backup.Overview{BackupID: in.BackupID, RequestedBy: in.RequestedBy, Status: backup.Deleted}, nil
	})
	flow.Diagnose.Register(w, func(_ workflow.Context, in flow.DiagnoseInput) (diagnosis.Report, error) {
		if in.Share {
			panic("a defect of the worker")
		}
		out := diagnosis.Report{Host: "h", Checks: []diagnosis.Check{{Name: "x", OK: true}}, Services: []backup.Service{backup.AD}}
		if s.silent != "" {
			out.Workers = []diagnosis.Report{diagnosis.Unanswered(s.silent, fault.As(errors.New("nothing came")))}
		}
		return out, nil
	})
	require.NoError(s.t, w.Start())
	s.stop = sync.OnceFunc(w.Stop)
	s.t.Cleanup(func() { s.stop() })
}

// settingsEntity keeps settings as the real one does, without its validation.
func settingsEntity(ctx workflow.Context, state flow.SettingsState) (struct{}, error) {
	find := func(revision int64) settings.Settings {
		for _, s := range state.Revisions {
			if s.Revision == revision {
				return s
			}
		}
		return settings.Settings{}
	}
	err := errors.Join(
		flow.GetSettings.Handle(ctx, func(in flow.SettingsChoice) (settings.Settings, error) {
			if in.Revision == 0 {
				in.Revision = state.Active
			}
			return find(in.Revision), nil
		}),
		flow.GetUpkeep.Handle(ctx, func(struct{}) (flow.UpkeepState, error) { return state.Upkeep, nil }),
		flow.SetSchedule.Handle(ctx, func(flow.ScheduleChange) error { return nil }, func(ctx workflow.Context, in flow.ScheduleChange) (schedule.State, error) {
			state.Upkeep.Schedule = state.Upkeep.Schedule.With(in.Setting, workflow.Now(ctx), in.By)
			return state.Upkeep.Schedule, nil
		}),
		flow.SummarySettings.Handle(ctx, func(struct{}) (settings.Summary, error) { return find(state.Active).Summary(), nil }),
		flow.ProposeSettings.Handle(ctx, func(in flow.SettingsProposal) error {
			if in.First && state.Active != 0 {
				return flow.EncodeFault(fault.Newf(fault.AlreadyEnabled, "enabled already"))
			}
			return nil
		}, func(_ workflow.Context, in flow.SettingsProposal) (int64, error) {
			state.Last++
			in.Settings.Revision = state.Last
			state.Revisions = append(state.Revisions, in.Settings)
			return state.Last, nil
		}),
		flow.ApplySettings.Handle(ctx, func(flow.SettingsApplication) error { return nil }, func(_ workflow.Context, in flow.SettingsApplication) (settings.Summary, error) {
			state.Active = in.Revision
			return find(in.Revision).Summary(), nil
		}),
		flow.DropSettings.Handle(ctx, func(flow.SettingsDrop) error { return nil }, func(_ workflow.Context, in flow.SettingsDrop) (struct{}, error) {
			for i := range state.Revisions {
				if state.Revisions[i].Revision == in.Revision {
					state.Revisions = append(state.Revisions[:i:i], state.Revisions[i+1:]...)
					break
				}
			}
			return struct{}{}, nil
		}),
	)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, workflow.Await(ctx, func() bool { return false })
}

// settle stands for probe and settlement.
func (s *site) settle(ctx context.Context, in flow.SettleChangeInput) (settings.Summary, error) {
	id := flow.SettingsWorkflowID(s.instance)
	if s.probe != nil {
		_, err := flow.DropSettings.Send(ctx, s.client, id, flow.SettingsDrop{Revision: in.Revision})
		return settings.Summary{}, flow.EncodeFault(errors.Join(s.probe, err))
	}
	return flow.ApplySettings.Send(ctx, s.client, id, flow.SettingsApplication{Revision: in.Revision})
}

// backup captures one service.
func (s *site) backup(ctx workflow.Context, in flow.BackupInput) (backup.Overview, error) {
	p := flow.Progress{
		BackupID: in.BackupID, Status: backup.Running, Step: "capturing", StartedAt: workflow.Now(ctx).UTC(),
		Services: []flow.ServiceProgress{{Service: backup.AD, Phase: flow.PhaseCapture}, {Service: backup.CA, Phase: flow.PhaseQueued}},
	}
	if err := flow.BackupProgress.Handle(ctx, func(struct{}) (flow.Progress, error) { return p, nil }); err != nil {
		return backup.Overview{}, err
	}
	if _, err := flow.Collect(backup.AD).Run(steps(ctx, 3), flow.CollectInput{BackupID: in.BackupID, Service: backup.AD}); err != nil {
		p.Status = backup.Failed
		return backup.Overview{}, err
	}
	p.Status, p.Services[0].Phase = backup.Succeeded, flow.PhaseDone
	out := s.overview
	out.BackupID, out.Status, out.RequestedBy = in.BackupID, backup.Succeeded, in.RequestedBy
	return out, nil
}

func (s *site) list(in flow.ListInput) (flow.ListOutput, error) {
	s.looks.Add(1)
	if in.BackupID == "" {
		out := s.listing
		if in.Limit > 0 && len(out.Backups) > in.Limit {
			out.Backups, out.More = out.Backups[:in.Limit], true
		}
		if !in.Expected {
			out.Expected = ""
		}
		return out, nil
	}
	for _, b := range s.listing.Backups {
		if b.BackupID == in.BackupID {
			return flow.ListOutput{Backups: []backup.Overview{b}}, nil
		}
	}
	return flow.ListOutput{}, flow.EncodeFault(fault.Newf(fault.BackupNotFound, "the share holds no backup %s", in.BackupID))
}

func steps(ctx workflow.Context, attempts int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, HeartbeatTimeout: 6 * time.Second, WaitForCancellation: true,
		RetryPolicy: &sdk.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 1, MaximumAttempts: attempts},
	})
}

// block makes CollectAD wait, and returns when it does and how to let it go on.
func (s *site) block(beat flow.Heartbeat) (reached <-chan struct{}, release func()) {
	return s.hold(beat, func(ctx context.Context) <-chan struct{} { return ctx.Done() })
}

// hold is block with a choice of what ends the wait early.
func (s *site) hold(beat flow.Heartbeat, end func(context.Context) <-chan struct{}) (reached <-chan struct{}, release func()) {
	began, gate := make(chan struct{}, 8), make(chan struct{})
	s.collect = func(ctx context.Context, _ int32) error {
		flow.Beat(ctx, beat)
		began <- struct{}{}
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-gate:
				return nil
			case <-end(ctx):
				return sdk.NewCanceledError()
			case <-ticker.C:
				flow.Beat(ctx, beat)
			}
		}
	}
	release = sync.OnceFunc(func() { close(gate) })
	s.t.Cleanup(release)
	return began, release
}

func (s *site) request() EnableRequest {
	return enableRequest(s.t, s.instance)
}

func (s *site) enable() settings.Summary {
	s.t.Helper()
	summary, err := s.Enable(s.t.Context(), s.request())
	require.NoError(s.t, err)
	return summary
}

// ghost polls once and is gone, as a worker that is killed.
func (s *site) ghost() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := s.client.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
		Namespace: temporal.DefaultNamespace, TaskQueue: &taskqueuepb.TaskQueue{Name: flow.Queue(s.instance)}, Identity: "ghost",
	})
	require.Error(s.t, err, "there is nothing to do")
}

// terminate ends what a test left running.
func (s *site) terminate(id string) {
	s.t.Helper()
	require.NoError(s.t, s.client.TerminateWorkflow(s.t.Context(), id, "", "the test ends it"))
}
