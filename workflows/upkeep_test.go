package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

// desk is what upkeep asks, and what it did.
type desk struct {
	env     *testsuite.TestWorkflowEnvironment
	due     []bool // whether a backup is, from look to look; not any more then
	plan    flow.PlanUpkeepOutput
	planErr error
	start   func(flow.StartScheduledInput) (flow.StartScheduledOutput, error)
	verify  func(flow.VerifyInput) (backup.Verdict, error)
	remove  func(flow.DeleteInput) error

	plans   []flow.PlanUpkeepInput
	started []flow.StartScheduledInput
	removed []flow.DeleteInput
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	d := &desk{env: suite.NewTestWorkflowEnvironment()}
	d.env.SetTestTimeout(time.Minute)
	d.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "local:upkeep-1", TaskQueue: flow.Queue("local")})
	flow.Upkeep.Register(d.env, Upkeep)
	flow.Prune.Register(d.env, Prune)
	flow.PlanUpkeep.Register(d.env, func(_ context.Context, in flow.PlanUpkeepInput) (flow.PlanUpkeepOutput, error) {
		d.plans = append(d.plans, in)
		if !in.SlotOnly {
			return d.plan, flow.EncodeFault(d.planErr)
		}
		var out flow.PlanUpkeepOutput
		if len(d.due) > 0 {
			out.Due, d.due = d.due[0], d.due[1:]
			out.Slot, out.BackupID = in.Now, testID
		}
		return out, nil
	})
	flow.StartScheduled.Register(d.env, func(_ context.Context, in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
		d.started = append(d.started, in)
		if d.start == nil {
			return flow.StartScheduledOutput{Outcome: schedule.Started, RunID: "run"}, nil
		}
		out, err := d.start(in)
		return out, flow.EncodeFault(err)
	})
	flow.VerifyBackup.Register(d.env, func(_ context.Context, in flow.VerifyInput) (backup.Verdict, error) {
		if d.verify == nil {
			return backup.Verdict{BackupID: in.BackupID}, nil
		}
		out, err := d.verify(in)
		return out, flow.EncodeFault(err)
	})
	flow.DeleteBackup.Register(d.env, func(_ context.Context, in flow.DeleteInput) (backup.Overview, error) {
		if d.remove != nil {
			if err := d.remove(in); err != nil {
				return backup.Overview{}, flow.EncodeFault(err)
			}
		}
		d.removed = append(d.removed, in)
		return backup.Overview{}, nil
	})
	return d
}

func (d *desk) upkeep(t *testing.T) flow.UpkeepOutput {
	t.Helper()
	d.env.ExecuteWorkflow(flow.Upkeep.Name)
	require.NoError(t, d.env.GetWorkflowError())
	var out flow.UpkeepOutput
	require.NoError(t, d.env.GetWorkflowResult(&out))
	return out
}

const (
	oldest = backup.ID("00000000-0000-4000-8000-000000000001")
	older  = backup.ID("00000000-0000-4000-8000-000000000002")
	young  = backup.ID("00000000-0000-4000-8000-000000000003")
)

// expired is a plan that removes two of three.
func expired() flow.PrunePlan {
	return flow.PrunePlan{Seen: flow.Seen{Revision: 4}, Decisions: []flow.PruneDecision{{BackupID: young}, {BackupID: older, Remove: true}, {BackupID: oldest, Remove: true}}}
}

func TestUpkeepDoesWhatIsDue(t *testing.T) {
	d := newDesk(t)
	d.due = []bool{true}
	d.plan = flow.PlanUpkeepOutput{Enabled: true, Verify: []backup.ID{young, older}, Prune: expired()}
	d.verify = func(in flow.VerifyInput) (backup.Verdict, error) {
		v := backup.Verdict{BackupID: in.BackupID}
		if in.BackupID == older {
			v.Findings = []backup.Finding{{Code: "BACKUP_DAMAGED"}, {Code: "LEDGER_DAMAGED"}}
		}
		return v, nil
	}
	out := d.upkeep(t)
	require.Equal(t, testID, out.BackupID)
	require.Equal(t, testID, d.started[0].BackupID)
	require.Equal(t, "local", d.started[0].Instance)
	require.Len(t, out.Verdicts, 2)
	require.Equal(t, "BACKUP_DAMAGED", out.Verdicts[1].Code)
	require.Equal(t, []backup.ID{oldest, older}, out.Removed)
	require.Equal(t, flow.DeleteInput{Instance: "local", BackupID: oldest, RequestedBy: flow.ByRetention, Seen: flow.Seen{Revision: 4}, Pruned: true}, d.removed[0])
	require.Empty(t, out.Failed)
	require.Len(t, d.plans, 3, "what was verified counts for what is removed")
	require.True(t, d.plans[0].SlotOnly)
	require.False(t, d.plans[0].Now.IsZero())
}

