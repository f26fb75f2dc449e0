package repository

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/folder"
)

// maxLooks is how often the share is looked at before what is wrong is reported:
// backups may come, change and go while it is looked at.
const maxLooks = 3

// AuditOptions say what an audit compares the share with.
type AuditOptions struct {
	// AllowedSigners are the trusted public signing keys. When empty, the share's own
	// file is used, which whoever can write to the share could have changed. Keys that
	// the share's file has beyond these count as trusted from the entry of the ledger on
	// with which a trusted key introduces them.
	AllowedSigners []byte
	// Head is the newest entry of the ledger as it was kept elsewhere; nil when it is
	// not known, and then a ledger that was cut or rolled back looks whole. The zero
	// head is that of a share from before the ledger.
	Head *backup.LedgerHead
	// Pause, when not nil, is called before the share is looked at again because of a
	// finding: time for whoever is at work on a backup to enter it in the ledger.
	Pause func(ctx context.Context) error
}

// Audit checks the set of backups as a whole, without reading their parts: that the
// ledger is whole and not older than its head, that the backups on the share are those
// that it tells of, in the state that it tells of, and that nothing lies beside them that
// could be taken for one. It returns the backups that are there, newest first, for [Repository.Verify] to
// look into. What is wrong is a finding; the error is for what kept it from looking. A
// finding is reported only when further looks confirm it or the share does not hold
// still for [maxLooks] of them.
func (r *Repository) Audit(ctx context.Context, opts AuditOptions) (backup.Audit, []backup.ID, error) {
	l, err := r.settled(ctx, opts)
	if err != nil {
		return backup.Audit{}, nil, err
	}
	return l.audit(opts), l.ids(), nil
}

// audit is what the look has seen, without verdicts.
func (l *look) audit(opts AuditOptions) backup.Audit {
	return backup.Audit{
		Entries: l.ledger.Entries, Head: l.ledger.Head(), HeadKnown: opts.Head != nil,
		Backups: []backup.Verdict{}, Findings: append([]backup.Finding{}, l.found.List...),
		Foreign: l.foreign,
	}
}

// believing returns the options with the keys that a look found to be trusted.
func (o AuditOptions) believing(l *look) AuditOptions {
	if l.trusted {
		o.AllowedSigners = l.signers
	}
	return o
}

// settled looks until there is nothing to find, or two looks saw the same.
func (r *Repository) settled(ctx context.Context, opts AuditOptions) (*look, error) {
	var before *look
	for n := 1; ; n++ {
		l, err := r.look(ctx, opts)
		if err != nil {
			return nil, err
		}
		if len(l.found.List) == 0 || n == maxLooks || before != nil && l.same(before) {
			return l, nil
		}
		before = l
		if opts.Pause == nil {
			continue
		}
		if err := opts.Pause(ctx); err != nil {
			return nil, err
		}
	}
}

// ids returns the backups that are there, newest first.
func (l *look) ids() []backup.ID {
	folders := l.backups()
	ids := make([]backup.ID, len(folders))
	for i, f := range folders {
		ids[i] = f.id
	}
	return ids
}

// backups returns the folders of the backups that are there, newest first, and of a
// backup with several its own.
func (l *look) backups() []folderFacts {
	folders := make([]folderFacts, 0, len(l.folders))
	for _, f := range l.folders {
		if l.isOwn(f) {
			folders = append(folders, f)
		}
	}
	return folders
}

// VerifyAll audits the share and verifies every backup that is on it. Progress, when
// not nil, is called before each: the n-th of so many. A backup that is not what was
// expected is looked at again when the ledger has grown meanwhile, so that work on the
// backups is no alarm.
func (r *Repository) VerifyAll(ctx context.Context, opts AuditOptions, progress func(id backup.ID, n, of int)) (backup.Audit, error) {
	l, err := r.settled(ctx, opts)
	if err != nil {
		return backup.Audit{}, err
	}
	ids, todo := l.ids(), l.backups()
	verdicts := map[backup.ID]backup.Verdict{}
	for round := 1; ; round++ {
		doubtful, gone, err := r.verifyEach(ctx, todo, opts.believing(l), verdicts, progress)
		if err != nil {
			return backup.Audit{}, err
		}
		if len(doubtful) == 0 {
			break
		}
		later, err := r.settled(ctx, opts)
		if err != nil {
			return backup.Audit{}, err
		}
		held := later.ledger.Head() == l.ledger.Head() && !gone
		l, todo = later, later.among(doubtful)
		if held || round == maxLooks {
			break
		}
		for id := range doubtful {
			delete(verdicts, id) // verified again, or gone
		}
	}
	audit := l.audit(opts)
	for _, id := range ids {
		if v, ok := verdicts[id]; ok {
			audit.Add(v)
		}
	}
	return audit, nil
}

// among returns the folders of those of the backups that are still there.
func (l *look) among(ids map[backup.ID]bool) []folderFacts {
	return slices.DeleteFunc(l.backups(), func(f folderFacts) bool { return !ids[f.id] })
}

// verifyEach verifies backups and returns those that are not good, and whether one of
// them has gone: whether it may is for the ledger to say.
func (r *Repository) verifyEach(ctx context.Context, folders []folderFacts, opts AuditOptions, verdicts map[backup.ID]backup.Verdict, progress func(id backup.ID, n, of int)) (doubtful map[backup.ID]bool, gone bool, err error) {
	doubtful = map[backup.ID]bool{}
	for i, f := range folders {
		if progress != nil {
			progress(f.id, i+1, len(folders))
		}
		v, err := r.verifyFolder(ctx, f.id, path.Join(backup.BackupsDir, f.name), VerifyOptions{AllowedSigners: opts.AllowedSigners, BackupOnly: true})
		if folder.IsMissing(err) {
			doubtful[f.id], gone = true, true
			continue
		}
		if err != nil {
			return nil, false, err
		}
		verdicts[f.id] = v
		if len(v.Findings) > 0 {
			doubtful[f.id] = true
		}
	}
	return doubtful, gone, nil
}
