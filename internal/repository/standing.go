package repository

import (
	"context"
	"maps"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
)

// Standing tells how the backups on a share stand to the newest state that the ledger
// has of them.
type Standing struct {
	Ledger *ledger.Ledger

	differ map[string]backup.Finding // by the folder's path
}

// Of returns nil for a backup that is in that state, or that the ledger does not know.
// REWRAP_UNFINISHED, BACKUP_ROLLED_BACK, BACKUP_DAMAGED and SHARE_ACCESS_DENIED are
// what an audit finds there. Folder is relative to the share's path.
func (s *Standing) Of(dir string) error {
	if f, ok := s.differ[dir]; ok {
		return fault.Newf(fault.Code(f.Code), "%s: %s", f.File, f.Message)
	}
	return nil
}

// Compare reads the ledger and compares the folders of all backups with it, without
// reading more of them than an audit does. What it tells, two looks after each other
// have seen, so that work on a backup is no alarm; only that it goes on may be seen once.
func (r *Repository) Compare(ctx context.Context, allowedSigners []byte) (*Standing, error) {
	var before *Standing
	for n := 1; ; n++ {
		s, err := r.compareOnce(ctx, allowedSigners)
		if err != nil || len(s.differ) == 0 {
			return s, err
		}
		if before != nil && maps.Equal(s.differ, before.differ) && s.Ledger.Head() == before.Ledger.Head() {
			return s, nil
		}
		if n == maxLooks {
			maps.DeleteFunc(s.differ, func(dir string, f backup.Finding) bool {
				return f.Code != string(fault.RewrapUnfinished) && f != before.differ[dir]
			})
			return s, nil
		}
		before = s
	}
}

func (r *Repository) compareOnce(ctx context.Context, allowedSigners []byte) (*Standing, error) {
	l := &look{owner: r, signers: allowedSigners, trusted: true}
	if err := l.readFolders(ctx); err != nil {
		return nil, err
	}
	var err error
	if l.ledger, err = r.Ledger().Read(ctx, allowedSigners); err != nil {
		return nil, err
	}
	if err := l.readPending(ctx); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, f := range l.folders {
		there[f.name] = true
	}
	s := &Standing{Ledger: l.ledger, differ: map[string]backup.Finding{}}
	for _, f := range l.folders {
		l.found = folder.Findings{}
		l.judge(f, there)
		if len(l.found.List) > 0 && l.found.List[0].Code != string(fault.BackupUnlisted) {
			s.differ[l.path(f.name)] = l.found.List[0]
		}
	}
	return s, nil
}
