package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// looks bounds how often an audit looks again at what seems wrong, and lookAfter is how
// long it waits: while the key of a backup is being replaced, its files do not fit.
const (
	looks     = 3
	lookAfter = 5 * time.Second
)

// VerifyAll compares ledger and folders of the share, then verifies every backup. What
// is wrong is a finding in the result, not an error of the run, when it is still so at
// the last look.
func VerifyAll(ctx workflow.Context, in flow.AuditInput) (backup.Audit, error) {
	for look := 1; ; look++ {
		audit, err := auditOnce(ctx, in)
		if err != nil || audit.Good() || look == looks {
			return audit, err
		}
		workflow.SetCurrentDetails(ctx, "something seems wrong; looking again in a moment, in case it is being changed")
		if err := workflow.Sleep(ctx, lookAfter); err != nil {
			return backup.Audit{}, err
		}
	}
}

func auditOnce(ctx workflow.Context, in flow.AuditInput) (backup.Audit, error) {
	began := workflow.Now(ctx)
	workflow.SetCurrentDetails(ctx, "comparing ledger and folders")
	shared, err := flow.AuditShare.Run(streaming(ctx, "compare ledger and folders"), in)
	if err != nil {
		return backup.Audit{}, err
	}
	audit := shared.Audit
	audit.Began = began.UTC()
	for i, id := range shared.Backups {
		alone := flow.VerifyInput{Instance: in.Instance, BackupID: id, BackupOnly: true, Found: shared.Found[id]}
		if i < len(shared.Sequences) {
			alone.Sequence = shared.Sequences[i]
		}
		workflow.SetCurrentDetails(ctx, fmt.Sprintf("verifying backup %d of %d, %s", i+1, len(shared.Backups), id))
		verdict, err := flow.VerifyBackup.Run(streaming(ctx, "verify "+string(id)), alone)
		if err != nil {
			if flow.DecodeFault(err).Code == fault.BackupNotFound {
				continue // deleted since the comparison
			}
			return backup.Audit{}, err
		}
		audit.Add(verdict)
	}
	audit.Fit()
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("%d backups verified, %d entries in the ledger, good: %t", len(audit.Backups), audit.Entries, audit.Good()))
	return audit, nil
}
