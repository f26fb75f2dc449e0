package activities

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/mirror"
)

// CopyBackups copies all finished backups from the current share to that of a
// proposed revision, compares every byte there, and lets the ledger go on. It may be
// repeated: what is there already is compared and kept.
func (a *Activities) CopyBackups(ctx context.Context, in flow.CopyBackupsInput) (flow.CopyBackupsOutput, error) {
	if err := a.probed(ctx, in.Revision, in.Probe, in.Probe != nil && in.Probe.Adopt, in.Probe != nil && in.Probe.NewLedger); err != nil {
		return flow.CopyBackupsOutput{}, err
	}
	from, now, err := a.repository(ctx, 0)
	if err != nil {
		return flow.CopyBackupsOutput{}, err
	}
	if _, err := a.anchors(from, now).Check(ctx); err != nil {
		return flow.CopyBackupsOutput{}, err
	}
	to, next, err := a.repository(ctx, in.Revision)
	if err != nil {
		return flow.CopyBackupsOutput{}, err
	}
	source, err := a.writer(ctx, from, now)
	if err != nil {
		return flow.CopyBackupsOutput{}, err
	}
	target, err := a.writer(ctx, to, next)
	if err != nil {
		return flow.CopyBackupsOutput{}, err
	}
	return a.copyBackups(ctx, source, target)
}

func (a *Activities) copyBackups(ctx context.Context, source, target *shareWriter) (flow.CopyBackupsOutput, error) {
	var out flow.CopyBackupsOutput
	if err := target.Claim(ctx); err != nil {
		return out, err
	}
	head, err := source.Head(ctx)
	if err != nil {
		return out, err
	}
	there, err := target.Head(ctx)
	if err != nil {
		return out, err
	}
	hb := startPhase(ctx, "", flow.PhaseUpload, 0)
	continued, err := continues(ctx, source, target, head, there) // else the new share has a ledger of its own
	if err != nil {
		return out, err
	}
	copied, err := mirror.Copy(ctx, source.repo, target.repo, mirror.Options{
		WithoutLedger: !continued, Until: head.Sequence,
		Progress: func(p mirror.Progress) {
			hb.items.Store(int64(p.Number))
			hb.bytes.Store(p.Bytes)
		},
	})
	if err != nil {
		return out, err
	}
	out.Head = &head
	out.Backups, out.Bytes = copied.Backups+copied.Skipped, copied.Bytes
	if continued {
		if there != head {
			err = target.Advance(ctx, there, head)
		}
		if err != nil {
			return out, err
		}
	}
	return out, audit.Complete(ctx, target.repo, target.Writer, target.settings.ChangedBy)
}

// continues reports whether the ledger that is to be copied up to head goes on where that
// of the new share ends, with there. An earlier copy has brought backups then that are in
// a newer state by now, or were deleted: they free space.
func continues(ctx context.Context, source, target *shareWriter, head, there backup.LedgerHead) (bool, error) {
	if there == (backup.LedgerHead{}) || there == head {
		return true, nil
	}
	err := source.repo.Ledger().HoldsHead(ctx, there)
	switch code := fault.CodeOf(err); {
	case code == fault.LedgerRolledBack || code == fault.LedgerDamaged || there.Sequence > head.Sequence:
		return false, nil
	case err != nil:
		return false, err
	}
	now, err := source.repo.Ledger().Read(ctx, source.Trusted())
	if err == nil {
		err = source.CheckIntact(ctx, now)
	}
	if err != nil {
		return false, err
	}
	then, err := target.repo.Ledger().Read(ctx, source.Trusted())
	if err == nil {
		err = target.CheckIntact(ctx, then)
	}
	if err != nil {
		return false, err
	}
	listing, err := target.repo.List(ctx, 0)
	if err != nil {
		return false, err
	}
	for _, b := range listing.Backups {
		older, known := then.State(b.BackupID)
		if newer, _ := now.State(b.BackupID); !known || newer.SumsSHA256 == older.SumsSHA256 {
			continue
		}
		if _, err := target.repo.Delete(ctx, b.BackupID, repository.DeleteOptions{Retry: true}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// asCopied refuses to leave a share whose ledger went on since its backups were copied:
// what was deleted there would be back, a key that was replaced would open its backups
// again, and a new backup would be missing.
func (a *Activities) asCopied(ctx context.Context, in flow.SettleChangeInput) error {
	if in.Copied == nil {
		return nil
	}
	now, err := a.settings(ctx, 0)
	if err != nil || now.Revision == in.Revision { // an attempt before has activated it
		return err
	}
	head, err := a.ledgerHead(ctx, now)
	if err == nil && head != *in.Copied {
		err = fault.Newf(fault.SettingsChanged, "%s was changed while it was copied: its ledger ended with entry %d, and has %d by now; start again",
			now.Share.Path, in.Copied.Sequence, head.Sequence)
	}
	return err
}
