package repository

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// OneOptions say what one backup is compared with, and how deep to look.
type OneOptions struct {
	AuditOptions
	// Identities, when given, open the backup, as those of [VerifyOptions] do.
	Identities []seal.Identity
	// Progress, when not nil, is called as files are read.
	Progress func(file string, done, total int64)
}

// VerifyOne is [Repository.Verify] for a backup that is to be the one that the ledger
// tells of, in the state that it tells of: a backup can be whole and signed, and be an
// older one than it was. The verdict has what is wrong with the ledger, too. A share
// from before the ledger has none, and that is no finding here: without a head, a
// ledger that is gone hides no more of one backup than a ledger that was cut.
//
// What is wrong is reported when further looks confirm it, or the share does not hold
// still for [maxLooks] of them, so that work on the backup is no alarm.
// BACKUP_NOT_FOUND when the backup is neither on the share nor expected there, which a
// ledger that something is wrong with cannot tell.
func (r *Repository) VerifyOne(ctx context.Context, id backup.ID, opts OneOptions) (backup.Verdict, error) {
	before, err := r.settledOn(ctx, id, opts.AuditOptions)
	if err != nil {
		return backup.Verdict{}, err
	}
	for round := 1; ; round++ {
		verdict, err := before.verify(ctx, opts)
		gone := folder.IsMissing(err) // since it was looked at
		if err != nil && (!gone || round == maxLooks) {
			return verdict, err
		}
		if !gone && (round == maxLooks || before.good() && len(verdict.Findings) == 0) {
			return before.tell(verdict, opts.AuditOptions), nil
		}
		after, err := r.lookAt(ctx, id, opts.AuditOptions)
		if err != nil {
			return backup.Verdict{}, err
		}
		if !gone && after.same(before) {
			return after.tell(verdict, opts.AuditOptions), nil
		}
		if before, err = r.settledOn(ctx, id, opts.AuditOptions); err != nil {
			return backup.Verdict{}, err
		}
	}
}

// settledOn looks at one backup until there is nothing to find, [maxLooks] times at
// most. It does not end when two looks saw the same, as an audit's looks do: who waits
// for the one backup has time to wait for whoever is at work on it.
func (r *Repository) settledOn(ctx context.Context, id backup.ID, opts AuditOptions) (*look, error) {
	for n := 1; ; n++ {
		l, err := r.lookAt(ctx, id, opts)
		if err != nil || l.good() || n == maxLooks {
			return l, err
		}
		if opts.Pause == nil {
			continue
		}
		if err := opts.Pause(ctx); err != nil {
			return nil, err
		}
	}
}

// good reports whether the look has found nothing.
func (l *look) good() bool { return len(l.found.List) == 0 }

// verify verifies the one backup that was looked at. One that is missing has nothing
// that could be read.
func (l *look) verify(ctx context.Context, opts OneOptions) (backup.Verdict, error) {
	notFound := fault.Newf(fault.BackupNotFound, "%s holds no backup %s", l.owner, l.only)
	if len(l.folders) == 0 {
		state, known := l.ledger.State(l.only)
		switch {
		case known && !state.Gone():
			return backup.Verdict{BackupID: l.only, Path: l.path(state.Folder)}, nil
		case l.unsure():
			return backup.Verdict{BackupID: l.only}, nil
		}
		return backup.Verdict{}, notFound
	}
	own := l.backups()[0].name
	if IsOf(l.owner.named, l.only) && own != l.owner.named {
		return backup.Verdict{}, notFound
	}
	dir := path.Join(backup.BackupsDir, own)
	return l.owner.verifyFolder(ctx, l.only, dir, VerifyOptions{
		AllowedSigners: opts.believing(l).AllowedSigners, Identities: opts.Identities, BackupOnly: true, Progress: opts.Progress,
	})
}

// unsure reports whether something is wrong with the ledger, so that what it does not
// tell of may have been expected.
func (l *look) unsure() bool {
	return slices.ContainsFunc(l.found.List, func(f backup.Finding) bool {
		return f.Code == string(fault.LedgerDamaged) || f.Code == string(fault.LedgerRolledBack)
	})
}

// tell adds what the look has found to the verdict, each finding once.
func (l *look) tell(v backup.Verdict, opts AuditOptions) backup.Verdict {
	audit := l.audit(opts)
	audit.Add(v)
	v = audit.Backups[0]
	v.Findings = append(v.Findings, audit.Findings...)
	v.Foreign.Merge(audit.Foreign)
	v.Ledger = &backup.LedgerSeen{Entries: audit.Entries, Head: audit.Head, HeadKnown: audit.HeadKnown}
	return v
}
