package repository

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// compare compares the backups on the share with those that the ledger tells of.
func (l *look) compare() {
	if len(l.signers) == 0 {
		return // nothing that the ledger says can be believed
	}
	if l.ledger.Entries == 0 {
		if l.expected == nil && l.only == "" && len(l.folders) > 0 {
			l.found.add(fault.LedgerDamaged, l.owner.at(backup.LedgerDir), "there is no ledger, so nobody knows which backups belong here")
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
	for _, id := range l.ledger.known() {
		if l.only != "" && id != l.only {
			continue
		}
		if s := l.ledger.states[id]; !s.Gone() && !ids[id] {
			l.found.add(fault.BackupMissing, l.path(s.Folder), "backup %s is in the ledger and not on the share", id)
		}
	}
}

// known returns the backups that the ledger tells of, newest first.
func (l *Ledger) known() []backup.ID {
	ids := make([]backup.ID, 0, len(l.states))
	for id := range l.states {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b backup.ID) int { return strings.Compare(l.states[b].Folder, l.states[a].Folder) })
	return ids
}

const rolledBackMessage = "backup %s is in an earlier state than entry %d of the ledger says"

// judge compares one folder with what the ledger says of its backup.
func (l *look) judge(f folderFacts, there map[string]bool) {
	folder, sums := l.path(f.name), l.path(path.Join(f.name, backup.SumsFile))
	s, known := l.ledger.State(f.id)
	switch {
	case !known:
		l.found.add(fault.BackupUnlisted, folder, "backup %s is on the share and not in the ledger", f.id)
	case s.Gone():
		l.found.add(fault.BackupRolledBack, folder, "backup %s is back: entry %d of the ledger says that it was %s", f.id, s.Sequence, s.Action)
	case s.Folder != f.name && there[s.Folder]:
		l.found.add(fault.BackupUnlisted, folder, "this is a second folder of backup %s, which the ledger has as %s", f.id, s.Folder)
	case s.Folder != f.name:
		l.found.add(fault.BackupDamaged, folder, "the folder was renamed: the ledger has backup %s as %s", f.id, s.Folder)
	case f.unfinished && !f.backwards(s):
		l.found.add(fault.RewrapUnfinished, folder, unfinishedMessage)
	case f.sums == s.SumsSHA256:
	case f.unfinished:
		l.found.add(fault.BackupRolledBack, sums, rolledBackMessage, f.id, s.Sequence)
	case f.denied:
		l.found.add(fault.ShareAccessDenied, sums, "the account may not read the file")
	case f.sums == "":
		l.found.add(fault.BackupDamaged, sums, "the file is missing or cannot be read")
	case slices.Contains(s.earlier, f.sums):
		l.found.add(fault.BackupRolledBack, sums, rolledBackMessage, f.id, s.Sequence)
	default:
		l.found.add(fault.BackupDamaged, sums, "the sums are not those that the ledger has for backup %s", f.id)
	}
}

// nameForeign tells the backups of other instances from others that are not listed.
func (l *look) nameForeign(ctx context.Context) error {
	for i, f := range l.found.list {
		if f.Code != string(fault.BackupUnlisted) || path.Dir(f.File) != l.owner.at(backup.BackupsDir) {
			continue
		}
		m, err := l.owner.anyManifest(ctx, path.Join(backup.BackupsDir, path.Base(f.File)))
		if err != nil {
			return err
		}
		if m != nil && m.Instance.Name != l.owner.instance {
			l.found.list[i].Code = string(fault.BackupForeign)
			l.found.list[i].Message = "the backup belongs to instance " + m.Instance.Name
		}
	}
	return nil
}

// anyManifest reads the manifest in folder, whatever backup and instance it belongs
// to; nil when there is none that can be read.
func (r *Repository) anyManifest(ctx context.Context, folder string) (*backup.Manifest, error) {
	data, err := r.read(ctx, r.at(folder, backup.ManifestFile), backup.MaxManifestBytes)
	if missing(err) || isStrange(err) {
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
