package flow

import (
	"context"
	"strings"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"infrabackup/internal/fault"
)

// Beat reports an activity's progress.
func Beat(ctx context.Context, beat Heartbeat) {
	info := activity.GetInfo(ctx)
	activity.RecordHeartbeat(ctx, seal(beat, stamp{
		Kind: KindHeartbeat, Name: info.ActivityType.Name, Way: input, Run: info.WorkflowExecution.RunID, Nonce: info.ActivityID,
	}))
}

// Pending reads what Temporal tells of an activity that is not done.
type Pending struct {
	Data     converter.DataConverter
	Failures converter.FailureConverter
	// Namespace, WorkflowID, RunID and WorkflowType name the run that it belongs to.
	Namespace, WorkflowID, RunID, WorkflowType string
}

func (p Pending) at(a *workflowpb.PendingActivityInfo) converter.SerializationContext {
	return converter.ActivitySerializationContext{
		Namespace: p.Namespace, WorkflowID: p.WorkflowID, WorkflowType: p.WorkflowType, ActivityType: a.GetActivityType().GetName(),
	}
}

// Heartbeat returns an activity's last report, the zero value when there is none that is
// to be believed.
func (p Pending) Heartbeat(a *workflowpb.PendingActivityInfo) Heartbeat {
	var beat sealed[Heartbeat]
	data := converter.WithDataConverterSerializationContext(p.Data, p.at(a))
	if a.GetHeartbeatDetails() == nil || data.FromPayloads(a.GetHeartbeatDetails(), &beat) != nil {
		return Heartbeat{}
	}
	want := stamp{Kind: KindHeartbeat, Name: a.GetActivityType().GetName(), Way: input}
	if beat.check(want) != nil || beat.form == sealedAs && (beat.stamp.Run != p.RunID || beat.stamp.Nonce != a.GetActivityId()) {
		return Heartbeat{}
	}
	return beat.body
}

// LastFailure returns why an activity is tried again, as far as it is to be believed, nil
// in its first attempt.
func (p Pending) LastFailure(a *workflowpb.PendingActivityInfo) *fault.Fault {
	if a.GetLastFailure() == nil {
		return nil
	}
	if a.GetLastFailure().GetTimeoutFailureInfo() != nil {
		return fault.Newf(fault.NoWorker, "the worker that did it went silent")
	}
	err := converter.WithFailureConverterSerializationContext(p.Failures, p.at(a)).FailureToError(a.GetLastFailure())
	want := stamp{Kind: KindActivity, Name: a.GetActivityType().GetName(), Way: failure}
	return DecodeFault(believed(err, want, func(s stamp) bool { return strings.HasPrefix(s.Answers, p.RunID+"/") }))
}
