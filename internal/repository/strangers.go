package repository

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository/foreign"
	"infrabackup/internal/share"
)

// maxWorkFolders bounds how many folders of unfinished work are looked into for what is
// not the product's.
const maxWorkFolders = 200

// strangers returns the names in a folder, which is relative to the instance, that the
// store does not list: names that no store can open, links and devices. A missing
// folder has none.
func (r *Repository) strangers(ctx context.Context, folder string) ([]string, error) {
	names, err := r.store.Strangers(ctx, r.at(folder))
	if missing(err) {
		return nil, nil
	}
	return names, err
}

// namedAt is the path of an entry that may have any name, for people.
func (r *Repository) namedAt(folder, name string) string {
	return r.at(folder) + "/" + printable.Text(name)
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
	folders := map[string]foreign.Place{"": foreign.Instance, backup.BackupsDir: foreign.Backups, backup.LedgerDir: foreign.Ledger}
	if l.only != "" {
		folders = map[string]foreign.Place{backup.LedgerDir: foreign.Ledger}
	}
	for folder, place := range folders {
		names, err := l.owner.strangers(ctx, folder)
		if folder != "" && fault.CodeOf(err) == fault.ShareUnsupported {
			continue // the folder is a link, which is said where it is read
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			l.addStranger(folder, place, name)
		}
	}
	return nil
}

// addStranger enters an entry that is not the product's: as a finding, with the code
// and the words that others in its folder have, when it could be taken for a part of
// what a backup is.
func (l *look) addStranger(folder string, place foreign.Place, name string) {
	file := l.owner.namedAt(folder, name)
	_, taken := belonging[name]
	switch {
	case taken && folder == "":
		l.found.add(fault.BackupDamaged, file, "a link or a device is in the place of a file or folder")
	case !place.Resembles(name, false):
		l.foreign.Add(file)
	case place == foreign.Ledger:
		l.found.add(fault.LedgerDamaged, file, "this is not an entry of the ledger")
	case place == foreign.Backups:
		l.found.add(fault.BackupDamaged, file, "this is not the folder of a backup")
	default:
		l.found.add(fault.BackupUnlisted, file, "this does not belong into the folder of an instance")
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
		for _, folder := range inside[:min(len(inside), maxWorkFolders)] {
			if _, err := l.nameIn(ctx, folder, isOwnFile); err != nil {
				return err
			}
		}
	}
	return nil
}

