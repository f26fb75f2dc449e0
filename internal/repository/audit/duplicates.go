package audit

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
)

// chooseCanonical decides which folder is that of a backup, where several have its ID: the one
// that the ledger knows, else the only one whose name fits the manifest inside. Without
// a ledger, which tells that they are not listed, the others are findings.
func (snap *snapshot) chooseCanonical(ctx context.Context) error {
	snap.own = map[backup.ID]string{}
	names := map[backup.ID][]string{}
	for _, f := range snap.folders {
		names[f.id] = append(names[f.id], f.name)
	}
	for _, f := range snap.folders {
		if len(names[f.id]) < 2 {
			continue
		}
		if _, done := snap.own[f.id]; !done {
			own, err := snap.canonicalOf(ctx, f.id, names[f.id])
			if err != nil {
				return err
			}
			snap.own[f.id] = own
		}
		if f.name != snap.own[f.id] && (len(snap.signers) == 0 || snap.ledger.Entries == 0) {
			snap.found.Add(fault.BackupDamaged, snap.path(f.name), "this is a second folder of backup %s, beside %s", f.id, snap.own[f.id])
		}
	}
	return nil
}

func (snap *snapshot) canonicalOf(ctx context.Context, id backup.ID, names []string) (string, error) {
	if snap.only != "" && slices.Contains(names, snap.named) {
		return snap.named, nil
	}
	if s, known := snap.ledger.State(id); known && slices.Contains(names, s.Folder) {
		return s.Folder, nil
	}
	fit, err := snap.repo.Matching(ctx, names)
	if err != nil {
		return "", err
	}
	if len(fit) == 1 {
		return fit[0], nil
	}
	return names[0], nil
}

// isCanonical reports whether the folder is that of its backup, as far as can be told.
func (snap *snapshot) isCanonical(f folderFacts) bool {
	own, several := snap.own[f.id]
	return !several || own == f.name
}

// verifyDuplicates verifies the one of several folders that is the backup's own. Where their
// manifests do not tell, what was signed does: it fits one folder only.
func verifyDuplicates(ctx context.Context, repo *repository.Repository, id backup.ID, names []string, opts VerifyOptions) (backup.Verdict, error) {
	candidates, err := repo.Matching(ctx, names)
	if err != nil {
		return backup.Verdict{}, err
	}
	if len(candidates) == 0 {
		candidates = names
	}
	var chosen backup.Verdict
	for i, name := range candidates {
		v, err := verifyFolder(ctx, repo, id, path.Join(backup.BackupsDir, name), opts)
		if err != nil {
			return backup.Verdict{}, err
		}
		if good := len(v.Findings) == 0; i == 0 || good {
			chosen = v
			if good {
				break
			}
		}
	}
	if opts.BackupOnly {
		return chosen, nil // an audit tells of the others
	}
	for _, name := range names {
		if where := repo.Files().At(backup.BackupsDir, name); where != chosen.Path {
			chosen.Findings = append(chosen.Findings, *folder.Damaged(where, "this is a second folder of backup "+string(id)))
		}
	}
	return chosen, nil
}
