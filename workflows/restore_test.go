package workflows

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore"
	"infrabackup/internal/secret"
)

// bench is a worker with a target, and what it was asked for.
type bench struct {
	env    *testsuite.TestWorkflowEnvironment
	opened flow.OpenedRestore
	batch  func(ctx context.Context, n int) error // before the totals of batch n are told
	steps  []string

	unplanned error                 // why no plan is made
	planned   flow.RestorePlanInput // what a plan was asked for
	given     flow.RestoreInput     // what a restore was opened with
}

func restoreInput() flow.RestoreInput {
	return flow.RestoreInput{
		RestoreAccess: flow.RestoreAccess{Instance: "local", Target: "site-b", Key: secret.NewTransfer(secret.New("key")), RequestedBy: "test"},
		PlanID:        strings.Repeat("ab", 32), BackupID: testID,
	}
}

func newBench(t *testing.T) *bench {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	b := &bench{env: suite.NewTestWorkflowEnvironment(), opened: flow.OpenedRestore{Batches: 3}}
	b.env.SetTestTimeout(time.Minute)
	b.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: flow.RestoreWorkflowID("local"), TaskQueue: flow.Queue("local")})
	flow.Restore.Register(b.env, Restore)
	flow.MakeRestorePlan.Register(b.env, func(_ context.Context, in flow.RestorePlanInput) (flow.RestorePlan, error) {
		b.steps = append(b.steps, "plan")
		b.planned = in
		return flow.RestorePlan{PlanID: restoreInput().PlanID, Counts: restore.Counts{Refused: 2}, Production: "the ID"}, flow.EncodeFault(b.unplanned)
	})
	flow.OpenRestore.Register(b.env, func(_ context.Context, in flow.RestoreInput) (flow.OpenedRestore, error) {
		b.steps = append(b.steps, "open")
		b.given = in
		return b.opened, nil
	})
	flow.CompareRestore.Register(b.env, func(context.Context, flow.RestoreInput) (struct{}, error) {
		b.steps = append(b.steps, "compare")
		return struct{}{}, nil
	})
	flow.RestoreBatch.Register(b.env, func(ctx context.Context, in flow.RestoreBatchInput) (restore.Totals, error) {
		b.steps = append(b.steps, "batch "+string(rune('0'+in.Number)))
		if b.batch != nil {
			if err := b.batch(ctx, in.Number); err != nil {
				return restore.Totals{}, err
			}
		}
		return restore.Totals{Confirmed: 10}, nil
	})
	flow.CloseRestore.Register(b.env, func(context.Context, flow.RestoreInput) (struct{}, error) {
		b.steps = append(b.steps, "close")
		return struct{}{}, nil
	})
	return b
}

func (b *bench) run(in flow.RestoreInput) (out flow.RestoreResult, err error) {
	b.env.ExecuteWorkflow(flow.Restore.Name, in)
	if err := b.env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, b.env.GetWorkflowResult(&out)
}

// TestRestoreInBatches: everything is compared before the first write, and then batch follows
// batch; a run that goes on compares nothing again, and repeats nothing.
func TestRestoreInBatches(t *testing.T) {
	t.Run("from the beginning", func(t *testing.T) {
		b := newBench(t)
		out, err := b.run(restoreInput())
		require.NoError(t, err)
		require.Equal(t, []string{"open", "compare", "batch 0", "batch 1", "batch 2", "close"}, b.steps)
		require.Equal(t, flow.RestoreResult{PlanID: restoreInput().PlanID, Totals: restore.Totals{Confirmed: 30}}, out)
	})
	t.Run("begun before", func(t *testing.T) {
		b := newBench(t)
		b.opened.Begun = true
		_, err := b.run(restoreInput())
		require.NoError(t, err)
		require.Equal(t, []string{"open", "batch 0", "batch 1", "batch 2", "close"}, b.steps)
	})
	t.Run("after another run", func(t *testing.T) {
		b := newBench(t)
		in := restoreInput()
		in.Done = &flow.RestoreState{Batches: 3, Ended: 2, Totals: restore.Totals{Confirmed: 20}}
		out, err := b.run(in)
		require.NoError(t, err)
		require.Equal(t, []string{"batch 2", "close"}, b.steps)
		require.Equal(t, 30, out.Totals.Confirmed)
	})
	t.Run("handed over", func(t *testing.T) {
		b := newBench(t)
		b.env.SetContinueAsNewSuggested(true)
		_, err := b.run(restoreInput())
		require.True(t, workflow.IsContinueAsNewError(err), "%v", err)
		require.Equal(t, []string{"open", "compare", "batch 0"}, b.steps, "what is open stays open for the next run")
	})
}

