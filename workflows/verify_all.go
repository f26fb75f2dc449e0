package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// VerifyAll compares ledger and folders of the share, then verifies every backup. What
// is wrong is a finding in the result, not an error of the run.
func VerifyAll(ctx workflow.Context, in flow.AuditInput) (backup.Audit, error) {
	workflow.SetCurrentDetails(ctx, "comparing ledger and folders")
	shared, err := flow.AuditShare.Run(streaming(ctx, "compare ledger and folders"), in)
	if err != nil {
		return backup.Audit{}, err
	}
	audit := shared.Audit
	for i, id := range shared.Backups {
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("verifying backup %d of %d, %s", i+1, len(shared.Backups), id))
		verdict, err := flow.VerifyBackup.Run(streaming(ctx, "verify "+string(id)), flow.VerifyInput{Instance: in.Instance, BackupID: id, Alone: true})
		if err != nil {
			if flow.DecodeFault(err).Code == fault.BackupNotFound {
				continue // deleted since the comparison
			}
			return backup.Audit{}, err
		}
		audit.Add(verdict)
	}
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d backups verified, %d entries in the ledger, good: %t", len(audit.Backups), audit.Entries, audit.Good()))
	return audit, nil
}