// TestWhileItIsPausedNothingIsRemoved: verification goes on.
func TestWhileItIsPausedNothingIsRemoved(t *testing.T) {
	d := newDesk(t)
	d.plan = flow.PlanUpkeepOutput{Verify: []backup.ID{young}, Prune: expired()}
	out := d.upkeep(t)
	require.Empty(t, out.BackupID)
	require.Empty(t, d.started)
	require.Len(t, out.Verdicts, 1)
	require.Empty(t, d.removed)
}

// TestAFailedStepKeepsNoOther: each is told, and the others are done.
func TestAFailedStepKeepsNoOther(t *testing.T) {
	d := newDesk(t)
	d.due = []bool{true}
	d.plan = flow.PlanUpkeepOutput{Enabled: true, Verify: []backup.ID{young, older}, Prune: expired()}
	d.start = func(flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
		return flow.StartScheduledOutput{}, fault.Newf(fault.SettingsReset, "reset")
	}
	d.verify = func(in flow.VerifyInput) (backup.Verdict, error) {
		if in.BackupID == young {
			return backup.Verdict{}, fault.Newf(fault.BackupNotFound, "gone")
		}
		return backup.Verdict{BackupID: in.BackupID}, nil
	}
	d.remove = func(in flow.DeleteInput) error {
		if in.BackupID == oldest {
			return fault.Newf(fault.ShareAccessDenied, "denied")
		}
		return nil
	}
	out := d.upkeep(t)
	require.Equal(t, []backup.ID{older}, out.Removed)
	require.Len(t, out.Verdicts, 1)
	var steps []string
	for _, f := range out.Failed {
		steps = append(steps, f.Step+" "+f.Code)
	}
	require.Equal(t, []string{"start SETTINGS_RESET", "verify BACKUP_NOT_FOUND", "delete SHARE_ACCESS_DENIED"}, steps)
}

func TestAShareThatIsAwayKeepsNoBackupFromStarting(t *testing.T) {
	d := newDesk(t)
	d.due = []bool{true}
	d.planErr = fault.Newf(fault.ShareAuthFailed, "refused")
	out := d.upkeep(t)
	require.Equal(t, testID, out.BackupID)
	require.Equal(t, "SHARE_AUTH_FAILED", out.Failed[0].Code)
}

// TestASlotThatComesWhileAVerificationRunsIsNotLate.
func TestASlotThatComesWhileAVerificationRunsIsNotLate(t *testing.T) {
	d := newDesk(t)
	d.due = []bool{false, true, true, false}
	d.plan.Verify = []backup.ID{young}
	attempts := 0
	d.verify = func(in flow.VerifyInput) (backup.Verdict, error) {
		if attempts++; attempts < 46 { // each retry waits for a minute
			return backup.Verdict{}, fault.Newf(fault.ShareUnreachable, "away")
		}
		return backup.Verdict{BackupID: in.BackupID}, nil
	}
	d.start = func(in flow.StartScheduledInput) (flow.StartScheduledOutput, error) {
		return flow.StartScheduledOutput{Outcome: schedule.Started}, nil
	}
	out := d.upkeep(t)
	require.Len(t, d.started, 1)
	require.Len(t, out.Verdicts, 1)
}

func TestPruneStopsWhenWhatWasPlannedIsNotSo(t *testing.T) {
	d := newDesk(t)
	d.plan.Prune = expired()
	d.remove = func(flow.DeleteInput) error { return fault.Newf(fault.SettingsChanged, "changed") }
	d.env.ExecuteWorkflow(flow.Prune.Name, flow.PruneInput{Instance: "local", RequestedBy: "anna", AcrossHole: true})
	require.NoError(t, d.env.GetWorkflowError())
	var out flow.PruneOutput
	require.NoError(t, d.env.GetWorkflowResult(&out))
	require.Empty(t, out.Removed)
	require.Len(t, out.Failed, 1)
	require.True(t, d.plans[0].AcrossHole)
}

func TestADryRunRemovesNothing(t *testing.T) {
	d := newDesk(t)
	d.plan.Prune = expired()
	d.env.ExecuteWorkflow(flow.Prune.Name, flow.PruneInput{Instance: "local", DryRun: true})
	require.NoError(t, d.env.GetWorkflowError())
	var out flow.PruneOutput
	require.NoError(t, d.env.GetWorkflowResult(&out))
	require.Equal(t, []backup.ID{oldest, older}, out.Plan.Remove())
	require.Empty(t, d.removed)
}
