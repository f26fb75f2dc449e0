package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
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