// nameIn names what is foreign in a folder and returns the folders that are not.
func (l *look) nameIn(ctx context.Context, folder string, own func(share.Info) bool) (inside []string, err error) {
	entries, err := l.owner.store.List(ctx, l.owner.at(folder))
	var names []string
	if err == nil {
		names, err = l.owner.strangers(ctx, folder)
	}
	switch {
	case missing(err):
		return nil, nil
	case isStrange(err), fault.CodeOf(err) == fault.LimitExceeded:
		l.foreign.Add(l.owner.at(folder))
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, entry := range entries {
		switch {
		case !own(entry):
			l.foreign.Add(l.owner.at(folder, entry.Name))
		case entry.IsDir:
			inside = append(inside, path.Join(folder, entry.Name))
		}
	}
	for _, name := range names {
		l.foreign.Add(l.owner.namedAt(folder, name))
	}
	return inside, nil
}

// isWork reports whether an entry of incoming/ or staging/ is the product's, by its name.
// Whether an anchor is to be believed is for [look.checkAnchors] to say.
func isWork(entry share.Info) bool {
	if entry.IsDir {
		return workOwner(entry.Name) != ""
	}
	placed, _, _ := strings.Cut(entry.Name, partMark)
	_, notAnchor := backup.ParseAnchorFile(placed)
	_, notEntry := backup.ParseLedgerFile(wholeName(entry.Name))
	return notAnchor == nil || notEntry == nil || strings.HasPrefix(entry.Name, probePrefix)
}

// workOwner is the backup that a folder in incoming/ or staging/ belongs to, empty when
// it belongs to none. Names that were taken already are followed by a dot and something
// else.
func workOwner(name string) backup.ID {
	owner, _, _ := strings.Cut(name, ".")
	id, err := backup.ParseID(owner)
	if err != nil {
		return ""
	}
	return id
}

// isOwnFile reports whether an entry of a backup's folder, finished or not, has a name
// that only the product gives.
func isOwnFile(entry share.Info) bool {
	return !entry.IsDir && (isBackupFile(entry.Name) || isWorkFile(entry.Name) || isPart(entry.Name))
}

// partPattern is what parts are called, those of services that this version does not know
// among them.
var partPattern = regexp.MustCompile(`^[a-z0-9]+\.tar\.zst\.age$`)

// isPart reports whether the name is that of an encrypted part.
func isPart(name string) bool { return partPattern.MatchString(name) }

// removeFolder removes a folder of a backup, finished or not, with the files that are the
// product's. What others put there stays, and the folder with it: that is returned. The
// error is for what is the product's and cannot be removed. A missing folder is fine.
func (r *Repository) removeFolder(ctx context.Context, folder string) (left backup.Foreign, err error) {
	entries, err := r.store.List(ctx, folder)
	if missing(err) {
		return left, nil
	}
	if err != nil {
		return left, err
	}
	for _, entry := range entries {
		name := path.Join(folder, entry.Name)
		switch {
		case isOwnFile(entry):
			if err := r.remove(ctx, name); err != nil {
				return left, err
			}
		case !entry.IsDir && foreign.IsLitter(entry.Name) && r.remove(ctx, name) == nil:
		default:
			left.Add(name)
		}
	}
	if left.Count == 0 {
		err = r.remove(ctx, folder)
		if cleared, heldErr := unlessHeld(err); cleared || heldErr != nil {
			return left, heldErr
		}
	}
	names, err := r.store.Strangers(ctx, folder)
	if err != nil && !missing(err) {
		return left, err
	}
	for _, name := range names {
		left.Add(folder + "/" + printable.Text(name))
	}
	if left.Count == 0 && !missing(err) {
		left.Add(folder) // the server shows nothing in it, and does not let it go
	}
	return left, nil
}

// vacate is removeFolder for a name that is needed: a folder that others keep from being
// removed gets another name in incoming/. Folder is relative to the instance.
func (r *Repository) vacate(ctx context.Context, folder string, id backup.ID) error {
	left, err := r.removeFolder(ctx, r.at(folder))
	if err != nil || left.Count == 0 {
		return err
	}
	if err := r.store.MkdirAll(ctx, r.at(backup.IncomingDir)); err != nil {
		return err
	}
	_, err = r.throwAway(ctx, folder, id)
	return err
}

// maxAside bounds how many names are tried for what is moved out of the way.
const maxAside = 100

// throwAway moves the folder of a backup, relative to the instance, into incoming/, in
// one step, and returns where it is then, relative to the instance too. [Repository.Begin]
// clears it away.
func (r *Repository) throwAway(ctx context.Context, folder string, id backup.ID) (string, error) {
	var err error
	for n := range maxAside {
		to := backup.IncomingPath(id)
		if n > 0 { // what others left in a folder of this name
			to += fmt.Sprintf(".%d", n)
		}
		if to == folder {
			continue
		}
		if err = r.move(ctx, folder, to); err == nil || !errors.Is(err, fs.ErrExist) {
			return to, r.inTheWay(ctx, folder, err)
		}
	}
	return "", err
}

// inTheWay adds to the error of a call on a backup's folder, which is relative to the
// instance, what lies in it that is not the backup's: programs that keep such a file open
// keep the folder from being moved.
func (r *Repository) inTheWay(ctx context.Context, folder string, err error) error {
	code := fault.CodeOf(err)
	if code != fault.ShareBusy && code != fault.ShareAccessDenied && code != fault.ShareExists {
		return err
	}
	entries, _ := r.store.List(ctx, r.at(folder)) // without them the error says what it says
	names, _ := r.store.Strangers(ctx, r.at(folder))
	for _, entry := range entries {
		if !isOwnFile(entry) {
			names = append(names, entry.Name)
		}
	}
	if len(names) == 0 {
		return err
	}
	for i := range names {
		names[i] = printable.Text(names[i])
	}
	slices.Sort(names)
	if len(names) > listedFindings {
		names = append(names[:listedFindings:listedFindings], "…")
	}
	return fault.New(code, r.at(folder)+" cannot be moved; beside the backup's files it holds "+strings.Join(names, ", "), err)
}

// asideMark is in the names of what was moved out of the product's way.
const asideMark = ".foreign-"

// setAside gives what others put in a place that the product needs another name.
func (r *Repository) setAside(ctx context.Context, name string) error {
	var err error
	for n := range maxAside {
		err = r.store.Rename(ctx, name, fmt.Sprintf("%s%s%d", name, asideMark, n+1))
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

// clearPlace removes a file that is in the place of one that is to be written; a missing
// one is fine. A folder with something in it, and what may not be removed, is set aside.
func (r *Repository) clearPlace(ctx context.Context, name string) error {
	err := r.remove(ctx, name)
	if errors.Is(err, fs.ErrExist) || fault.CodeOf(err) == fault.ShareAccessDenied {
		return r.setAside(ctx, name)
	}
	return err
}

// makeWorkFolder makes incoming/; a file in its place is set aside.
func (r *Repository) makeWorkFolder(ctx context.Context) error {
	folder := r.at(backup.IncomingDir)
	err := r.store.MkdirAll(ctx, folder)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, statErr := r.store.Stat(ctx, folder)
	if statErr != nil || info.IsDir {
		return err
	}
	if err := r.setAside(ctx, folder); err != nil {
		return err
	}
	return r.store.MkdirAll(ctx, folder)
}
