package audit

import (
	"bytes"
	"context"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
)

// compare compares the backups on the share with those that the ledger tells of.
func (snap *snapshot) compare() {
	if len(snap.signers) == 0 {
		return // nothing that the ledger says can be believed
	}
	if snap.ledger.Entries == 0 {
		if snap.expected == nil && snap.only == "" && len(snap.folders) > 0 {
			snap.found.Add(fault.LedgerDamaged, snap.files.At(backup.LedgerDir), "there is no ledger, so it is unknown which backups belong here")
		}
		return
	}
	there := map[string]bool{}
	for _, f := range snap.folders {
		there[f.name] = true
	}
	for _, f := range snap.folders {
		snap.judge(f, there)
	}
	ids := map[backup.ID]bool{}
	for _, f := range snap.folders {
		ids[f.id] = true
	}
	for _, id := range snap.ledger.Known() {
		if snap.only != "" && id != snap.only {
			continue
		}
		if s, _ := snap.ledger.State(id); !s.Gone() && !ids[id] {
			snap.found.Add(fault.BackupMissing, snap.path(s.Folder), "backup %s is in the ledger and not on the share", id)
		}
	}
}

const rolledBackMessage = "backup %s is in an earlier state than entry %d of the ledger records"

// judge compares one folder with what the ledger says of its backup.
func (snap *snapshot) judge(f folderFacts, there map[string]bool) {
	dir, sums := snap.path(f.name), snap.path(path.Join(f.name, backup.SumsFile))
	s, known := snap.ledger.State(f.id)
	switch {
	case !known:
		snap.found.Add(fault.BackupUnlisted, dir, "backup %s is on the share and not in the ledger", f.id)
	case s.Gone():
		snap.found.Add(fault.BackupRolledBack, dir, "backup %s is back: entry %d of the ledger records that it was %s", f.id, s.Sequence, s.Action)
	case s.Folder != f.name && there[s.Folder]:
		snap.found.Add(fault.BackupUnlisted, dir, "this is a second folder of backup %s, which the ledger has as %s", f.id, s.Folder)
	case s.Folder != f.name:
		snap.found.Add(fault.BackupDamaged, dir, "the folder was renamed: the ledger has backup %s as %s", f.id, s.Folder)
	case f.unfinished && !f.isRolledBack(s):
		snap.found.Add(fault.RewrapUnfinished, dir, unfinishedMessage)
	case f.sums == s.SumsSHA256:
	case f.unfinished:
		snap.found.Add(fault.BackupRolledBack, sums, rolledBackMessage, f.id, s.Sequence)
	case f.denied:
		snap.found.Add(fault.ShareAccessDenied, sums, "the account may not read the file")
	case f.sums == "":
		snap.found.Add(fault.BackupDamaged, sums, "the file is missing or cannot be read")
	case s.WasEarlier(f.sums):
		snap.found.Add(fault.BackupRolledBack, sums, rolledBackMessage, f.id, s.Sequence)
	default:
		snap.found.Add(fault.BackupDamaged, sums, "the sums are not those that the ledger has for backup %s", f.id)
	}
}

// nameForeign tells the backups of other instances from others that are not listed.
func (snap *snapshot) nameForeign(ctx context.Context) error {
	for i, f := range snap.found.List {
		if f.Code != string(fault.BackupUnlisted) || path.Dir(f.File) != snap.files.At(backup.BackupsDir) {
			continue
		}
		m, err := anyManifest(ctx, snap.repo, path.Join(backup.BackupsDir, path.Base(f.File)))
		if err != nil {
			return err
		}
		if m != nil && m.Instance.Name != snap.files.Instance() {
			snap.found.List[i].Code = string(fault.BackupForeign)
			snap.found.List[i].Message = "the backup belongs to instance " + m.Instance.Name
		}
	}
	return nil
}

// anyManifest reads the manifest in folder, whatever backup and instance it belongs
// to; nil when there is none that can be read.
func anyManifest(ctx context.Context, repo *repository.Repository, dir string) (*backup.Manifest, error) {
	data, err := repo.Files().Read(ctx, repo.Files().At(dir, backup.ManifestFile), backup.MaxManifestBytes)
	if folder.IsMissing(err) || folder.IsUnusable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := backup.DecodeManifest(bytes.NewReader(data))
	if err != nil {
		return nil, nil
	}
	return m, nil
}

// isRolledBack reports whether a folder whose key seems to be replaced is in an earlier
// state than the ledger says. The ledger is told when all that is new lies there and
// before any of it takes its place: so old sums are those of a replacement that did not
// end only when what lies beside them completes the newest state.
func (f folderFacts) isRolledBack(s ledger.State) bool {
	if f.sums == s.SumsSHA256 || f.pending.Fits && f.pending.Sums == s.SumsSHA256 {
		return false
	}
	return s.WasEarlier(f.sums) || s.WasEarlier(f.pending.Sums)
}

// readPending finds out what the files that are to replace others would make of the
// folders that are not in the newest state.
func (snap *snapshot) readPending(ctx context.Context) error {
	for i := range snap.folders {
		f := &snap.folders[i]
		s, known := snap.ledger.State(f.id)
		if !f.unfinished || !known || s.Gone() || f.sums == s.SumsSHA256 {
			continue
		}
		b, err := snap.repo.Pending(ctx, path.Join(backup.BackupsDir, f.name), snap.signers)
		if err != nil {
			return err
		}
		f.pending = b
	}
	return nil
}
