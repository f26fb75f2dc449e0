package audit

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
)

// Options say what an audit compares the share with.
type Options struct {
	// AllowedSigners are the trusted public signing keys. When empty, the share's own
	// file is used, which whoever can write to the share could have changed. Keys that
	// the share's file has beyond these count as trusted from the entry of the ledger on
	// with which a trusted key introduces them.
	AllowedSigners []byte
	ownKeys        []string // see [ledger.Keys]
	// Head is the newest entry of the ledger as it was kept elsewhere; nil when it is
	// not known, and then a ledger that was cut or rolled back looks whole. The zero
	// head is that of a share from before the ledger.
	Head *backup.LedgerHead
	// Pause, when not nil, is called before the share is looked at again because of a
	// finding: time for whoever is at work on a backup to enter it in the ledger.
	Pause func(ctx context.Context) error
}

// Run checks the set of backups as a whole, without reading their parts: that the
// ledger is whole and not older than its head, that the backups on the share are those
// that it tells of, in the state that it tells of, and that nothing lies beside them that
// could be taken for one. It returns the backups that are there, newest first, for [Verify] to
// look into, with what it has found about each. What is wrong is a finding; the error is for what kept it from looking. A
// finding is reported only when further looks confirm it or the share does not hold
// still for [folder.MaxPasses] of them.
func Run(ctx context.Context, repo *repository.Repository, opts Options) (backup.Audit, []Present, error) {
	snap, err := settled(ctx, repo, opts)
	if err != nil {
		return backup.Audit{}, nil, err
	}
	folders := snap.backups()
	there := make([]Present, len(folders))
	for i, f := range folders {
		state, _ := snap.ledger.State(f.id)
		there[i] = Present{ID: f.id, Path: snap.path(f.name), Sequence: state.Sequence}
		for _, found := range snap.found.List {
			if found.Within(there[i].Path) {
				there[i].Findings = append(there[i].Findings, found)
			}
		}
	}
	return snap.audit(opts), there, nil
}

// Present is a backup that is on the share.
type Present struct {
	ID       backup.ID
	Path     string           // of its folder, relative to the share's path
	Sequence int64            // of the ledger's newest entry about it, 0 when there is none
	Findings []backup.Finding // those of the audit that are about it
}

// audit is what the look has seen, without verdicts.
func (snap *snapshot) audit(opts Options) backup.Audit {
	return backup.Audit{
		Entries: snap.ledger.Entries, Head: snap.ledger.Head(), HeadKnown: opts.Head != nil,
		Backups: []backup.Verdict{}, Findings: append([]backup.Finding{}, snap.found.List...),
		Foreign: snap.foreign,
	}
}

// believing returns the options with the keys that a look found to be trusted.
func (o Options) believing(snap *snapshot) Options {
	if snap.trusted {
		o.AllowedSigners = snap.signers
	}
	return o
}

// settled looks until there is nothing to find, or two looks saw the same.
func settled(ctx context.Context, repo *repository.Repository, opts Options) (*snapshot, error) {
	snap, _, _, err := stable(ctx, opts.Pause, func(ctx context.Context) (*snapshot, error) { return takeAll(ctx, repo, opts) },
		(*snapshot).good, func(before, now *snapshot) bool { return now.same(before) })
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// ids returns the backups that are there, newest first.
func (snap *snapshot) ids() []backup.ID {
	folders := snap.backups()
	ids := make([]backup.ID, len(folders))
	for i, f := range folders {
		ids[i] = f.id
	}
	return ids
}

// backups returns the folders of the backups that are there, newest first, and of a
// backup with several its own.
func (snap *snapshot) backups() []folderFacts {
	folders := make([]folderFacts, 0, len(snap.folders))
	for _, f := range snap.folders {
		if snap.isCanonical(f) {
			folders = append(folders, f)
		}
	}
	return folders
}

// VerifyAll audits the share and verifies every backup that is on it. Progress, when
// not nil, is called before each: the n-th of so many. A backup that is not what was
// expected is looked at again when the ledger has grown meanwhile, so that work on the
// backups is no alarm.
func VerifyAll(ctx context.Context, repo *repository.Repository, opts Options, progress func(id backup.ID, n, of int)) (backup.Audit, error) {
	snap, err := settled(ctx, repo, opts)
	if err != nil {
		return backup.Audit{}, err
	}
	ids, todo := snap.ids(), snap.backups()
	verdicts := map[backup.ID]backup.Verdict{}
	err = folder.UntilStable(func(last bool) (done bool, err error) {
		doubtful, gone, err := verifyEach(ctx, repo, todo, opts.believing(snap), verdicts, progress)
		if err != nil || len(doubtful) == 0 {
			return true, err
		}
		later, err := settled(ctx, repo, opts)
		if err != nil {
			return false, err
		}
		held := later.ledger.Head() == snap.ledger.Head() && !gone
		snap, todo = later, later.among(doubtful)
		if held || last {
			return true, nil
		}
		for id := range doubtful {
			delete(verdicts, id) // verified again, or gone
		}
		return false, nil
	})
	if err != nil {
		return backup.Audit{}, err
	}
	audit := snap.audit(opts)
	for _, id := range ids {
		if v, ok := verdicts[id]; ok {
			audit.Add(v)
		}
	}
	return audit, nil
}

// among returns the folders of those of the backups that are still there.
func (snap *snapshot) among(ids map[backup.ID]bool) []folderFacts {
	return slices.DeleteFunc(snap.backups(), func(f folderFacts) bool { return !ids[f.id] })
}

// verifyEach verifies backups and returns those that are not good, and whether one of
// them has gone: whether it may is for the ledger to say.
func verifyEach(ctx context.Context, repo *repository.Repository, folders []folderFacts, opts Options, verdicts map[backup.ID]backup.Verdict, progress func(id backup.ID, n, of int)) (doubtful map[backup.ID]bool, gone bool, err error) {
	doubtful = map[backup.ID]bool{}
	for i, f := range folders {
		if progress != nil {
			progress(f.id, i+1, len(folders))
		}
		v, err := verifyFolder(ctx, repo, f.id, path.Join(backup.BackupsDir, f.name), VerifyOptions{AllowedSigners: opts.AllowedSigners, BackupOnly: true})
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
