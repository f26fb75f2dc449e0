package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
)

// enableScheduled enables backups with a schedule that was switched on twelve hours ago, so
// that one is due.
func (c *controller) enableScheduled() {
	c.t.Helper()
	setting := schedule.Default()
	setting.Enabled = true
	state := flow.SettingsState{Instance: c.instance.Name}
	state.Upkeep.Schedule = schedule.State{}.With(setting, time.Now().Add(-12*time.Hour-time.Minute), "test")
	_, err := flow.Settings.Start(c.t.Context(), c.client, client.StartWorkflowOptions{
		ID: flow.SettingsWorkflowID(c.instance.Name), TaskQueue: flow.Queue(c.instance.Name),
	}, state)
	require.NoError(c.t, err)
	c.enable()
}

// triggered lets Temporal start upkeep now, and waits until that has ended.
func (c *controller) triggered() {
	c.t.Helper()
	handle := c.client.ScheduleClient().GetHandle(c.t.Context(), flow.UpkeepScheduleID(c.instance.Name))
	before, err := handle.Describe(c.t.Context())
	require.NoError(c.t, err)
	require.NoError(c.t, handle.Trigger(c.t.Context(), client.ScheduleTriggerOptions{}))
	require.Eventually(c.t, func() bool {
		now, err := handle.Describe(c.t.Context())
		return err == nil && now.Info.NumActions > before.Info.NumActions && len(now.Info.RunningWorkflows) == 0
	}, time.Minute, 100*time.Millisecond)
}

// ended waits for the end of an operation.
func (c *controller) ended(door *control.Controller, id string) (op operation.Operation) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		var err error
		op, err = door.Operation(c.t.Context(), id)
		return err == nil && !op.Running
	}, time.Minute, 100*time.Millisecond)
	return op
}

// TestSchedule: what is due happens by itself, once, and nothing else does.
func TestSchedule(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 3})
	door := c.door()
	_, err := door.SetSchedule(t.Context(), schedule.Default(), nil, "anna")
	require.Equal(t, fault.NotEnabled, fault.CodeOf(err))
	c.enableScheduled()
	status, err := door.Schedule(t.Context())
	require.NoError(t, err)
	require.Contains(t, status.Problem, "is gone", "nobody rings yet")

	setting := status.Setting
	setting.RetentionDays = 6
	status, err = door.SetSchedule(t.Context(), setting, nil, "anna")
	require.NoError(t, err)
	require.Empty(t, status.Problem)
	require.False(t, status.NextRing.IsZero())

	c.triggered() // it is due
	state, err := door.Upkeep(t.Context())
	require.NoError(t, err)
	require.Equal(t, schedule.Started, state.Schedule.Outcome)
	id := state.Schedule.BackupID
	op := c.ended(door, string(id))
	require.Equal(t, operation.Backup, op.Kind)
	require.Nil(t, op.Fault)
	require.Equal(t, flow.BySchedule, op.Backup.RequestedBy)

	c.triggered() // it is to be verified, and nothing else is due
	state, err = door.Upkeep(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, state.Schedule.BackupID)
	verdict, ok := state.Verdict(id)
	require.True(t, ok)
	require.Empty(t, verdict.Code)
	listed, err := door.List(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, listed.Backups, 1, "the slot counts once")

	// Somebody who can write to the namespace rings as often as they like.
	_, err = c.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: flow.UpkeepScheduleID(c.instance.Name) + "-forged", TaskQueue: flow.Queue(c.instance.Name),
	}, flow.Upkeep.Name)
	require.NoError(t, err)
	require.NoError(t, c.client.GetWorkflow(t.Context(), flow.UpkeepScheduleID(c.instance.Name)+"-forged", "").Get(t.Context(), nil))
	listed, err = door.List(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, listed.Backups, 1)

	handle := c.client.ScheduleClient().GetHandle(t.Context(), flow.UpkeepScheduleID(c.instance.Name))
	require.NoError(t, handle.Pause(t.Context(), client.SchedulePauseOptions{}))
	status, err = door.Schedule(t.Context())
	require.NoError(t, err)
	require.Contains(t, status.Problem, "paused in Temporal")
	setting.Enabled = false
	status, err = door.SetSchedule(t.Context(), setting, nil, "anna")
	require.NoError(t, err)
	require.Empty(t, status.Problem, "it rings again")
	require.False(t, status.Enabled)
	require.False(t, status.Next.IsZero())
	c.triggered()

	pruned, err := door.Prune(t.Context(), true, false, "anna")
	require.NoError(t, err)
	require.Len(t, pruned.Decisions, 1)
	require.False(t, pruned.Decisions[0].Remove)
	require.Empty(t, pruned.Removed)
}