// TestRestorePlansFirst: a run that makes its plan does what that says and nothing else, with the
// consent that its caller gave.
func TestRestorePlansFirst(t *testing.T) {
	first := func() flow.RestoreInput {
		in := restoreInput()
		in.PlanID = ""
		in.First = &flow.RestoreFirst{Selection: restore.Selection{Services: []backup.Service{backup.CA}}, Recipients: []string{"age1x"}, Production: true}
		return in
	}
	t.Run("and does it", func(t *testing.T) {
		b := newBench(t)
		out, err := b.run(first())
		require.NoError(t, err)
		require.Equal(t, []string{"plan", "open", "compare", "batch 0", "batch 1", "batch 2", "close"}, b.steps)
		require.Equal(t, flow.RestoreResult{PlanID: restoreInput().PlanID, Totals: restore.Totals{Confirmed: 30}, Refused: 2}, out)
		require.Equal(t, []backup.Service{backup.CA}, b.planned.Selection.Services)
		require.Equal(t, []string{"age1x"}, b.planned.Recipients)
		require.Equal(t, "the ID", b.given.Consent.Production)
		require.Nil(t, b.given.First, "steps have a plan")
		require.Equal(t, restoreInput().PlanID, b.given.PlanID)
	})
	t.Run("without consent to production", func(t *testing.T) {
		b := newBench(t)
		in := first()
		in.First.Production = false
		_, err := b.run(in)
		require.NoError(t, err)
		require.Empty(t, b.given.Consent.Production, "the step refuses, where it is needed")
	})
	t.Run("which fails", func(t *testing.T) {
		b := newBench(t)
		b.unplanned = fault.Newf(fault.TargetUnreachable, "away")
		_, err := b.run(first())
		require.Equal(t, fault.TargetUnreachable, fault.CodeOf(flow.DecodeFault(err)))
		require.Equal(t, []string{"plan"}, slices.Compact(b.steps), "nothing is opened, and nothing closed")
	})
	t.Run("handed over", func(t *testing.T) {
		b := newBench(t)
		b.env.SetContinueAsNewSuggested(true)
		_, err := b.run(first())
		var next *workflow.ContinueAsNewError
		require.ErrorAs(t, err, &next)
		require.Equal(t, []string{"plan", "open", "compare", "batch 0"}, b.steps)
	})
	t.Run("after another run", func(t *testing.T) {
		b := newBench(t)
		in := restoreInput()
		in.Done = &flow.RestoreState{Batches: 3, Ended: 2, Refused: 2}
		out, err := b.run(in)
		require.NoError(t, err)
		require.Equal(t, 2, out.Refused, "what the plan refused is not forgotten")
	})
	t.Run("with a plan that is there", func(t *testing.T) {
		b := newBench(t)
		in := first()
		in.PlanID = restoreInput().PlanID
		_, err := b.run(in)
		require.Equal(t, fault.RequestRefused, fault.CodeOf(flow.DecodeFault(err)))
		require.NotContains(t, b.steps, "open")
	})
}

// TestRestoreEnds: whatever ends a restore, its worker is told to forget the key.
func TestRestoreEnds(t *testing.T) {
	t.Run("a batch fails", func(t *testing.T) {
		b := newBench(t)
		b.batch = func(_ context.Context, n int) error {
			if n == 1 {
				return flow.EncodeFault(fault.Newf(fault.PlanDiffers, "another version"))
			}
			return nil
		}
		_, err := b.run(restoreInput())
		require.Equal(t, fault.PlanDiffers, fault.CodeOf(flow.DecodeFault(err)), "%v", err)
		require.Equal(t, []string{"open", "compare", "batch 0", "batch 1", "close"}, b.steps)
	})
	t.Run("cancelled", func(t *testing.T) {
		b := newBench(t)
		b.batch = func(ctx context.Context, n int) error {
			if n == 1 {
				b.env.CancelWorkflow()
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		_, err := b.run(restoreInput())
		require.Error(t, err)
		require.Equal(t, "close", b.steps[len(b.steps)-1])
		require.NotContains(t, b.steps, "batch 2")
	})
}
