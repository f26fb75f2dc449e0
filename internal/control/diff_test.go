package control

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/control/operation"
	found "infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/restore/drill"
)

// TestDrills: an answer is about the page, or the drill, that was asked for.
func TestDrills(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const id backup.ID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	s.drills = func(in drills.Input) (drills.Output, error) {
		require.Equal(t, s.instance, in.Instance)
		return drills.Output{Drills: []drill.Listed{{DrillID: id}}, From: 3, Total: 4}, nil
	}
	out, err := s.Drills(t.Context(), drills.Input{From: 3, Count: 5})
	require.NoError(t, err)
	require.Equal(t, 4, out.Total)
	_, err = s.Drills(t.Context(), drills.Input{From: 2, Count: 5})
	require.ErrorIs(t, err, fault.AnswerRefused)
	_, err = s.Drills(t.Context(), drills.Input{DrillID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12"})
	require.ErrorIs(t, err, fault.AnswerRefused)
}

// TestDiff: one comparison at a time; while it runs it tells nothing, and then what was found. The
// operation has counts.
func TestDiff(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.diff = func(ctx workflow.Context, in diffs.Input) (diffs.Output, error) {
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
		if in.RequestedBy == "bert" {
			return diffs.Output{}, flow.EncodeFault(fault.Newf(fault.BackupForged, "nobody signed it"))
		}
		return diffs.Output{RequestedBy: in.RequestedBy, Report: &found.Report{A: found.Side{BackupID: in.A.BackupID}, Services: []found.Service{{Added: 3}}}}, nil
	}
	const id backup.ID = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	begin := func(by string) string {
		t.Helper()
		begun, err := s.BeginDiff(t.Context(), diffs.Input{A: diffs.Side{BackupID: id}, RequestedBy: by})
		require.NoError(t, err)
		return begun.ID
	}
	ended := func(run string) (o operation.Operation) {
		t.Helper()
		require.NoError(t, s.client.SignalWorkflow(t.Context(), flow.DiffWorkflowID(s.instance), run, "go", nil))
		require.Eventually(t, func() bool {
			var err error
			o, err = s.Operation(t.Context(), run)
			require.NoError(t, err)
			return !o.Running
		}, time.Minute, 100*time.Millisecond)
		return o
	}
	run := begin("anna")
	d, err := s.client.DescribeWorkflowExecution(t.Context(), flow.DiffWorkflowID(s.instance), run)
	require.NoError(t, err)
	require.Equal(t, longestDiff, d.GetExecutionConfig().GetWorkflowExecutionTimeout().AsDuration(), "others wait for it")
	_, err = s.BeginDiff(t.Context(), diffs.Input{RequestedBy: "bert"})
	require.ErrorIs(t, err, fault.DiffRunning)
	_, err = s.Diff(t.Context(), run)
	require.ErrorIs(t, err, fault.DiffRunning)
	o := ended(run)
	require.Equal(t, []any{operation.Diff, id, int64(3)}, []any{o.Kind, o.Diff.A, o.Diff.Added})
	out, err := s.Diff(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, []any{"anna", id}, []any{out.RequestedBy, out.Report.A.BackupID})

	failed := begin("bert")
	require.ErrorIs(t, ended(failed).Fault, fault.BackupForged)
	_, err = s.Diff(t.Context(), failed)
	require.ErrorIs(t, err, fault.BackupForged)
	_, err = s.Diff(t.Context(), string(id))
	require.ErrorIs(t, err, fault.ItemNotFound)
}
