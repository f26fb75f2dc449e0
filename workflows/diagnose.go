package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
)

// Diagnose lets one worker check its sources and, on request, the share.
func Diagnose(ctx workflow.Context, in flow.DiagnoseInput) (flow.DiagnoseOutput, error) {
	return flow.DiagnoseHost.Run(looking(ctx, "check sources and share"), in)
}
