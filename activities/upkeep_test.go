package activities

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
	"infrabackup/internal/upkeep"
)

// upkeeper is an entity beside which workflows run or do not, and backups are started.
type upkeeper struct {
	*keeping
	running []string // IDs of workflows
	begun   []string // IDs of workflows that were started
	refuse  error
}

// DescribeWorkflowExecution implements client.Client.
func (u *upkeeper) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	out, err := u.keeping.DescribeWorkflowExecution(ctx, id, run)
	if id == flow.SettingsWorkflowID(shelfInstance) || err != nil {
		return out, err
	}
	out.WorkflowExecutionInfo.Type.Name = flow.Backup.Name
	if !slices.Contains(u.running, id) {
		out.WorkflowExecutionInfo.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	return out, nil
}

// ExecuteWorkflow implements client.Client.
func (u *upkeeper) ExecuteWorkflow(_ context.Context, options client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	if u.refuse != nil {
		return nil, u.refuse
	}
	u.begun = append(u.begun, options.ID)
	return begunRun{id: options.ID}, nil
}

// SignalWorkflow implements client.Client.
func (u *upkeeper) SignalWorkflow(context.Context, string, string, string, any) error { return nil }

type begunRun struct {
	client.WorkflowRun
	id string
}

// GetID implements client.WorkflowRun.
func (r begunRun) GetID() string { return r.id }

// GetRunID implements client.WorkflowRun.
func (r begunRun) GetRunID() string { return "run-2" }

// newUpkeeper is a shelf with a schedule that is due.
func newUpkeeper(t *testing.T) (*shelf, *upkeeper) {
	t.Helper()
	x := newShelf(t)
	u := &upkeeper{keeping: x.entity}
	x.a.Client = u
	setting := schedule.Default()
	setting.Enabled = true
	u.upkeep.Schedule = schedule.State{}.With(setting, time.Now().Add(-12*time.Hour-time.Minute), "anna")
	return x, u
}

func TestPlanUpkeep(t *testing.T) {
	x, u := newUpkeeper(t)
	now := time.Now()
	plan := func(in flow.PlanUpkeepInput) flow.PlanUpkeepOutput {
		in.Instance, in.Now = shelfInstance, now
		out, err := run(t, x.a.PlanUpkeep, in)
		require.NoError(t, err)
		return out
	}
	slot := plan(flow.PlanUpkeepInput{SlotOnly: true})
	require.True(t, slot.Enabled && slot.Due)
	require.NotEmpty(t, slot.BackupID)
	require.Empty(t, slot.Verify)

	all := plan(flow.PlanUpkeepInput{})
	require.Equal(t, []backup.ID{shelfID}, all.Verify)
	require.Len(t, all.Prune.Decisions, 1)
	require.Empty(t, all.Prune.Remove(), "it was adopted a moment ago")
	require.Equal(t, flow.Seen{Revision: 1, Ledger: u.heads[x.s.Share.Place()], Reasons: upkeep.Reasons(u.upkeep)}, all.Prune.Seen)

	verdict, err := run(t, x.a.VerifyBackup, flow.VerifyInput{Instance: shelfInstance, BackupID: shelfID})
	require.NoError(t, err)
	require.Empty(t, verdict.Findings)
	v, noted := u.upkeep.Verdict(shelfID)
	require.True(t, noted)
	require.Empty(t, v.Code)
	require.Empty(t, plan(flow.PlanUpkeepInput{}).Verify)

	u.running = []string{flow.ReplaceKeysWorkflowID(shelfInstance)}
	require.Equal(t, retention.InUse, plan(flow.PlanUpkeepInput{}).Prune.HoldCode)
	u.running = nil
	require.NoError(t, os.Remove(filepath.Join(x.folder, shelfInstance, backup.LedgerDir, backup.LedgerFile(2))))
	require.Equal(t, upkeep.LedgerUnreliable, plan(flow.PlanUpkeepInput{}).Prune.HoldCode, "a ledger that was cut removes nothing")
}

