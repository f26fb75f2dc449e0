package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdk "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/tests/tier"
)

// othersPerAnswer is how many ciphertexts of elsewhere are given as each answer, 0 for all.
func othersPerAnswer() int { return tier.Size(1, 1, 0) }

// answers are what a stranger's worker says, by workflow ID.
type answers struct {
	mu  sync.Mutex
	all map[string]func(runID string) reply
}

// reply is one thing that it says.
type reply struct {
	payloads []*commonpb.Payload
	failure  *failurepb.Failure
}

func (a *answers) set(workflowID string, say func(runID string) reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[workflowID] = say
}

func (a *answers) get(workflowID, runID string) reply {
	a.mu.Lock()
	say, ok := a.all[workflowID]
	a.mu.Unlock()
	if !ok {
		return reply{}
	}
	return say(runID)
}

// victim asks for one activity, several times, and tells the code of each failure; empty
// for an answer that was believed.
var victim = flow.Workflow[victimInput, []fault.Code]{Name: "VictimWorkflow"}

type victimInput struct {
	Activity string `json:"activity"`
	Times    int    `json:"times"`
}

func victimWorkflow(ctx workflow.Context, in victimInput) ([]fault.Code, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Second, RetryPolicy: &sdk.RetryPolicy{MaximumAttempts: 1},
	})
	var codes []fault.Code
	for lost := 0; len(codes) < in.Times; {
		_, err := flow.Activity[struct{}, json.RawMessage]{Name: in.Activity}.Run(ctx, struct{}{})
		var late *sdk.TimeoutError
		if lost < 3 && errors.As(err, &late) && late.TimeoutType() == enumspb.TIMEOUT_TYPE_START_TO_CLOSE { // nobody has answered
			lost++
			continue
		}
		codes = append(codes, fault.CodeOf(err))
	}
	return codes, nil
}

// disbelieved says what is wrong with the outcome of a question that a stranger answered.
func disbelieved(what string, err error) error {
	if code := fault.CodeOf(err); !refusedCode(string(code)) {
		return fmt.Errorf("%s ended with %q: %w", what, code, err)
	}
	return nil
}

// TestNothingIsBelievedThatStrangersAnswer lets a stranger's worker, which polls the
// instance's queue, answer for every activity, workflow, query and update of the contract.
func TestNothingIsBelievedThatStrangersAnswer(t *testing.T) {
	t.Parallel()
	c := newIdleController(t)
	s := newStranger(t, c)
	said := &answers{all: map[string]func(string) reply{}}
	s.strangersWorker(said)
	own := worker.New(c.client, flow.Queue(c.instance.Name+"v"), worker.Options{LocalActivityWorkerOnly: true})
	victim.Register(own, victimWorkflow)
	require.NoError(t, own.Start())
	t.Cleanup(own.Stop)
	polling, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	for range 8 {
		go s.takesSteps(polling, said)
	}

	work := &errgroup.Group{}
	work.SetLimit(24)
	for i, m := range flow.Contract() {
		switch m.Kind {
		case flow.KindActivity:
			s.stepsOf(work, m, said, i*othersPerAnswer())
		case flow.KindWorkflow:
			s.resultsOf(work, m, said, i)
		case flow.KindQuery, flow.KindUpdate:
			s.repliesOf(work, m, said, i)
		}
	}
	require.NoError(t, work.Wait())
}

// stepsOf lets the stranger end an activity in every wrong way, one after the other.
func (s *stranger) stepsOf(work *errgroup.Group, m flow.Member, said *answers, first int) {
	instance := s.c.instance.Name + "v"
	workflowID := instance + ":x-" + m.Name
	at := func(runID string, n int) []forgery {
		return s.forgeries(target{
			kind: "activity", name: m.Name, way: "result", place: []string{"activity", namespace, workflowID, victim.Name, m.Name},
			right: marks{"answers": fmt.Sprintf("%s/%d", runID, n+1)}, body: struct{}{},
		}, first, othersPerAnswer())
	}
	forged := at("", 0)
	n := 0
	said.set(workflowID, func(runID string) reply {
		defer func() { n++ }()
		if n < len(forged) {
			return reply{payloads: at(runID, n)[n].payloads}
		}
		return reply{failure: failures[n-len(forged)]}
	})
	work.Go(func() error {
		ctx, cancel := within(s.t)
		defer cancel()
		run, err := victim.Start(ctx, s.c.client, client.StartWorkflowOptions{ID: workflowID, TaskQueue: flow.Queue(instance)},
			victimInput{Activity: m.Name, Times: len(forged) + len(failures)})
		if err != nil {
			return err
		}
		codes, err := run.Get(ctx)
		for i, code := range codes {
			if !refusedCode(string(code)) {
				return fmt.Errorf("answer %d of %s was taken as %q", i, m.Name, code)
			}
		}
		return err
	})
}

