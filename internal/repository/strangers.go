package repository

import (
	"context"
	"strconv"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// serviceFolders are what file servers themselves keep in the folders of a share:
// snapshots (NetApp, ZFS and others), indexes and recycle bins (Synology, QNAP, Windows).
// They are no finding, wherever they lie.
var serviceFolders = map[string]bool{
	"~snapshot": true, ".snapshot": true, ".snapshots": true, "@eaDir": true, "#recycle": true,
	"@Recycle": true, "System Volume Information": true, "$RECYCLE.BIN": true,
}

// isService reports whether an entry is a file server's own.
func isService(entry share.Info) bool { return entry.IsDir && serviceFolders[entry.Name] }

// stranger is an entry of a folder that the store does not list.
type stranger struct {
	name string
	file string // for findings: its path, which holds nothing that a terminal would obey
}

// strangers returns what lies in a folder, which is relative to the instance, under
// names that no backup has, or as links and devices. A missing folder has none.
func (r *Repository) strangers(ctx context.Context, folder string) ([]stranger, error) {
	names, err := r.store.Strangers(ctx, r.at(folder))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []stranger
	for _, name := range names {
		if !serviceFolders[name] {
			found = append(found, stranger{name: name, file: r.at(folder) + "/" + printable(name)})
		}
	}
	return found, nil
}

// printable escapes what is no printable character.
func printable(name string) string {
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

// isStrange reports whether the error says that something else than a file of this
// product lies under a name: a folder, a link, a device, a file that is too long, or
// one that cannot be opened while its folder can. That is for the audit to find and
// no reason to end it.
func isStrange(err error) bool {
	switch fault.CodeOf(err) {
	case fault.BackupDamaged, fault.ShareUnsupported, fault.ShareAccessDenied:
		return true
	}
	return false
}

// checkStrangers looks for what the store does not list. What lies in the folders of
// the backups is for [Repository.Verify].
func (l *look) checkStrangers(ctx context.Context) error {
	folders := []string{"", backup.BackupsDir, backup.LedgerDir}
	if l.only != "" {
		folders = []string{backup.LedgerDir}
	}
	for _, folder := range folders {
		found, err := l.owner.strangers(ctx, folder)
		if folder != "" && fault.CodeOf(err) == fault.ShareUnsupported {
			continue // the folder is a link, which is said where it is read
		}
		if err != nil {
			return err
		}
		for _, s := range found {
			l.addStranger(folder, s)
		}
	}
	return nil
}

// addStranger gives a stranger the code and the words that others in its folder have.
func (l *look) addStranger(folder string, s stranger) {
	_, taken := belonging[s.name]
	switch {
	case folder == backup.LedgerDir:
		l.found.add(fault.LedgerDamaged, s.file, "this is not an entry of the ledger")
	case folder == backup.BackupsDir:
		l.found.add(fault.BackupDamaged, s.file, "this is not the folder of a backup")
	case taken:
		l.found.add(fault.BackupDamaged, s.file, "a link or a device is in the place of a file or folder")
	default:
		l.found.add(fault.BackupUnlisted, s.file, "this does not belong into the folder of an instance")
	}
}
