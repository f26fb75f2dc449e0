package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// Delete removes one finished backup from the share.
func Delete(ctx workflow.Context, in flow.DeleteInput) (backup.Overview, error) {
	workflow.SetCurrentDetails(ctx, "deleting "+string(in.BackupID)+", requested by "+in.RequestedBy)
	return flow.DeleteBackup.Run(preparing(ctx, "delete "+string(in.BackupID)), in)
}
