package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diffs"
)

// Diff compares two backups, with the keys of these two alone. Nothing is written anywhere. A caller
// who wants to know begins it again, so it is tried twice only, and ends after some hours.
func Diff(ctx workflow.Context, in diffs.Input) (diffs.Output, error) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("compare backup %s with %s, requested by %s", in.A.BackupID, in.B.BackupID, in.RequestedBy))
	on := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		ScheduleToStartTimeout: 15 * time.Minute, // NO_WORKER then
		ScheduleToCloseTimeout: 150 * time.Minute,
		StartToCloseTimeout:    time.Hour,
		HeartbeatTimeout:       heartbeatTimeout,
		WaitForCancellation:    true,
		Summary:                "compare two backups",
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 2 * time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 2},
	})
	return flow.CompareBackups.Run(on, in)
}
