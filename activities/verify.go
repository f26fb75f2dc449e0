package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/upkeep"
)

// VerifyBackup checks a backup without any key, against the signing key that the
// settings hold and not the one that the share shows, and against the ledger, unless an
// audit has done that for all backups. The settings entity is told the verdict.
func (a *Activities) VerifyBackup(ctx context.Context, in flow.VerifyInput) (backup.Verdict, error) {
	verdict, err := a.verify(ctx, in)
	if err == nil {
		a.noteVerdict(ctx, upkeep.Note(verdict, in))
	}
	return verdict, err
}

func (a *Activities) verify(ctx context.Context, in flow.VerifyInput) (backup.Verdict, error) {
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return backup.Verdict{}, err
	}
	signers, err := a.trusted(ctx, s)
	if err != nil {
		return backup.Verdict{}, err
	}
	hb := startPhase(ctx, "", flow.PhaseReadBack, 0)
	progress := func(_ string, done, total int64) {
		hb.total.Store(total)
		hb.bytes.Store(done)
	}
	if in.BackupOnly {
		return audit.Verify(ctx, repo, in.BackupID, audit.VerifyOptions{AllowedSigners: signers, BackupOnly: true, Progress: progress})
	}
	head, err := a.ledgerHead(ctx, s)
	if err != nil {
		return backup.Verdict{}, err
	}
	return audit.VerifyOne(ctx, repo, backup.Ref{ID: in.BackupID}, audit.OneOptions{
		Options: audit.Options{AllowedSigners: signers, Head: &head, Pause: pause}, Progress: progress,
	})
}
