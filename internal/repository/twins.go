package repository

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// Named returns the repository as one who has named a folder in backups/ means it: of
// the backup with its ID, this is the folder that is opened and verified.
func (r *Repository) Named(dir string) *Repository {
	named := *r
	named.named = dir
	return &named
}

// FoldersOf returns the names of the folders that have a backup's ID, newest first: one,
// unless somebody has put another there. Of a backup whose folder was named, it is that
// one.
func (r *Repository) FoldersOf(ctx context.Context, id backup.ID) ([]string, error) {
	names, _, err := r.Folders(ctx)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !IsOf(name, id) || IsOf(r.named, id) && name != r.named })
	if len(names) == 0 {
		return nil, fault.Newf(fault.BackupNotFound, "%s holds no backup %s", r, id)
	}
	return names, nil
}

// IsOf reports whether a folder in backups/ has the ID of a backup.
func IsOf(name string, id backup.ID) bool {
	found, _, err := backup.ParseFolderName(name)
	return err == nil && found == id
}

// Matching returns those of several folders whose name fits the manifest inside.
func (r *Repository) Matching(ctx context.Context, names []string) ([]string, error) {
	var fit []string
	for _, name := range names {
		_, err := r.manifest(ctx, path.Join(backup.BackupsDir, name))
		switch {
		case err == nil:
			fit = append(fit, name)
		case !folder.IsUnusable(err) && !folder.IsMissing(err):
			return nil, err
		}
	}
	return fit, nil
}

// twins says that a backup has several folders, and that nothing tells which is its own.
func (r *Repository) twins(id backup.ID, names []string) error {
	return fault.Newf(fault.BackupDamaged, "two folders have the ID of backup %s: %s and %s; move the one away that somebody else has put there (backup verify tells which the ledger knows)",
		id, r.files.At(backup.BackupsDir, names[0]), r.files.At(backup.BackupsDir, names[1]))
}

// Removable returns the name of the folder that [Repository.Delete] removes, and refuses
// while another one has the backup's ID. BACKUP_DAMAGED then, and the message says which
// of the two is not the one that the ledger knows.
func (r *Repository) Removable(ctx context.Context, id backup.ID, allowedSigners []byte) (string, error) {
	names, err := r.FoldersOf(ctx, id)
	if err != nil {
		return "", err
	}
	if len(names) == 1 {
		return names[0], nil
	}
	known, err := r.Ledger().Read(ctx, allowedSigners)
	if err != nil {
		return "", err
	}
	s, listed := known.State(id)
	own := slices.Index(names, s.Folder)
	if !listed || own < 0 {
		return "", r.twins(id, names)
	}
	other := names[0]
	if own == 0 {
		other = names[1]
	}
	return "", fault.Newf(fault.BackupDamaged, "two folders have the ID of backup %s: the ledger knows %s; %s has to be moved away first",
		id, r.files.At(backup.BackupsDir, s.Folder), r.files.At(backup.BackupsDir, other))
}

// Latest returns the newest backup that is to be on the share: the newest of those that
// the ledger tells of and those that can be read there. So one that somebody removed is
// not passed over. BACKUP_NOT_FOUND when there is none.
func (r *Repository) Latest(ctx context.Context, allowedSigners []byte) (backup.ID, error) {
	listing, err := r.List(ctx, 1)
	if err != nil {
		return "", err
	}
	read, err := r.Ledger().ReadWith(ctx, allowedSigners, len(allowedSigners) > 0, backup.LedgerHead{})
	if err != nil {
		return "", err
	}
	var newest backup.ID
	var dir string
	if len(listing.Backups) > 0 {
		newest, dir = listing.Backups[0].BackupID, path.Base(listing.Backups[0].Path)
	}
	for _, id := range read.Ledger.Known() {
		if s, _ := read.Ledger.State(id); !s.Gone() && s.Folder > dir {
			newest, dir = id, s.Folder
		}
	}
	if newest == "" {
		return "", fault.Newf(fault.BackupNotFound, "%s holds no readable backup", r)
	}
	return newest, nil
}

// chooseOwn decides which folder is that of a backup, where several have its ID: the one
// that the ledger knows, else the only one whose name fits the manifest inside. Without
// a ledger, which tells that they are not listed, the others are findings.
func (l *look) chooseOwn(ctx context.Context) error {
	l.own = map[backup.ID]string{}
	names := map[backup.ID][]string{}
	for _, f := range l.folders {
		names[f.id] = append(names[f.id], f.name)
	}
	for _, f := range l.folders {
		if len(names[f.id]) < 2 {
			continue
		}
		if _, done := l.own[f.id]; !done {
			own, err := l.ownOf(ctx, f.id, names[f.id])
			if err != nil {
				return err
			}
			l.own[f.id] = own
		}
		if f.name != l.own[f.id] && (len(l.signers) == 0 || l.ledger.Entries == 0) {
			l.found.Add(fault.BackupDamaged, l.path(f.name), "this is a second folder of backup %s, beside %s", f.id, l.own[f.id])
		}
	}
	return nil
}

func (l *look) ownOf(ctx context.Context, id backup.ID, names []string) (string, error) {
	if l.only != "" && slices.Contains(names, l.owner.named) {
		return l.owner.named, nil
	}
	if s, known := l.ledger.State(id); known && slices.Contains(names, s.Folder) {
		return s.Folder, nil
	}
	fit, err := l.owner.Matching(ctx, names)
	if err != nil {
		return "", err
	}
	if len(fit) == 1 {
		return fit[0], nil
	}
	return names[0], nil
}

// isOwn reports whether the folder is that of its backup, as far as can be told.
func (l *look) isOwn(f folderFacts) bool {
	own, several := l.own[f.id]
	return !several || own == f.name
}

// verifyOwn verifies the one of several folders that is the backup's own. Where their
// manifests do not tell, what was signed does: it fits one folder only.
func (r *Repository) verifyOwn(ctx context.Context, id backup.ID, names []string, opts VerifyOptions) (backup.Verdict, error) {
	candidates, err := r.Matching(ctx, names)
	if err != nil {
		return backup.Verdict{}, err
	}
	if len(candidates) == 0 {
		candidates = names
	}
	var chosen backup.Verdict
	for i, name := range candidates {
		v, err := r.verifyFolder(ctx, id, path.Join(backup.BackupsDir, name), opts)
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
		if where := r.files.At(backup.BackupsDir, name); where != chosen.Path {
			chosen.Findings = append(chosen.Findings, *folder.Damaged(where, "this is a second folder of backup "+string(id)))
		}
	}
	return chosen, nil
}

// openOwnSigned is openSigned for a backup with several folders: what was signed fits one
// of them only.
func (r *Repository) openOwnSigned(ctx context.Context, id backup.ID, names []string, allowedSigners []byte) (*Backup, error) {
	for _, name := range names {
		b, err := r.openSignedIn(ctx, id, path.Join(backup.BackupsDir, name), allowedSigners)
		switch code := fault.CodeOf(err); {
		case err == nil:
			return b, nil
		case code != fault.BackupForged && code != fault.RewrapUnfinished && !folder.IsUnusable(err) && !folder.IsMissing(err):
			return nil, err
		}
	}
	return nil, r.twins(id, names)
}