func TestStartScheduled(t *testing.T) {
	const id, other = shelfID, backup.ID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
	start := func(t *testing.T, x *shelf, id backup.ID) (flow.StartScheduledOutput, error) {
		slot, due := x.entity.upkeep.Schedule.Due(time.Now())
		if !due {
			slot = x.entity.upkeep.Schedule.Slot
		}
		return run(t, x.a.StartScheduled, flow.StartScheduledInput{Instance: shelfInstance, Slot: slot, BackupID: id})
	}
	t.Run("once", func(t *testing.T) {
		x, u := newUpkeeper(t)
		for range 2 { // an attempt that is repeated
			out, err := start(t, x, id)
			require.NoError(t, err)
			require.Equal(t, schedule.Started, out.Outcome)
		}
		require.Equal(t, []string{flow.BackupWorkflowID(shelfInstance)}, u.begun)
		out, err := start(t, x, other)
		require.NoError(t, err)
		require.Empty(t, out.Outcome, "the slot is taken")
		require.Len(t, u.begun, 1)
		require.Equal(t, id, u.upkeep.Schedule.BackupID)
	})
	t.Run("claimed, and not started", func(t *testing.T) {
		x, u := newUpkeeper(t)
		u.refuse = serviceerror.NewUnavailable("away")
		_, err := start(t, x, id)
		require.Equal(t, fault.TemporalUnreachable, fault.CodeOf(err))
		u.refuse = serviceerror.NewWorkflowExecutionAlreadyStarted("", "", "run-9")
		x.a.Client = &another{u, time.Now()}
		_, err = start(t, x, id)
		require.Equal(t, fault.TemporalUnreachable, fault.CodeOf(err), "it may be this slot's own, without a go-ahead")
		require.True(t, fault.CodeOf(err).Retryable())
		x.a.Client = &another{u, time.Now().Add(-time.Hour)}
		for range 2 { // an attempt that is repeated
			out, err := start(t, x, id)
			require.NoError(t, err)
			require.Equal(t, []string{"skipped", string(fault.BackupRunning)}, []string{string(out.Outcome), out.Code})
			require.Equal(t, schedule.Skipped, u.upkeep.Schedule.Outcome, "nobody waits for a backup that there is not")
			require.Equal(t, string(fault.BackupRunning), u.upkeep.Schedule.Code)
			require.Contains(t, u.upkeep.Schedule.Message, "run-9")
		}
	})
	t.Run("refused by Temporal", func(t *testing.T) {
		x, u := newUpkeeper(t)
		u.refuse = serviceerror.NewPermissionDenied("not this client", "")
		out, err := start(t, x, id)
		require.NoError(t, err)
		require.Equal(t, schedule.Skipped, out.Outcome)
		require.Equal(t, string(fault.TemporalUnreachable), u.upkeep.Schedule.Code)
		require.Contains(t, u.upkeep.Schedule.Message, "not this client")
		require.EqualValues(t, 1, u.upkeep.Schedule.Missed)
	})
	t.Run("made already, as far as can be found out", func(t *testing.T) {
		x, u := newUpkeeper(t)
		_, err := start(t, x, id)
		require.NoError(t, err)
		x.a.Client = &mute{upkeeper: u, query: serviceerror.NewQueryFailed("loading")}
		_, err = start(t, x, id)
		require.True(t, fault.CodeOf(err).Retryable(), "%v", err)
		require.Len(t, u.begun, 1, "the run has completed, so it made a backup")
		x.a.Client = &mute{upkeeper: u, query: serviceerror.NewQueryFailed("no handler"), failed: true}
		out, err := start(t, x, id)
		require.NoError(t, err)
		require.Equal(t, schedule.Started, out.Outcome)
		require.Len(t, u.begun, 2, "the run never began")
	})
	t.Run("what runs is not known", func(t *testing.T) {
		x, u := newUpkeeper(t)
		x.a.Client = &mute{upkeeper: u, describe: serviceerror.NewUnavailable("away")}
		_, err := start(t, x, id)
		require.Equal(t, fault.TemporalUnreachable, fault.CodeOf(err))
		require.Empty(t, u.begun)
		require.Empty(t, u.upkeep.Schedule.Outcome, "the next attempt takes the slot")
		_, err = run(t, x.a.PlanUpkeep, flow.PlanUpkeepInput{Instance: shelfInstance, Now: time.Now()})
		require.Equal(t, fault.TemporalUnreachable, fault.CodeOf(err), "nothing is removed while it is unknown what is at work")
	})
	for code, make := range map[fault.Code]func(x *shelf, u *upkeeper){
		fault.BackupRunning:  func(_ *shelf, u *upkeeper) { u.running = []string{flow.BackupWorkflowID(shelfInstance)} },
		fault.ChangeRunning:  func(_ *shelf, u *upkeeper) { u.running = []string{flow.ChangeSettingsWorkflowID(shelfInstance)} },
		fault.RestoreRunning: func(_ *shelf, u *upkeeper) { u.running = []string{flow.RestoreWorkflowID(shelfInstance)} },
		fault.RewrapRunning:  func(_ *shelf, u *upkeeper) { u.running = []string{flow.ReplaceKeysWorkflowID(shelfInstance)} },
		fault.StampUpdating: func(x *shelf, _ *upkeeper) {
			x.a.Updating = func(context.Context) (string, error) { return "1.2311.0.47", nil }
		},
	} {
		t.Run(string(code), func(t *testing.T) {
			x, u := newUpkeeper(t)
			make(x, u)
			out, err := start(t, x, id)
			require.NoError(t, err)
			require.Equal(t, schedule.Skipped, out.Outcome)
			require.Equal(t, string(code), u.upkeep.Schedule.Code)
			require.Empty(t, u.begun)
			require.Empty(t, u.upkeep.Schedule.BackupID)
		})
	}
	t.Run("a stamp that does not say", func(t *testing.T) {
		x, u := newUpkeeper(t)
		x.a.Updating = func(context.Context) (string, error) { return "", errors.New("away") }
		out, err := start(t, x, id)
		require.NoError(t, err)
		require.Equal(t, schedule.Started, out.Outcome)
		require.Len(t, u.begun, 1)
		require.Equal(t, string(fault.Internal), u.upkeep.Schedule.Code, "that it is unclear is remembered")
		require.Contains(t, u.upkeep.Schedule.Message, "away")
	})
	t.Run("a stamp that tells plainly", func(t *testing.T) {
		x, u := newUpkeeper(t)
		x.a.Updating = func(context.Context) (string, error) { return "", nil }
		_, err := start(t, x, id)
		require.NoError(t, err)
		require.Empty(t, u.upkeep.Schedule.Code+u.upkeep.Schedule.Message)
	})
}

