package flow

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
)

type question struct {
	Text string `json:"text"`
}

type answer struct {
	Text string `json:"text"`
}

var (
	testActivity = Activity[question, answer]{"TestActivity"}
	testWorkflow = Workflow[question, answer]{"TestWorkflow"}
	testQuery    = Query[question, answer]{"ask"}
	testUpdate   = Update[question, answer]{"change"}
)

// The typed handles meet through the names alone, with the types intact.
func TestHandles(t *testing.T) {
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	testActivity.Register(env, func(_ context.Context, in question) (answer, error) {
		return answer{"activity " + in.Text}, nil
	})
	state := "none"
	testWorkflow.Register(env, func(ctx workflow.Context, in question) (answer, error) {
		if err := testQuery.Handle(ctx, func(q question) (answer, error) { return answer{q.Text + " " + state}, nil }); err != nil {
			return answer{}, err
		}
		err := testUpdate.Handle(ctx,
			func(in question) error {
				if in.Text == "" {
					return errors.New("empty")
				}
				return nil
			},
			func(_ workflow.Context, in question) (answer, error) {
				state = in.Text
				return answer{"was " + in.Text}, nil
			})
		if err != nil {
			return answer{}, err
		}
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		if err := workflow.Await(ctx, func() bool { return state != "none" }); err != nil {
			return answer{}, err
		}
		first := testActivity.Start(ctx, in)
		if _, err := first.Get(ctx); err != nil {
			return answer{}, err
		}
		return testActivity.Run(ctx, in)
	})
	refused := &updateCallbacks{}
	accepted := &updateCallbacks{}
	env.RegisterDelayedCallback(func() { env.UpdateWorkflow(testUpdate.Name, "1", refused, question{}) }, time.Second)
	env.RegisterDelayedCallback(func() { env.UpdateWorkflow(testUpdate.Name, "2", accepted, question{"new"}) }, 2*time.Second)
	env.ExecuteWorkflow(testWorkflow.Name, question{"hello"})
	require.NoError(t, env.GetWorkflowError())

	var out answer
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, answer{"activity hello"}, out)
	require.ErrorContains(t, refused.err, "empty")
	require.NoError(t, accepted.err)
	require.Equal(t, answer{"was new"}, accepted.result)

	value, err := env.QueryWorkflow(testQuery.Name, question{"now"})
	require.NoError(t, err)
	require.NoError(t, value.Get(&out))
	require.Equal(t, answer{"now new"}, out)
}

// Others than a worker can accept an update, so what its validation says counts again
// before it is done.
func TestAnUpdateIsLookedAtBeforeItIsDone(t *testing.T) {
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	looked, done := 0, false
	testWorkflow.Register(env, func(ctx workflow.Context, _ question) (answer, error) {
		err := testUpdate.Handle(ctx,
			func(question) error {
				if looked++; looked > 1 {
					return errors.New("it has changed")
				}
				return nil
			},
			func(workflow.Context, question) (answer, error) {
				done = true
				return answer{}, nil
			})
		if err != nil {
			return answer{}, err
		}
		return answer{}, workflow.Sleep(ctx, time.Minute)
	})
	told := &updateCallbacks{}
	env.RegisterDelayedCallback(func() { env.UpdateWorkflow(testUpdate.Name, "1", told, question{"new"}) }, time.Second)
	env.ExecuteWorkflow(testWorkflow.Name, question{})
	require.NoError(t, env.GetWorkflowError())
	require.ErrorContains(t, told.err, "it has changed")
	require.False(t, done)
}

type updateCallbacks struct {
	result any
	err    error
}

func (u *updateCallbacks) Accept()                   {}
func (u *updateCallbacks) Reject(err error)          { u.err = err }
func (u *updateCallbacks) Complete(r any, err error) { u.result, u.err = r, err }

// Names are part of the contract with running workflows, scripts and the Web UI.
func TestNames(t *testing.T) {
	const id = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	require.Equal(t, "infrabackup-local", Queue("local"))
	require.Equal(t, "infrabackup-local-spool-w1", SpoolQueue("local", "w1"))
	require.Equal(t, "local:backup", BackupWorkflowID("local"))
	require.Equal(t, "local:settings", SettingsWorkflowID("local"))
	require.Equal(t, "local:change-settings", ChangeSettingsWorkflowID("local"))
	require.Equal(t, "local:verify:"+string(id), VerifyWorkflowID("local", id))
	require.Equal(t, "BackupWorkflow", Backup.Name)
	for service, want := range map[backup.Service]string{backup.AD: "CollectAD", backup.CA: "CollectCA", backup.KeyVault: "CollectKeyVault"} {
		require.Equal(t, want, Collect(service).Name)
	}
}

// TestAnAlarmRunsOnItsOwnQueueOnly: whoever can write to the namespace may ring, and has no
// say in what is done.
func TestAnAlarmRunsOnItsOwnQueueOnly(t *testing.T) {
	for queue, refused := range map[string]bool{Queue("local"): false, Queue("other"): true} {
		env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "local:upkeep-2026-11-29T00:00:00Z", TaskQueue: queue})
		asked := 0
		testActivity.Register(env, func(_ context.Context, in question) (answer, error) {
			asked++
			return answer(in), nil
		})
		alarm := Alarm[answer]{"TestAlarm"}
		alarm.Register(env, func(ctx workflow.Context) (answer, error) {
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
			return testActivity.Run(ctx, question{InstanceOf(ctx)})
		})
		env.ExecuteWorkflow(alarm.Name, question{"something"})
		var out answer
		if refused {
			require.ErrorContains(t, env.GetWorkflowError(), "was started on the queue")
			require.Zero(t, asked)
			continue
		}
		require.NoError(t, env.GetWorkflowResult(&out))
		require.Equal(t, answer{"local"}, out)
	}
}
