package control

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// someRun is the run of everything that a fake knows.
const someRun = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"

// fake is a Temporal server of which a test says what it knows, for what the real one cannot be
// made to do: two callers at the same moment, runs of others. What it answers has the form of
// the SDK's own test environment.
type fake struct {
	client.Client // nil: what is not faked must not be called

	mu      sync.Mutex
	known   map[string]*workflowpb.WorkflowExecutionInfo       // the newest run, by the ID of the workflow
	answers map[string]any                                     // to queries, by their name
	updates map[string]func(args json.RawMessage) (any, error) // by their name
	results map[string]any                                     // of runs that have ended, or the error, by the ID of the workflow
	bell    *client.ScheduleDescription                        // nil for none
	asked   map[string]int                                     // queries and updates, by their name
	silent  error                                              // of queries, when no worker answers
	stopped []string                                           // IDs of the workflows that were cancelled
}

func newFake() *fake {
	return &fake{
		known: map[string]*workflowpb.WorkflowExecutionInfo{}, answers: map[string]any{}, updates: map[string]func(json.RawMessage) (any, error){},
		results: map[string]any{}, asked: map[string]int{},
	}
}

func goingOn(id, kind, queue string) *workflowpb.WorkflowExecutionInfo {
	return &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: someRun}, Type: &commonpb.WorkflowType{Name: kind},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, TaskQueue: queue,
	}
}

func (f *fake) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	info := f.known[id]
	if info == nil {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

func (f *fake) DescribeTaskQueue(context.Context, string, enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueuepb.PollerInfo{{}}}, nil
}

func (f *fake) note(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[name]++
}

func (f *fake) QueryWorkflow(_ context.Context, _, _, name string, _ ...any) (converter.EncodedValue, error) {
	f.note(name)
	if f.silent != nil {
		return nil, f.silent
	}
	return inClear(f.answers[name])
}

func (f *fake) CancelWorkflow(_ context.Context, id, _ string) error {
	f.stopped = append(f.stopped, id)
	return nil
}

func (f *fake) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	f.note(o.UpdateName)
	in, err := json.Marshal(o.Args[0])
	if err != nil {
		return nil, err
	}
	out, err := f.updates[o.UpdateName](in)
	if err != nil {
		return nil, err
	}
	value, err := inClear(out)
	return updated{value: value}, err
}

func (f *fake) GetWorkflow(_ context.Context, id, run string) client.WorkflowRun {
	return ended{id: id, run: run, result: f.results[id]}
}

func (f *fake) ScheduleClient() client.ScheduleClient { return bells{f: f} }

// plain is a value in clear.
type plain struct{ text []byte }

func inClear(v any) (plain, error) {
	text, err := json.Marshal(v)
	return plain{text}, err
}

func (p plain) HasValue() bool   { return true }
func (p plain) Get(to any) error { return json.Unmarshal(p.text, to) }

type updated struct {
	client.WorkflowUpdateHandle
	value plain
}

func (u updated) Get(_ context.Context, to any) error { return u.value.Get(to) }

// ended is a run that has ended with a result or an error, or that goes on when it has neither.
type ended struct {
	client.WorkflowRun
	id, run string
	result  any
}

func (e ended) GetID() string    { return e.id }
func (e ended) GetRunID() string { return e.run }

func (e ended) Get(ctx context.Context, to any) error {
	switch result := e.result.(type) {
	case nil:
		<-ctx.Done()
		return ctx.Err()
	case error:
		return result
	}
	value, err := inClear(e.result)
	return errors.Join(err, value.Get(to))
}

type bells struct {
	client.ScheduleClient
	f *fake
}

func (b bells) GetHandle(context.Context, string) client.ScheduleHandle { return oneBell(b) }

func (b bells) Create(context.Context, client.ScheduleOptions) (client.ScheduleHandle, error) {
	b.f.note("bell")
	return nil, nil
}

type oneBell bells

func (b oneBell) Describe(context.Context) (*client.ScheduleDescription, error) {
	b.f.note("bell described")
	if b.f.bell == nil {
		return nil, serviceerror.NewNotFound("no such schedule")
	}
	return b.f.bell, nil
}

func (b oneBell) GetID() string                { return "" }
func (b oneBell) Delete(context.Context) error { return errors.ErrUnsupported }
func (b oneBell) Backfill(context.Context, client.ScheduleBackfillOptions) error {
	return errors.ErrUnsupported
}
func (b oneBell) Update(context.Context, client.ScheduleUpdateOptions) error {
	return errors.ErrUnsupported
}
func (b oneBell) Trigger(context.Context, client.ScheduleTriggerOptions) error {
	return errors.ErrUnsupported
}
func (b oneBell) Pause(context.Context, client.SchedulePauseOptions) error {
	return errors.ErrUnsupported
}
func (b oneBell) Unpause(context.Context, client.ScheduleUnpauseOptions) error {
	return errors.ErrUnsupported
}
