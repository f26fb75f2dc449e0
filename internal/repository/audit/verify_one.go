package audit

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// OneOptions say what one backup is compared with, and how deep to look.
type OneOptions struct {
	Options
	// Identities, when given, open the backup, as those of [VerifyOptions] do.
	Identities []seal.Identity
	// Progress, when not nil, is called as files are read.
	Progress func(file string, done, total int64)
}

// VerifyOne is [Verify] for a backup that is to be the one that the ledger
// tells of, in the state that it tells of: a backup can be whole and signed, and be an
// older one than it was. The verdict has what is wrong with the ledger, too. A share
// from before the ledger has none, and that is no finding here: without a head, a
// ledger that is gone hides no more of one backup than a ledger that was cut.
//
// What is wrong is reported when further looks confirm it, or the share does not hold
// still for [folder.MaxPasses] of them, so that work on the backup is no alarm.
// BACKUP_NOT_FOUND when the backup is neither on the share nor expected there, which a
// ledger that something is wrong with cannot tell.
func VerifyOne(ctx context.Context, repo *repository.Repository, ref backup.Ref, opts OneOptions) (verdict backup.Verdict, err error) {
	before, err := settledOn(ctx, repo, ref, opts.Options)
	if err != nil {
		return backup.Verdict{}, err
	}
	err = folder.UntilStable(func(last bool) (done bool, err error) {
		v, err := before.verify(ctx, opts)
		gone := folder.IsMissing(err) // since it was looked at
		if err != nil && (!gone || last) {
			verdict = v
			return false, err
		}
		if !gone && (last || before.good() && len(v.Findings) == 0) {
			verdict = before.report(v, opts.Options)
			return true, nil
		}
		after, err := take(ctx, repo, ref, opts.Options)
		if err != nil {
			return false, err
		}
		if !gone && after.same(before) {
			verdict = after.report(v, opts.Options)
			return true, nil
		}
		before, err = settledOn(ctx, repo, ref, opts.Options)
		return false, err
	})
	return verdict, err
}

// settledOn looks at one backup until there is nothing to find, [folder.MaxPasses] times at
// most. It does not end when two looks saw the same, as an audit's looks do: who waits
// for the one backup has time to wait for whoever is at work on it.
func settledOn(ctx context.Context, repo *repository.Repository, ref backup.Ref, opts Options) (*snapshot, error) {
	snap, _, _, err := stable(ctx, opts.Pause, func(ctx context.Context) (*snapshot, error) { return take(ctx, repo, ref, opts) },
		(*snapshot).good, func(_, _ *snapshot) bool { return false })
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// good reports whether the look has found nothing.
func (snap *snapshot) good() bool { return len(snap.found.List) == 0 }

// verify verifies the one backup that was looked at. One that is missing has nothing
// that could be read.
func (snap *snapshot) verify(ctx context.Context, opts OneOptions) (backup.Verdict, error) {
	notFound := fault.Newf(fault.BackupNotFound, "%s holds no backup %s", snap.repo, snap.only)
	if len(snap.folders) == 0 {
		state, known := snap.ledger.State(snap.only)
		switch {
		case known && !state.Gone():
			return backup.Verdict{BackupID: snap.only, Path: snap.path(state.Folder)}, nil
		case snap.unsure():
			return backup.Verdict{BackupID: snap.only}, nil
		}
		return backup.Verdict{}, notFound
	}
	own := snap.backups()[0].name
	if repository.IsOf(snap.named, snap.only) && own != snap.named {
		return backup.Verdict{}, notFound
	}
	dir := path.Join(backup.BackupsDir, own)
	return verifyFolder(ctx, snap.repo, snap.only, dir, VerifyOptions{
		AllowedSigners: opts.believing(snap).AllowedSigners, Identities: opts.Identities, BackupOnly: true, Progress: opts.Progress,
	})
}

// unsure reports whether something is wrong with the ledger, so that what it does not
// tell of may have been expected.
func (snap *snapshot) unsure() bool {
	return slices.ContainsFunc(snap.found.List, func(f backup.Finding) bool {
		return f.Code == string(fault.LedgerDamaged) || f.Code == string(fault.LedgerRolledBack)
	})
}

// report adds what the look has found to the verdict, each finding once.
func (snap *snapshot) report(v backup.Verdict, opts Options) backup.Verdict {
	audit := snap.audit(opts)
	audit.Add(v)
	v = audit.Backups[0]
	v.Findings = append(v.Findings, audit.Findings...)
	v.Foreign.Merge(audit.Foreign)
	state, _ := snap.ledger.State(snap.only)
	v.Ledger = &backup.LedgerSeen{Entries: audit.Entries, Head: audit.Head, HeadKnown: audit.HeadKnown, Sequence: state.Sequence}
	return v
}
