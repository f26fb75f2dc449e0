package activities

import (
	"context"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/upkeep"
)

// AuditShare compares the share with its ledger, and the ledger with the head that the
// settings entity holds. What is wrong is a finding.
func (a *Activities) AuditShare(ctx context.Context, _ flow.AuditInput) (flow.AuditOutput, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return flow.AuditOutput{}, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return flow.AuditOutput{}, err
	}
	head, err := a.ledgerHead(ctx, s)
	if err != nil {
		return flow.AuditOutput{}, err
	}
	startPhase(ctx, "", flow.PhaseReadBack, 0)
	found, there, err := audit.Run(ctx, repo, audit.Options{AllowedSigners: signers, Head: &head, Pause: pause})
	if err != nil {
		return flow.AuditOutput{}, err
	}
	if len(there) > flow.MaxAudited {
		return flow.AuditOutput{}, fault.Newf(fault.LimitExceeded, "%s holds %d backups, at most %d are verified at once", repo, len(there), flow.MaxAudited)
	}
	out := flow.AuditOutput{Audit: found, Backups: make([]backup.ID, len(there)), Sequences: make([]int64, len(there))}
	for i, b := range there {
		out.Backups[i], out.Sequences[i] = b.ID, b.Sequence
		if code := upkeep.Note(backup.Verdict{Path: b.Path, Findings: b.Findings}, flow.VerifyInput{BackupOnly: true}).Code; code != "" {
			if out.Found == nil {
				out.Found = map[backup.ID]string{}
			}
			out.Found[b.ID] = code
		}
	}
	return out, nil
}

// lookAgain is how long an audit waits before it looks again at what seems wrong:
// between a backup's publication and its entry in the ledger lies a moment.
const lookAgain = 3 * time.Second

// pause waits for lookAgain.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(lookAgain):
		return nil
	}
}