// TestAnUpdateDoesNotSkipForEver: whatever the stamp reports, every three days a scheduled backup
// begins.
func TestAnUpdateDoesNotSkipForEver(t *testing.T) {
	for _, hours := range []int{4, 5, 7, 11, 12} {
		x, u := newUpkeeper(t)
		x.a.Updating = func(context.Context) (string, error) { return "update 1.2311.0.47", nil }
		setting := u.upkeep.Schedule.Setting
		setting.FrequencyHours = hours
		begun := time.Now().Add(-1000 * time.Hour).Truncate(time.Second)
		u.upkeep.Schedule = schedule.State{}.With(setting, begun, "anna")
		skipped := 0
		for slot := begun.Add(time.Duration(hours) * time.Hour); len(u.begun) < 2; slot = slot.Add(time.Duration(hours) * time.Hour) {
			x.entity.now = func() time.Time { return slot.Add(time.Minute) }
			id, err := backup.NewID(rand.Reader)
			require.NoError(t, err)
			out, err := run(t, x.a.StartScheduled, flow.StartScheduledInput{Instance: shelfInstance, Slot: slot, BackupID: id})
			require.NoError(t, err)
			require.Equal(t, string(fault.StampUpdating), u.upkeep.Schedule.Code)
			require.Contains(t, u.upkeep.Schedule.Message, "update 1.2311.0.47")
			if out.Outcome == schedule.Skipped {
				skipped += hours
				require.Less(t, skipped, 72+hours, "every %d hours", hours)
				continue
			}
			require.GreaterOrEqual(t, skipped, 72, "every %d hours", hours)
			require.Equal(t, id, u.upkeep.Schedule.BackupID)
			require.Contains(t, u.upkeep.Schedule.Message, "72 hours")
			skipped = 0
		}
	}
}

// mute is an entity beside which runs of backups cannot be looked at.
type mute struct {
	*upkeeper
	describe, query error // that questions about a backup end with
	failed          bool  // the run did not complete
}

// DescribeWorkflowExecution implements client.Client.
func (m *mute) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if id != flow.SettingsWorkflowID(shelfInstance) && m.describe != nil {
		return nil, m.describe
	}
	out, err := m.upkeeper.DescribeWorkflowExecution(ctx, id, run)
	if err == nil && m.failed && id == flow.BackupWorkflowID(shelfInstance) {
		out.WorkflowExecutionInfo.Status = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	}
	return out, err
}

// QueryWorkflow implements client.Client.
func (m *mute) QueryWorkflow(ctx context.Context, id, run, query string, args ...any) (converter.EncodedValue, error) {
	if query == flow.BackupProgress.Name {
		return nil, m.query
	}
	return m.upkeeper.QueryWorkflow(ctx, id, run, query, args...)
}

// GetWorkflowHistory implements client.Client.
func (m *mute) GetWorkflowHistory(context.Context, string, string, bool, enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return noEvents{}
}

type noEvents struct{ client.HistoryEventIterator }

// HasNext implements client.HistoryEventIterator.
func (noEvents) HasNext() bool { return false }

// another is an entity beside which another backup was made than the one that was claimed.
type another struct {
	*upkeeper
	started time.Time // of that backup, when it is known
}

// DescribeWorkflowExecution implements client.Client.
func (a *another) DescribeWorkflowExecution(ctx context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if id != flow.BackupWorkflowID(shelfInstance) {
		return a.upkeeper.DescribeWorkflowExecution(ctx, id, run)
	}
	if run == "" { // whose backup it makes cannot be asked
		return nil, serviceerror.NewNotFound("none")
	}
	out, err := a.upkeeper.DescribeWorkflowExecution(ctx, id, run)
	if err == nil {
		out.WorkflowExecutionInfo.StartTime = timestamppb.New(a.started)
	}
	return out, err
}

// TestPruningIsRecordedAsSuch: the ledger tells what retention removed from what an operator
// deleted.
func TestPruningIsRecordedAsSuch(t *testing.T) {
	x := newShelf(t)
	_, err := run(t, x.a.DeleteBackup, flow.DeleteInput{Instance: shelfInstance, BackupID: shelfID, RequestedBy: flow.ByRetention, Pruned: true})
	require.NoError(t, err)
	require.Equal(t, backup.LedgerPruned, x.state().Action)
}
