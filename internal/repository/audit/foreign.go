package audit

import (
	"context"
	"path"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/share"
)

// maxWorkFolders bounds how many folders of unfinished work are looked into for what is
// not the product's.
const maxWorkFolders = 200

// checkForeign looks for what the store does not list. What lies in the folders of
// the backups is for [Verify].
func (snap *snapshot) checkForeign(ctx context.Context) error {
	for _, name := range snap.ledger.Strangers() {
		snap.addForeign(backup.LedgerDir, foreign.Ledger, name)
	}
	if snap.only != "" {
		return nil
	}
	folders := map[string]foreign.Place{"": foreign.Instance, backup.BackupsDir: foreign.Backups}
	for dir, place := range folders {
		names, err := snap.files.ForeignEntries(ctx, dir)
		if dir != "" && fault.CodeOf(err) == fault.ShareUnsupported {
			continue // the folder is a link, which is said where it is read
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			snap.addForeign(dir, place, name)
		}
	}
	return nil
}

// addForeign enters an entry that is not the product's: as a finding, with the code
// and the words that others in its folder have, when it could be taken for a part of
// what a backup is.
func (snap *snapshot) addForeign(dir string, place foreign.Place, name string) {
	file := snap.files.NamedAt(dir, name)
	_, taken := belonging[name]
	switch {
	case taken && dir == "":
		snap.found.Add(fault.BackupDamaged, file, "a link or a device is in the place of a file or folder")
	case !place.Resembles(name, false):
		snap.foreign.Add(file)
	case place == foreign.Ledger:
		snap.found.Add(fault.LedgerDamaged, file, "this is not an entry of the ledger")
	case place == foreign.Backups:
		snap.found.Add(fault.BackupDamaged, file, "this is not the folder of a backup")
	default:
		snap.found.Add(fault.BackupUnlisted, file, "this does not belong into the folder of an instance")
	}
}

// nameWork names what is not the product's among unfinished work. Nothing there is a
// backup, so nothing there is a finding, and what cannot be looked into is passed over.
func (snap *snapshot) nameWork(ctx context.Context) error {
	if snap.only != "" {
		return nil
	}
	for _, dir := range []string{backup.IncomingDir, backup.StagingDir} {
		inside, err := snap.nameIn(ctx, dir, isWork)
		if err != nil {
			return err
		}
		for _, dir := range inside[:min(len(inside), maxWorkFolders)] {
			if _, err := snap.nameIn(ctx, dir, folder.IsOwnFile); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameIn names what is foreign in a folder and returns the folders that are not.
func (snap *snapshot) nameIn(ctx context.Context, dir string, own func(share.Info) bool) (inside []string, err error) {
	entries, err := snap.files.List(ctx, snap.files.At(dir))
	var names []string
	if err == nil {
		names, err = snap.files.ForeignEntries(ctx, dir)
	}
	switch {
	case folder.IsMissing(err):
		return nil, nil
	case folder.IsUnusable(err), fault.CodeOf(err) == fault.LimitExceeded:
		snap.foreign.Add(snap.files.At(dir))
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, entry := range entries {
		switch {
		case !own(entry):
			snap.foreign.Add(snap.files.At(dir, entry.Name))
		case entry.IsDir:
			inside = append(inside, path.Join(dir, entry.Name))
		}
	}
	for _, name := range names {
		snap.foreign.Add(snap.files.NamedAt(dir, name))
	}
	return inside, nil
}

// isWork reports whether an entry of incoming/ or staging/ is the product's, by its name.
// Whether an anchor is to be believed is for [snapshot.checkAnchors] to say.
func isWork(entry share.Info) bool {
	if entry.IsDir {
		return folder.WorkOwner(entry.Name) != ""
	}
	placed, _ := folder.FinalName(entry.Name)
	_, notAnchor := backup.ParseAnchorFile(placed)
	_, notEntry := backup.ParseLedgerFile(folder.WholeName(entry.Name))
	return notAnchor == nil || notEntry == nil || strings.HasPrefix(entry.Name, folder.ProbePrefix)
}