// failures are what a stranger can say of an activity in clear: Temporal takes failures of
// this kind only, with any cause.
var failures = []*failurepb.Failure{
	inClear(nil),
	inClear(&failurepb.Failure{Message: "canceled", FailureInfo: &failurepb.Failure_CanceledFailureInfo{CanceledFailureInfo: &failurepb.CanceledFailureInfo{}}}),
	inClear(&failurepb.Failure{Source: "Server", FailureInfo: &failurepb.Failure_TimeoutFailureInfo{
		TimeoutFailureInfo: &failurepb.TimeoutFailureInfo{TimeoutType: enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START}}}),
}

// inClear is a code in clear.
func inClear(cause *failurepb.Failure) *failurepb.Failure {
	return &failurepb.Failure{
		Message: "BACKUP_NOT_FOUND: x", Source: "GoSDK", Cause: cause,
		FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
			ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: string(fault.BackupNotFound), NonRetryable: true},
		},
	}
}

// takesSteps polls for activities and ends each as said.
func (s *stranger) takesSteps(ctx context.Context, said *answers) {
	service := s.own.WorkflowService()
	for ctx.Err() == nil {
		// Longer than Temporal holds a poll: a task that it gives to a caller who has just gone
		// away is lost until its time is up.
		bounded, cancel := context.WithTimeout(ctx, 2*time.Minute)
		task, err := service.PollActivityTaskQueue(bounded, &workflowservice.PollActivityTaskQueueRequest{
			Namespace: namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: flow.Queue(s.c.instance.Name + "v")}, Identity: "stranger",
		})
		timedOut := bounded.Err() != nil
		cancel()
		if err != nil && !timedOut {
			s.t.Errorf("a stranger cannot poll: %v", err)
			return
		}
		if len(task.GetTaskToken()) == 0 {
			continue
		}
		say := said.get(task.WorkflowExecution.WorkflowId, task.WorkflowExecution.RunId)
		if say.failure != nil {
			_, err = service.RespondActivityTaskFailed(ctx, &workflowservice.RespondActivityTaskFailedRequest{
				Namespace: namespace, TaskToken: task.TaskToken, Failure: say.failure, Identity: "stranger",
			})
		} else {
			_, err = service.RespondActivityTaskCompleted(ctx, &workflowservice.RespondActivityTaskCompletedRequest{
				Namespace: namespace, TaskToken: task.TaskToken, Result: &commonpb.Payloads{Payloads: say.payloads}, Identity: "stranger",
			})
		}
		if err != nil && ctx.Err() == nil {
			s.t.Errorf("a stranger's answer was not taken by Temporal: %v", err)
		}
	}
}

// strangersWorker answers for every workflow with what is said, in clear.
func (s *stranger) strangersWorker(said *answers) {
	// What is said is made within workflow code, which takes its time on a busy machine; a
	// task that fails for that is tried again later and later.
	w := worker.New(s.own, flow.Queue(s.c.instance.Name), worker.Options{DeadlockDetectionTimeout: time.Minute})
	value := func(a reply) any {
		if len(a.payloads) == 0 {
			return nil
		}
		return converter.NewRawValue(a.payloads[0])
	}
	for _, m := range flow.Contract() {
		if m.Kind != flow.KindWorkflow {
			continue
		}
		w.RegisterWorkflowWithOptions(func(ctx workflow.Context) (any, error) {
			info := workflow.GetInfo(ctx).WorkflowExecution
			say := value(said.get(info.ID, info.RunID))
			for _, q := range flow.Contract() {
				var err error
				switch q.Kind {
				case flow.KindQuery:
					err = workflow.SetQueryHandler(ctx, q.Name, func() (any, error) { return say, nil })
				case flow.KindUpdate:
					err = workflow.SetUpdateHandler(ctx, q.Name, func(workflow.Context) (any, error) { return say, nil })
				}
				if err != nil {
					return nil, err
				}
			}
			if len(workflow.GetInfo(ctx).Memo.GetFields()) > 0 { // asked, not awaited
				return nil, workflow.Sleep(ctx, time.Minute)
			}
			return say, nil
		}, workflow.RegisterOptions{Name: m.Name})
	}
	require.NoError(s.t, w.Start())
	s.t.Cleanup(w.Stop)
}

