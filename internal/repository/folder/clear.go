package folder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository/foreign"
)

// RemoveAll removes a folder of a backup, finished or not, with the files that are the
// product's. What others put there stays, and the folder with it: that is returned. The
// error is for what is the product's and cannot be removed. A missing folder is fine.
func (f *Folder) RemoveAll(ctx context.Context, where string) (left backup.Foreign, err error) {
	entries, err := f.List(ctx, where)
	if IsMissing(err) {
		return left, nil
	}
	if err != nil {
		return left, err
	}
	for _, entry := range entries {
		name := path.Join(where, entry.Name)
		switch {
		case IsOwnFile(entry):
			if err := f.Remove(ctx, name); err != nil {
				return left, err
			}
		case !entry.IsDir && foreign.IsLitter(entry.Name) && f.Remove(ctx, name) == nil:
		default:
			left.Add(name)
		}
	}
	if left.Count == 0 {
		err = f.Remove(ctx, where)
		if cleared, heldErr := UnlessHeld(err); cleared || heldErr != nil {
			return left, heldErr
		}
	}
	names, err := f.Strangers(ctx, where)
	if err != nil && !IsMissing(err) {
		return left, err
	}
	for _, name := range names {
		left.Add(where + "/" + printable.Text(name))
	}
	if left.Count == 0 && !IsMissing(err) {
		left.Add(where) // the server shows nothing in it, and does not let it go
	}
	return left, nil
}

// Vacate is RemoveAll for a name that is needed: a folder that others keep from being
// removed gets another name in incoming/. In is relative to the instance.
func (f *Folder) Vacate(ctx context.Context, in string, id backup.ID) error {
	left, err := f.RemoveAll(ctx, f.At(in))
	if err != nil || left.Count == 0 {
		return err
	}
	if err := f.MkdirAll(ctx, f.At(backup.IncomingDir)); err != nil {
		return err
	}
	_, err = f.ThrowAway(ctx, in, id)
	return err
}

// maxAside bounds how many names are tried for what is moved out of the way.
const maxAside = 100

// ThrowAway moves the folder of a backup, relative to the instance, into incoming/, in
// one step, and returns where it is then, relative to the instance too. The next run
// clears it away.
func (f *Folder) ThrowAway(ctx context.Context, in string, id backup.ID) (string, error) {
	var err error
	for n := range maxAside {
		to := backup.IncomingPath(id)
		if n > 0 { // what others left in a folder of this name
			to += fmt.Sprintf(".%d", n)
		}
		if to == in {
			continue
		}
		if err = f.Move(ctx, in, to); err == nil || !errors.Is(err, fs.ErrExist) {
			return to, f.inTheWay(ctx, in, err)
		}
	}
	return "", err
}

// maxNamed is how many entries an error names.
const maxNamed = 3

// inTheWay adds to the error of a call on a backup's folder, which is relative to the
// instance, what lies in it that is not the backup's: programs that keep such a file open
// keep the folder from being moved.
func (f *Folder) inTheWay(ctx context.Context, in string, err error) error {
	code := fault.CodeOf(err)
	if code != fault.ShareBusy && code != fault.ShareAccessDenied && code != fault.ShareExists {
		return err
	}
	entries, _ := f.List(ctx, f.At(in)) // without them the error says what it says
	names, _ := f.Strangers(ctx, f.At(in))
	for _, entry := range entries {
		if !IsOwnFile(entry) {
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
	if len(names) > maxNamed {
		names = append(names[:maxNamed:maxNamed], "…")
	}
	return fault.New(code, f.At(in)+" cannot be moved; beside the backup's files it holds "+strings.Join(names, ", "), err)
}

// asideMark is in the names of what was moved out of the product's way.
const asideMark = ".foreign-"

// SetAside gives what others put in a place that the product needs another name.
func (f *Folder) SetAside(ctx context.Context, name string) error {
	var err error
	for n := range maxAside {
		err = f.Rename(ctx, name, fmt.Sprintf("%s%s%d", name, asideMark, n+1))
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return err
}

// ClearPlace removes a file that is in the place of one that is to be written; a missing
// one is fine. A folder with something in it, and what may not be removed, is set aside.
func (f *Folder) ClearPlace(ctx context.Context, name string) error {
	err := f.Remove(ctx, name)
	if errors.Is(err, fs.ErrExist) || fault.CodeOf(err) == fault.ShareAccessDenied {
		return f.SetAside(ctx, name)
	}
	return err
}

// Tidy makes sure that a folder, which is relative to the instance, holds the wanted
// files, and of the product's no others: it removes those. It returns what is foreign,
// and takes wanted apart.
func (f *Folder) Tidy(ctx context.Context, in string, wanted map[string]bool) (backup.Foreign, error) {
	var found backup.Foreign
	entries, strangers, err := f.Scan(ctx, f.At(in))
	if err != nil {
		return found, err
	}
	for _, entry := range entries {
		name := f.At(in, entry.Name)
		switch {
		case wanted[entry.Name] && !entry.IsDir:
			delete(wanted, entry.Name)
		case IsOwnFile(entry) && !isSealed(entry.Name):
			if err := f.ClearPlace(ctx, name); err != nil {
				return found, err
			}
		default:
			if foreign.Backup.Resembles(entry.Name, entry.IsDir) && f.SetAside(ctx, name) == nil {
				name += " (moved out of the way)"
			}
			found.Add(name)
		}
	}
	for _, name := range strangers {
		found.Add(f.NamedAt(in, name))
	}
	for name := range wanted {
		return found, fault.Newf(fault.BackupDamaged, "%s has vanished from %s", name, f.At(in))
	}
	return found, nil
}

// MakeIncoming makes incoming/; a file in its place is set aside.
func (f *Folder) MakeIncoming(ctx context.Context) error {
	dir := f.At(backup.IncomingDir)
	err := f.MkdirAll(ctx, dir)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, statErr := f.Stat(ctx, dir)
	if statErr != nil || info.IsDir {
		return err
	}
	if err := f.SetAside(ctx, dir); err != nil {
		return err
	}
	return f.MkdirAll(ctx, dir)
}
