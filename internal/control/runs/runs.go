package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// MaxBytes bounds the history that [Reader.History] returns. A run that nothing disturbs has
// some 100 KiB without its payloads.
const MaxBytes = 8 << 20

// encoding is the metadata of a payload that says how it is encoded, and that is kept.
const encoding = "encoding"

// Run is one run of one of the instance's workflows.
type Run struct {
	WorkflowID string     `json:"workflowId"`
	RunID      string     `json:"runId"`
	Type       string     `json:"type"`
	Status     string     `json:"status"` // as Temporal names it: Running, Completed, Failed, ...
	StartedAt  time.Time  `json:"startedAt"`
	ClosedAt   *time.Time `json:"closedAt,omitempty"` // absent while it runs
	Events     int64      `json:"events"`
}

// Reader reads the runs of one instance: those on its task queue.
type Reader struct {
	Client    client.Client
	Namespace string
	Queue     string
	// Fault gives errors of the client their codes.
	Fault func(error) error
}

// Newest lists the newest runs, open ones and closed ones, as far as the namespace's
// retention goes back. Limit is at most 1,000, which is what Temporal returns on a page.
func (r *Reader) Newest(ctx context.Context, limit int) ([]Run, error) {
	answer, err := r.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: r.Namespace, PageSize: int32(min(limit, 1000)), Query: fmt.Sprintf("TaskQueue = %q", r.Queue),
	})
	if err != nil {
		return nil, r.Fault(err)
	}
	var all []Run
	for _, info := range answer.GetExecutions() {
		all = append(all, described(info))
	}
	return all, nil
}

func described(info *workflowpb.WorkflowExecutionInfo) Run {
	out := Run{
		WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(), Type: info.GetType().GetName(),
		Status: info.GetStatus().String(), StartedAt: info.GetStartTime().AsTime(), Events: info.GetHistoryLength(),
	}
	if info.GetCloseTime() != nil {
		at := info.GetCloseTime().AsTime()
		out.ClosedAt = &at
	}
	return out
}

// History returns the events of a run as JSON, one a line, without what its payloads hold:
// of these their encoding is left. More than [MaxBytes] are cut off behind a whole event, and
// whole is false then. With an error come the events that were read before it.
func (r *Reader) History(ctx context.Context, run Run) (events []byte, whole bool, err error) {
	all := r.Client.GetWorkflowHistory(ctx, run.WorkflowID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var out bytes.Buffer
	for all.HasNext() {
		event, err := all.Next()
		if err != nil {
			return out.Bytes(), false, r.Fault(err)
		}
		line, err := withoutPayloads(ctx, event)
		if err != nil {
			return out.Bytes(), false, fmt.Errorf("event %d of run %s: %w", event.GetEventId(), run.RunID, err)
		}
		if out.Len()+len(line)+1 > MaxBytes {
			return out.Bytes(), false, nil
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), true, nil
}

// withoutPayloads is an event as JSON on one line.
func withoutPayloads(ctx context.Context, event *historypb.HistoryEvent) ([]byte, error) {
	bare := proto.CloneOf(event)
	err := proxy.VisitPayloads(ctx, bare, proxy.VisitPayloadsOptions{
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			empty := make([]*commonpb.Payload, len(payloads))
			for i, p := range payloads {
				empty[i] = &commonpb.Payload{Metadata: map[string][]byte{encoding: p.GetMetadata()[encoding]}}
			}
			return empty, nil
		},
	})
	if err != nil {
		return nil, err
	}
	line, err := protojson.Marshal(bare)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer // protojson varies its spaces from build to build
	if err := json.Compact(&compact, line); err != nil {
		return nil, err
	}
	return compact.Bytes(), nil
}
