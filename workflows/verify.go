package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// Verify checks one backup without any key: signature, digests, completeness, and that
// it is the one that the ledger tells of.
// Damage is a finding in the result, not an error of the run.
func Verify(ctx workflow.Context, in flow.VerifyInput) (backup.Verdict, error) {
	return flow.VerifyBackup.Run(streaming(ctx, "verify "+string(in.BackupID)), in)
}