// TestAScheduledBackupIsSkippedWhileAnotherRuns: and the history of the slot says why.
func TestAScheduledBackupIsSkippedWhileAnotherRuns(t *testing.T) {
	t.Parallel()
	source := &items{service: backup.AD, records: 2, reached: make(chan struct{}), gate: make(chan struct{})}
	c := newController(t, source)
	c.enableScheduled()
	door := c.door()
	status, err := door.Schedule(t.Context())
	require.NoError(t, err)
	_, err = door.SetSchedule(t.Context(), status.Setting, nil, "anna")
	require.NoError(t, err)
	begun, err := door.BeginBackup(t.Context(), "anna")
	require.NoError(t, err)
	<-source.reached
	op, err := door.Operation(t.Context(), begun.ID)
	require.NoError(t, err)
	require.True(t, op.Running)
	c.triggered()
	close(source.gate)
	state, err := door.Upkeep(t.Context())
	require.NoError(t, err)
	require.Equal(t, schedule.Skipped, state.Schedule.Outcome)
	require.Equal(t, string(fault.BackupRunning), state.Schedule.Code)
	require.Nil(t, c.ended(door, begun.ID).Fault)
}

// TestOperations: what an API begins can be looked at without waiting.
func TestOperations(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 2})
	door := c.door()
	proposal := c.proposal()
	key, err := seal.ParseRecipient(proposal.Recipients[0].Text)
	require.NoError(t, err)
	setting := schedule.Default()
	setting.Enabled = true
	first := control.Wanted{
		Share: &proposal.Share, Username: proposal.Credential.Username, Password: proposal.Credential.Password.String, Recipients: []seal.Recipient{key},
		SchedulePatch: schedule.Patch{Enabled: &setting.Enabled}, RequestedBy: "anna", Instance: c.instance,
	}
	begun, err := door.BeginChange(t.Context(), first)
	require.NoError(t, err)
	op := c.ended(door, begun.ID)
	require.Nil(t, op.Fault)
	require.Equal(t, operation.Change, op.Kind)
	require.Equal(t, int64(1), op.Settings.Revision)
	status, err := door.Schedule(t.Context())
	require.NoError(t, err)
	require.Equal(t, setting, status.Setting)
	require.Empty(t, status.Problem)

	again, err := door.BeginChange(t.Context(), first)
	require.NoError(t, err)
	require.True(t, again.Unchanged, "also the password")
	setting.RetentionDays = 5
	alone, err := door.BeginChange(t.Context(), control.Wanted{SchedulePatch: schedule.Patch{RetentionDays: &setting.RetentionDays}, RequestedBy: "anna"})
	require.NoError(t, err)
	require.Equal(t, control.Begun{Schedule: &setting}, alone)

	_, other, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	setting.FrequencyHours = 6
	both, err := door.BeginChange(t.Context(), control.Wanted{Username: `CORP\other`, Recipients: []seal.Recipient{other}, SchedulePatch: schedule.Patch{FrequencyHours: &setting.FrequencyHours}, RequestedBy: "anna"})
	require.NoError(t, err)
	op = c.ended(door, both.ID)
	require.Nil(t, op.Fault)
	require.Equal(t, int64(2), op.Settings.Revision, "one change is one revision")
	require.Equal(t, `CORP\other`, op.Settings.Username)
	require.Equal(t, other.Fingerprint, op.Settings.Recipients[0].Fingerprint)
	status, err = door.Schedule(t.Context())
	require.NoError(t, err)
	require.Equal(t, setting, status.Setting)

	begun, err = door.BeginBackup(t.Context(), "anna")
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, c.ended(door, begun.ID).Backup.Status)
	verify, err := door.BeginVerify(t.Context(), backup.ID(begun.ID))
	require.NoError(t, err)
	require.Empty(t, c.ended(door, verify.ID).Verdict.Findings)
	prune, err := door.BeginPrune(t.Context(), false, false, "anna")
	require.NoError(t, err)
	require.Empty(t, c.ended(door, prune.ID).Prune.Removed)
	_, err = door.Operation(t.Context(), "7c9e6679-7425-40de-944b-e07fc1f90ae7")
	require.Equal(t, fault.BackupNotFound, fault.CodeOf(err))
	known, err := door.Acknowledge(t.Context(), flow.AlertAcknowledgement{Code: "SHARE_FULL", By: "anna"})
	require.NoError(t, err)
	require.Equal(t, "anna", known.By)
}