// resultsOf lets the stranger end a workflow in every wrong way.
func (s *stranger) resultsOf(work *errgroup.Group, m flow.Member, said *answers, member int) {
	first := member * othersPerAnswer()
	template := func(workflowID, runID string) []forgery {
		return s.forgeries(target{
			kind: "workflow", name: m.Name, way: "result", place: []string{"workflow", namespace, workflowID},
			right: marks{"run": runID}, body: struct{}{},
		}, first, othersPerAnswer())
	}
	for i, f := range template("to be counted", "") {
		if len(f.payloads) > 1 || s.leavesOut(member, i) {
			continue // a workflow has one result
		}
		workflowID := fmt.Sprintf("%s:x-%s-%d", s.c.instance.Name, m.Name, i)
		said.set(workflowID, func(runID string) reply { return reply{payloads: template(workflowID, runID)[i].payloads} })
		work.Go(func() error {
			ctx, cancel := within(s.t)
			defer cancel()
			run, err := flow.Workflow[struct{}, json.RawMessage]{Name: m.Name}.Start(ctx, s.c.client,
				client.StartWorkflowOptions{ID: workflowID, TaskQueue: flow.Queue(s.c.instance.Name)}, struct{}{})
			if err != nil {
				return err
			}
			_, err = run.Get(ctx)
			return disbelieved("the result "+f.name+" of "+m.Name, err)
		})
	}
}

// repliesOf lets the stranger answer a query or an update in every wrong way.
func (s *stranger) repliesOf(work *errgroup.Group, m flow.Member, said *answers, member int) {
	first := member * othersPerAnswer()
	template := func(workflowID string) []forgery {
		return s.forgeries(target{
			kind: string(m.Kind), name: m.Name, way: "result", place: []string{"workflow", namespace, workflowID},
			right: marks{"answers": "an earlier question"}, body: struct{}{},
		}, first, othersPerAnswer())
	}
	for i, f := range template("to be counted") {
		if len(f.payloads) > 1 || s.leavesOut(member, i) {
			continue
		}
		workflowID := fmt.Sprintf("%s:e-%s-%d", s.c.instance.Name, m.Name, i)
		said.set(workflowID, func(string) reply { return reply{payloads: template(workflowID)[i].payloads} })
		work.Go(func() error {
			ctx, cancel := within(s.t)
			defer cancel()
			_, err := s.own.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
				ID: workflowID, TaskQueue: flow.Queue(s.c.instance.Name), Memo: map[string]any{"asked": true},
			}, m.Of[0])
			if err != nil {
				return err
			}
			// Temporal may lose a question to a run that has only just begun.
			for once, again := context.WithTimeout(ctx, 20*time.Second); ; once, again = context.WithTimeout(ctx, 20*time.Second) {
				if m.Kind == flow.KindQuery {
					_, err = flow.Query[struct{}, json.RawMessage]{Name: m.Name}.Ask(once, s.c.client, workflowID, struct{}{})
				} else {
					_, err = flow.Update[struct{}, json.RawMessage]{Name: m.Name}.Send(once, s.c.client, workflowID, struct{}{})
				}
				var late *serviceerror.DeadlineExceeded // the server gives up a moment before the caller
				lost := ctx.Err() == nil && (once.Err() != nil || errors.As(err, &late))
				again()
				if !lost {
					return disbelieved("the answer "+f.name+" to "+m.Name, err)
				}
			}
		})
	}
}
