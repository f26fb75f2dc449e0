package repository

import (
	"bytes"
	"context"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// compare compares the backups on the share with those that the ledger tells of.
func (l *look) compare() {
	if len(l.signers) == 0 {
		return // nothing that the ledger says can be believed
	}
	if l.ledger.Entries == 0 {
		if l.expected == nil && l.only == "" && len(l.folders) > 0 {
			l.found.Add(fault.LedgerDamaged, l.owner.files.At(backup.LedgerDir), "there is no ledger, so nobody knows which backups belong here")
		}
		return
	}
	there := map[string]bool{}
	for _, f := range l.folders {
		there[f.name] = true
	}
	for _, f := range l.folders {
		l.judge(f, there)
	}
	ids := map[backup.ID]bool{}
	for _, f := range l.folders {
		ids[f.id] = true
	}
	for _, id := range l.ledger.Known() {
		if l.only != "" && id != l.only {
			continue
		}
		if s, _ := l.ledger.State(id); !s.Gone() && !ids[id] {
			l.found.Add(fault.BackupMissing, l.path(s.Folder), "backup %s is in the ledger and not on the share", id)
		}
	}
}

const rolledBackMessage = "backup %s is in an earlier state than entry %d of the ledger says"

// judge compares one folder with what the ledger says of its backup.
func (l *look) judge(f folderFacts, there map[string]bool) {
	dir, sums := l.path(f.name), l.path(path.Join(f.name, backup.SumsFile))
	s, known := l.ledger.State(f.id)
	switch {
	case !known:
		l.found.Add(fault.BackupUnlisted, dir, "backup %s is on the share and not in the ledger", f.id)
	case s.Gone():
		l.found.Add(fault.BackupRolledBack, dir, "backup %s is back: entry %d of the ledger says that it was %s", f.id, s.Sequence, s.Action)
	case s.Folder != f.name && there[s.Folder]:
		l.found.Add(fault.BackupUnlisted, dir, "this is a second folder of backup %s, which the ledger has as %s", f.id, s.Folder)
	case s.Folder != f.name:
		l.found.Add(fault.BackupDamaged, dir, "the folder was renamed: the ledger has backup %s as %s", f.id, s.Folder)
	case f.unfinished && !f.isRolledBack(s):
		l.found.Add(fault.RewrapUnfinished, dir, unfinishedMessage)
	case f.sums == s.SumsSHA256:
	case f.unfinished:
		l.found.Add(fault.BackupRolledBack, sums, rolledBackMessage, f.id, s.Sequence)
	case f.denied:
		l.found.Add(fault.ShareAccessDenied, sums, "the account may not read the file")
	case f.sums == "":
		l.found.Add(fault.BackupDamaged, sums, "the file is missing or cannot be read")
	case s.WasEarlier(f.sums):
		l.found.Add(fault.BackupRolledBack, sums, rolledBackMessage, f.id, s.Sequence)
	default:
		l.found.Add(fault.BackupDamaged, sums, "the sums are not those that the ledger has for backup %s", f.id)
	}
}

// nameForeign tells the backups of other instances from others that are not listed.
func (l *look) nameForeign(ctx context.Context) error {
	for i, f := range l.found.List {
		if f.Code != string(fault.BackupUnlisted) || path.Dir(f.File) != l.owner.files.At(backup.BackupsDir) {
			continue
		}
		m, err := l.owner.anyManifest(ctx, path.Join(backup.BackupsDir, path.Base(f.File)))
		if err != nil {
			return err
		}
		if m != nil && m.Instance.Name != l.owner.files.Instance() {
			l.found.List[i].Code = string(fault.BackupForeign)
			l.found.List[i].Message = "the backup belongs to instance " + m.Instance.Name
		}
	}
	return nil
}

// anyManifest reads the manifest in folder, whatever backup and instance it belongs
// to; nil when there is none that can be read.
func (r *Repository) anyManifest(ctx context.Context, dir string) (*backup.Manifest, error) {
	data, err := r.files.Read(ctx, r.files.At(dir, backup.ManifestFile), backup.MaxManifestBytes)
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
