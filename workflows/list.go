package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/flow/restores"
)

// List reads the finished backups from the share, for callers that cannot reach
// it.
func List(ctx workflow.Context, in flow.ListInput) (flow.ListOutput, error) {
	return flow.ListBackups.Run(shortRead(ctx, "read the manifests"), in)
}

// KeyFile reads the key.age of a backup from the share, for callers that cannot reach it.
func KeyFile(ctx workflow.Context, in flow.KeyFileInput) (flow.KeyFileOutput, error) {
	return flow.ReadKeyFile.Run(shortRead(ctx, "read key.age of "+string(in.BackupID)), in)
}

// Restores reads a plan, or lists the restores, for callers that cannot reach the share.
func Restores(ctx workflow.Context, in restores.Input) (restores.Output, error) {
	return flow.ReadRestores.Run(shortRead(ctx, "read the restores"), in)
}

// Drills reads certificates of drills, for callers that cannot reach the share.
func Drills(ctx workflow.Context, in drills.Input) (drills.Output, error) {
	return flow.ReadDrills.Run(shortRead(ctx, "read the certificates of drills"), in)
}
