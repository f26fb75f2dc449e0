package repository

import (
	"context"
	"path"
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/share"
)

// abandonedAfter is how long nothing changes in staging/ before it is nobody's: a key is
// revoked and backups are copied for hours, and each file is written in that time.
const abandonedAfter = 7 * 24 * time.Hour

// clearStaging removes what somebody put into staging/ and gave up: copies of backups
// that nothing has been written to for [abandonedAfter], and backups that were replaced
// and not removed. Now is the share's own time. What is not this product's work stays,
// and so does a backup that is in staging/ only, for rekey.Swap or for a person to
// put back.
//
// Entries are what is in staging/, nil to look.
func clearStaging(ctx context.Context, r *Repository, entries []share.Info, now time.Time) (err error) {
	if entries == nil {
		entries, err = r.files.List(ctx, r.files.At(backup.StagingDir))
	}
	if folder.IsMissing(err) || folder.IsUnusable(err) {
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
	if _, err := backup.ParseLedgerFile(folder.WholeName(name)); err != nil {
		return false, nil
	}
	return folder.UnlessHeld(c.owner.files.Remove(ctx, c.owner.files.At(backup.StagingDir, name)))
}

// folder removes the folder of a backup, a copy or one that was exchanged for it. It leaves staging/ in one step, so that a swap
// that has come to life finds all of it or nothing; [Repository.Begin] clears away what a
// crash leaves in incoming/.
func (c *clearing) folder(ctx context.Context, name string) (cleared bool, err error) {
	id, err := backup.ParseID(strings.TrimSuffix(name, backup.OldSuffix))
	if err != nil {
		return false, nil
	}
	if needed, err := c.needed(ctx, id, name); err != nil || needed {
		return false, err
	}
	if abandoned, err := c.abandoned(ctx, path.Join(backup.StagingDir, name)); err != nil || !abandoned {
		return false, err
	}
	trash, err := c.owner.files.ThrowAway(ctx, path.Join(backup.StagingDir, name), id)
	cleared, err = folder.UnlessHeld(err)
	if err != nil || !cleared {
		return false, err
	}
	_, err = c.owner.files.RemoveAll(ctx, c.owner.files.At(trash))
	return true, err
}

// needed reports whether a folder may be all that is left of a backup, or become that: a
// replaced backup whose copy has not taken its place, and the copy then.
func (c *clearing) needed(ctx context.Context, id backup.ID, name string) (bool, error) {
	copied, replaced := string(id), string(id)+backup.OldSuffix
	if name == replaced && c.there[copied] {
		return true, nil
	}
	if !c.there[replaced] {
		return false, nil
	}
	dir, err := c.owner.Locate(ctx, id)
	if err == nil {
		_, err = c.owner.manifest(ctx, dir)
	}
	if fault.CodeOf(err) == fault.BackupNotFound || folder.IsUnusable(err) || folder.IsMissing(err) {
		return true, nil // what lies there may be somebody else's
	}
	return false, err
}

// abandoned reports whether a folder, which is relative to the instance, holds files of a
// backup only, all of them last written before that time.
func (c *clearing) abandoned(ctx context.Context, dir string) (bool, error) {
	strangers, err := c.owner.files.Strangers(ctx, c.owner.files.At(dir))
	var entries []share.Info
	if err == nil {
		entries, err = c.owner.files.List(ctx, c.owner.files.At(dir))
	}
	if folder.IsMissing(err) || folder.IsUnusable(err) {
		return false, nil
	}
	if err != nil || len(strangers) > 0 {
		return false, err
	}
	return !slices.ContainsFunc(entries, func(entry share.Info) bool {
		return entry.IsDir || entry.Modified.After(c.before) || !folder.IsBackupFile(folder.WholeName(entry.Name))
	}), nil
}
