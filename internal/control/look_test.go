package control

import (
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// TestAnOperationIsOfTheKindOfItsWorkflow: any workflow can be started under any ID by a
// stranger, and is no operation of the kind that the ID is for.
func TestAnOperationIsOfTheKindOfItsWorkflow(t *testing.T) {
	const instance = "north"
	verify := verifyOperation + someRun
	for name, tc := range map[string]struct {
		id, workflow, kind, queue string
		want                      operation.Kind // empty when it is refused
	}{
		"change":               {someRun, flow.ChangeSettingsWorkflowID(instance), flow.ChangeKey.Name, flow.Queue(instance), operation.Change},
		"prune":                {someRun, flow.PruneWorkflowID(instance), flow.Prune.Name, flow.Queue(instance), operation.Prune},
		"backup":               {someRun, flow.BackupWorkflowID(instance), flow.Backup.Name, flow.Queue(instance), operation.Backup},
		"verification":         {verify, flow.VerifyWorkflowID(instance, someRun), flow.Verify.Name, flow.Queue(instance), operation.Verify},
		"restore":              {someRun, flow.RestoreWorkflowID(instance), flow.Restore.Name, flow.Queue(instance), operation.Restore},
		"plan of an undo":      {someRun, flow.RestoreWorkflowID(instance), flow.PlanRestore.Name, flow.Queue(instance), operation.Plan},
		"plan of a restore":    {someRun, flow.RestorePlanWorkflowID(instance), flow.PlanRestore.Name, flow.Queue(instance), operation.Plan},
		"restore for a plan":   {someRun, flow.RestorePlanWorkflowID(instance), flow.Restore.Name, flow.Queue(instance), ""},
		"backup for a prune":   {someRun, flow.PruneWorkflowID(instance), flow.Backup.Name, flow.Queue(instance), ""},
		"prune for a change":   {someRun, flow.ChangeSettingsWorkflowID(instance), flow.Prune.Name, flow.Queue(instance), ""},
		"change to verify":     {verify, flow.VerifyWorkflowID(instance, someRun), flow.Enable.Name, flow.Queue(instance), ""},
		"no operation":         {someRun, flow.BackupWorkflowID(instance), flow.List.Name, flow.Queue(instance), ""},
		"of a foreign queue":   {someRun, flow.BackupWorkflowID(instance), flow.Backup.Name, "elsewhere", ""},
		"of another instance":  {someRun, flow.PruneWorkflowID(instance), flow.Prune.Name, flow.Queue("south"), ""},
		"of no workers at all": {verify, flow.VerifyWorkflowID(instance, someRun), flow.Verify.Name, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.known[tc.workflow] = goingOn(tc.workflow, tc.kind, tc.queue)
			c := New(f, nil, "default", instance)
			op, err := c.Operation(t.Context(), tc.id)
			if tc.want == "" {
				require.ErrorIs(t, err, fault.AnswerRefused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, op.Kind)
			require.True(t, op.Running)
		})
	}
}

// TestAnOperationThatWasHandedOver: a run that went on as another one runs for as long as that does,
// and a later run of the workflow is none of it.
func TestAnOperationThatWasHandedOver(t *testing.T) {
	id := flow.RestoreWorkflowID("north")
	for name, test := range map[string]struct {
		first   string // of the newest run
		running bool
	}{"goes on": {someRun, true}, "another restore": {"ffffffff-0000-4000-8000-000000000000", false}} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			before := goingOn(id, flow.Restore.Name, flow.Queue("north"))
			before.Status, before.FirstRunId = enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, someRun
			newest := goingOn(id, flow.Restore.Name, flow.Queue("north"))
			newest.FirstRunId = test.first
			f.known[id] = newest
			require.Equal(t, test.running, New(f, nil, "default", "north").handedOver(t.Context(), before) == newest)
		})
	}
}

// TestWhatRuns: what has ended, or never was, does not run.
func TestWhatRuns(t *testing.T) {
	change, backup := flow.ChangeSettingsWorkflowID("north"), flow.BackupWorkflowID("north")
	f := newFake()
	known := f.known
	c := New(f, nil, "default", "north")
	nothing := func() {
		t.Helper()
		run, since, err := c.Changing(t.Context())
		require.NoError(t, err)
		require.Empty(t, run)
		require.Zero(t, since)
		_, err = c.Running(t.Context())
		require.ErrorIs(t, err, fault.BackupNotFound)
	}
	nothing()
	known[change], known[backup] = goingOn(change, flow.Enable.Name, "q"), goingOn(backup, flow.Backup.Name, "q")
	run, _, err := c.Changing(t.Context())
	require.NoError(t, err)
	require.Equal(t, someRun, run)
	run, err = c.Running(t.Context())
	require.NoError(t, err)
	require.Equal(t, someRun, run)
	for _, info := range known {
		info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	}
	nothing()
}
