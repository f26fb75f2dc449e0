package flow

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/fault"
)

// ClosedError is the answer to a question to a workflow that has ended. Temporal would
// let a worker answer it all the same, from the state at the end.
type ClosedError struct {
	WorkflowID string
	Status     enumspb.WorkflowExecutionStatus
}

// Error implements error.
func (e *ClosedError) Error() string { return fmt.Sprintf("workflow %s is %s", e.WorkflowID, e.Status) }

// EntityFault gives an error of a message to the settings entity its code when the entity
// is not there: SETTINGS_STOPPED when it has ended, SETTINGS_GONE when it was deleted,
// and NOT_ENABLED when it was never started. It returns nil for any other error. Whether
// there ever was one is told by the runs that an entity leaves: a change of settings, a
// backup.
func EntityFault(ctx context.Context, c client.Client, instance string, err error) *fault.Fault {
	var closed *ClosedError
	if errors.As(err, &closed) {
		return stopped(instance, closed.Status)
	}
	var missing *serviceerror.NotFound
	if !errors.As(err, &missing) {
		return nil
	}
	d, err := c.DescribeWorkflowExecution(ctx, SettingsWorkflowID(instance), "")
	switch {
	case err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return nil // it came back
	case err == nil:
		return stopped(instance, d.GetWorkflowExecutionInfo().GetStatus())
	case !errors.As(err, &missing):
		return nil
	}
	for _, id := range []string{BackupWorkflowID(instance), ChangeSettingsWorkflowID(instance)} {
		// Only with settings does one of them complete: those that fail for want of them tell nothing.
		d, err := c.DescribeWorkflowExecution(ctx, id, "")
		if err == nil && d.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			return fault.Newf(fault.SettingsGone, "the settings workflow of instance %s is gone, and %s shows that there was one", instance, id)
		}
	}
	return fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", instance)
}

func stopped(instance string, status enumspb.WorkflowExecutionStatus) *fault.Fault {
	return fault.Newf(fault.SettingsStopped, "the settings workflow of instance %s does not run any more: it is %s", instance, status)
}
