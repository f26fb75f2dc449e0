package repository

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/share"
)

// abandonedAfter is how long nothing changes in staging/ before it is nobody's: a key is
// revoked and backups are copied for hours, and each file is written in that time.
const abandonedAfter = 7 * 24 * time.Hour

// clearStaging removes what somebody put into staging/ and gave up: copies of backups
// that nothing has been written to for [abandonedAfter], and backups that were replaced
// and not removed. Now is the share's own time. What is not this product's work stays,
// and so does a backup that is in staging/ only, for [Repository.Swap] or for a person to
// put back.
func (r *Repository) clearStaging(ctx context.Context, now time.Time) error {
	entries, err := r.store.List(ctx, r.at(backup.StagingDir))
	if missing(err) || isStrange(err) {
		return nil // what is in the place of the folder is for the audit to find
	}
	if err != nil {
		return err
	}
	c := &clearing{owner: r, before: now.Add(-abandonedAfter), there: map[string]bool{}}
	for _, entry := range entries {
		c.there[entry.Name] = true
	}
	for _, entry := range entries { // sorted, so a copy comes before the backup that it replaces
		cleared := false
		switch {
		case entry.Modified.After(c.before):
		case entry.IsDir:
			cleared, err = c.folder(ctx, entry.Name)
		default:
			cleared, err = c.file(ctx, entry.Name)
		}
		if err != nil {
			return err
		}
		if cleared {
			delete(c.there, entry.Name)
		}
	}
	return nil
}

// clearing clears staging/.
type clearing struct {
	owner  *Repository
	before time.Time       // what was written to since then is somebody's
	there  map[string]bool // names in staging/
}

// file removes a file that was to become an entry of the ledger.
func (c *clearing) file(ctx context.Context, name string) (cleared bool, err error) {
	if _, err := backup.ParseLedgerFile(wholeName(name)); err != nil {
		return false, nil
	}
	return unlessHeld(c.owner.remove(ctx, c.owner.at(backup.StagingDir, name)))
}

// folder removes the folder of a backup. It leaves staging/ in one step, so that a swap
// that has come to life finds all of it or nothing; [Repository.Begin] clears away what a
// crash leaves in incoming/.
func (c *clearing) folder(ctx context.Context, name string) (cleared bool, err error) {
	id, err := backup.ParseID(strings.TrimSuffix(name, oldSuffix))
	if err != nil {
		return false, nil
	}
	if needed, err := c.needed(ctx, id, name); err != nil || needed {
		return false, err
	}
	if abandoned, err := c.abandoned(ctx, path.Join(backup.StagingDir, name)); err != nil || !abandoned {
		return false, err
	}
	trash, err := c.owner.throwAway(ctx, path.Join(backup.StagingDir, name), id)
	cleared, err = unlessHeld(err)
	if err != nil || !cleared {
		return false, err
	}
	_, err = c.owner.removeFolder(ctx, c.owner.at(trash))
	return true, err
}

// needed reports whether a folder may be all that is left of a backup, or become that: a
// replaced backup whose copy has not taken its place, and the copy then.
func (c *clearing) needed(ctx context.Context, id backup.ID, name string) (bool, error) {
	copied, replaced := string(id), string(id)+oldSuffix
	if name == replaced && c.there[copied] {
		return true, nil
	}
	if !c.there[replaced] {
		return false, nil
	}
	folder, err := c.owner.locate(ctx, id)
	if err == nil {
		_, err = c.owner.manifest(ctx, folder)
	}
	if fault.CodeOf(err) == fault.BackupNotFound || isStrange(err) || missing(err) {
		return true, nil // what lies there may be somebody else's
	}
	return false, err
}

// abandoned reports whether a folder, which is relative to the instance, holds files of a
// backup only, all of them last written before that time.
func (c *clearing) abandoned(ctx context.Context, folder string) (bool, error) {
	strangers, err := c.owner.store.Strangers(ctx, c.owner.at(folder))
	var entries []share.Info
	if err == nil {
		entries, err = c.owner.store.List(ctx, c.owner.at(folder))
	}
	if missing(err) || isStrange(err) {
		return false, nil
	}
	if err != nil || len(strangers) > 0 {
		return false, err
	}
	return !slices.ContainsFunc(entries, func(entry share.Info) bool {
		return entry.IsDir || entry.Modified.After(c.before) || !isBackupFile(wholeName(entry.Name))
	}), nil
}

// unlessHeld passes over what keeps something from being cleared away now: somebody has
// it open, or was faster. It is no reason to take no backup.
func unlessHeld(err error) (cleared bool, _ error) {
	switch {
	case err == nil:
		return true, nil
	case missing(err), errors.Is(err, fs.ErrExist):
		return false, nil
	}
	switch fault.CodeOf(err) {
	case fault.ShareBusy, fault.ShareAccessDenied:
		return false, nil
	}
	return false, err
}

// wholeName is the name that an upload's file gets when it is whole; others stay as they
// are.
func wholeName(name string) string {
	if part, ok := strings.CutSuffix(name, tempSuffix); ok {
		if dot := strings.LastIndexByte(part, '.'); dot > 0 {
			return part[:dot]
		}
	}
	return name
}

// isBackupFile reports whether the name is one that files in a backup's folder have.
func isBackupFile(name string) bool {
	if isSealed(strings.TrimSuffix(name, backup.NextSuffix)) {
		return true
	}
	return slices.ContainsFunc(backup.Services(), func(s backup.Service) bool { return backup.PartFile(s) == name })
}
