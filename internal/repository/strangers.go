package repository

import (
	"context"
	"errors"
	"io/fs"
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

// checkStrangers looks for what the store does not list. What lies in the folders of
// the backups is for [Repository.Verify].
func (l *look) checkStrangers(ctx context.Context) error {
	folders := map[string]foreign.Place{"": foreign.Instance, backup.BackupsDir: foreign.Backups, backup.LedgerDir: foreign.Ledger}
	if l.only != "" {
		folders = map[string]foreign.Place{backup.LedgerDir: foreign.Ledger}
	}
	for dir, place := range folders {
		names, err := l.owner.files.ForeignEntries(ctx, dir)
		if dir != "" && fault.CodeOf(err) == fault.ShareUnsupported {
			continue // the folder is a link, which is said where it is read
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			l.addStranger(dir, place, name)
		}
	}
	return nil
}

// addStranger enters an entry that is not the product's: as a finding, with the code
// and the words that others in its folder have, when it could be taken for a part of
// what a backup is.
func (l *look) addStranger(dir string, place foreign.Place, name string) {
	file := l.owner.files.NamedAt(dir, name)
	_, taken := belonging[name]
	switch {
	case taken && dir == "":
		l.found.Add(fault.BackupDamaged, file, "a link or a device is in the place of a file or folder")
	case !place.Resembles(name, false):
		l.foreign.Add(file)
	case place == foreign.Ledger:
		l.found.Add(fault.LedgerDamaged, file, "this is not an entry of the ledger")
	case place == foreign.Backups:
		l.found.Add(fault.BackupDamaged, file, "this is not the folder of a backup")
	default:
		l.found.Add(fault.BackupUnlisted, file, "this does not belong into the folder of an instance")
	}
}

// nameWork names what is not the product's among unfinished work. Nothing there is a
// backup, so nothing there is a finding, and what cannot be looked into is passed over.
func (l *look) nameWork(ctx context.Context) error {
	if l.only != "" {
		return nil
	}
	for _, dir := range []string{backup.IncomingDir, backup.StagingDir} {
		inside, err := l.nameIn(ctx, dir, isWork)
		if err != nil {
			return err
		}
		for _, dir := range inside[:min(len(inside), maxWorkFolders)] {
			if _, err := l.nameIn(ctx, dir, folder.IsOwnFile); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameIn names what is foreign in a folder and returns the folders that are not.
func (l *look) nameIn(ctx context.Context, dir string, own func(share.Info) bool) (inside []string, err error) {
	entries, err := l.owner.files.List(ctx, l.owner.files.At(dir))
	var names []string
	if err == nil {
		names, err = l.owner.files.ForeignEntries(ctx, dir)
	}
	switch {
	case folder.IsMissing(err):
		return nil, nil
	case folder.IsUnusable(err), fault.CodeOf(err) == fault.LimitExceeded:
		l.foreign.Add(l.owner.files.At(dir))
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, entry := range entries {
		switch {
		case !own(entry):
			l.foreign.Add(l.owner.files.At(dir, entry.Name))
		case entry.IsDir:
			inside = append(inside, path.Join(dir, entry.Name))
		}
	}
	for _, name := range names {
		l.foreign.Add(l.owner.files.NamedAt(dir, name))
	}
	return inside, nil
}

// isWork reports whether an entry of incoming/ or staging/ is the product's, by its name.
// Whether an anchor is to be believed is for [look.checkAnchors] to say.
func isWork(entry share.Info) bool {
	if entry.IsDir {
		return folder.WorkOwner(entry.Name) != ""
	}
	placed, _, _ := strings.Cut(entry.Name, folder.TempInfix)
	_, notAnchor := backup.ParseAnchorFile(placed)
	_, notEntry := backup.ParseLedgerFile(folder.WholeName(entry.Name))
	return notAnchor == nil || notEntry == nil || strings.HasPrefix(entry.Name, probePrefix)
}

// makeWorkFolder makes incoming/; a file in its place is set aside.
func (r *Repository) makeWorkFolder(ctx context.Context) error {
	dir := r.files.At(backup.IncomingDir)
	err := r.files.MkdirAll(ctx, dir)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, statErr := r.files.Stat(ctx, dir)
	if statErr != nil || info.IsDir {
		return err
	}
	if err := r.files.SetAside(ctx, dir); err != nil {
		return err
	}
	return r.files.MkdirAll(ctx, dir)
}
