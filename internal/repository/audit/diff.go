package audit

import (
	"context"
	"maps"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
)

// LedgerDiff tells how the backups on a share stand to the newest state that the ledger
// has of them.
type LedgerDiff struct {
	Ledger *ledger.Ledger

	differ map[string]backup.Finding // by the folder's path
}

// Err returns nil for a backup that is in that state, or that the ledger does not know.
// REWRAP_UNFINISHED, BACKUP_ROLLED_BACK, BACKUP_DAMAGED and SHARE_ACCESS_DENIED are
// what an audit finds there. Dir is relative to the share's path.
func (s *LedgerDiff) Err(dir string) error {
	if f, ok := s.differ[dir]; ok {
		return fault.Newf(fault.Code(f.Code), "%s: %s", f.File, f.Message)
	}
	return nil
}

// Compare reads the ledger and compares the folders of all backups with it, without
// reading more of them than an audit does. What it tells, two looks after each other
// have seen, so that work on a backup is no alarm; only that it goes on may be seen once.
func Compare(ctx context.Context, repo *repository.Repository, allowedSigners []byte) (*LedgerDiff, error) {
	now, before, held, err := stable(ctx, nil, func(ctx context.Context) (*LedgerDiff, error) { return compareOnce(ctx, repo, allowedSigners) },
		func(s *LedgerDiff) bool { return len(s.differ) == 0 },
		func(before, now *LedgerDiff) bool {
			return maps.Equal(now.differ, before.differ) && now.Ledger.Head() == before.Ledger.Head()
		})
	if err != nil {
		return nil, err
	}
	if !held {
		maps.DeleteFunc(now.differ, func(folder string, f backup.Finding) bool {
			return f.Code != string(fault.RewrapUnfinished) && f != before.differ[folder]
		})
	}
	return now, nil
}

func compareOnce(ctx context.Context, repo *repository.Repository, allowedSigners []byte) (*LedgerDiff, error) {
	snap := &snapshot{repo: repo, files: repo.Files(), signers: allowedSigners, trusted: true}
	if err := snap.readFolders(ctx); err != nil {
		return nil, err
	}
	var err error
	if snap.ledger, err = repo.Ledger().Read(ctx, allowedSigners); err != nil {
		return nil, err
	}
	if err := snap.readPending(ctx); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, f := range snap.folders {
		there[f.name] = true
	}
	s := &LedgerDiff{Ledger: snap.ledger, differ: map[string]backup.Finding{}}
	for _, f := range snap.folders {
		snap.found = folder.Findings{}
		snap.judge(f, there)
		if len(snap.found.List) > 0 && snap.found.List[0].Code != string(fault.BackupUnlisted) {
			s.differ[snap.path(f.name)] = snap.found.List[0]
		}
	}
	return s, nil
}
