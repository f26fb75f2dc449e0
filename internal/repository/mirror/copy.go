package mirror

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
)

// Options tell how a copy reports.
type Options struct {
	// WithoutLedger leaves the ledger behind: the destination has one of its own.
	WithoutLedger bool
	// Until is the last entry of the ledger that is copied, 0 for all: others may be
	// added while the copy goes on.
	Until int64
	// Progress, when not nil, is called as bytes reach the other store and are read
	// back from there. Calls do not overlap.
	Progress func(Progress)
}

// Progress says how far a copy is.
type Progress struct {
	Number, Backups int       // this is backup n of m; both are 0 behind the last one
	BackupID        backup.ID // empty behind the last one
	File            string
	Bytes           int64 // written in whole files so far, by this call
}

// Copied tells what a copy did.
type Copied struct {
	Backups int              // copied by this call
	Skipped int              // there already
	Entries int              // of the ledger, copied by this call
	Bytes   int64            // of their files, and of those beside the backups
	Strange []backup.Finding // entries of backups/ that are no backup's folder and stay behind
	Foreign backup.Foreign   // what is not the product's and stays behind
}

// Copy copies every finished backup to another share, the oldest first, and then the ledger,
// allowed_signers and RECOVERY.txt. Files stay as they are; each is read back at its
// destination and compared with the backup's sums, and a backup gets its place with
// one rename. What is there already, file for file, is left alone, so a call that was
// interrupted is repeated. Nothing at the source is changed, and controller.json and
// unfinished work are not copied. It does not look at signatures: see
// package audit.
//
// BACKUP_DAMAGED names the file when a backup is not what its sums say, at either
// end; REWRAP_UNFINISHED when a backup's key is being replaced; ALREADY_EXISTS when
// another state of a backup or of the ledger is at the destination; BACKUP_FOREIGN when
// to is another instance's; LIMIT_EXCEEDED when there are more backups or entries
// than are read.
func Copy(ctx context.Context, from, to *repository.Repository, opts Options) (Copied, error) {
	if to.Files().Instance() != from.Files().Instance() {
		return Copied{}, fault.Newf(fault.BackupForeign, "%s is not for backups of instance %s", to, from.Files().Instance())
	}
	names, others, err := from.Folders(ctx)
	if err != nil {
		return Copied{}, err
	}
	for _, dir := range []string{backup.BackupsDir, backup.StagingDir, backup.LedgerDir} {
		if err := to.Files().MkdirAll(ctx, to.Files().At(dir)); err != nil {
			return Copied{}, err
		}
	}
	c := &copying{from: from, to: to, opts: opts, out: Copied{Strange: others.Strange, Foreign: from.NameOthers(others)}}
	for i, name := range slices.Backward(names) { // names has the newest first
		c.at = Progress{Number: len(names) - i, Backups: len(names)}
		if err := c.backup(ctx, name); err != nil {
			return c.out, err
		}
	}
	c.at = Progress{}
	if !opts.WithoutLedger {
		if err := c.ledger(ctx); err != nil {
			return c.out, err
		}
	}
	return c.out, c.instanceFiles(ctx)
}

// copying copies one repository to another.
type copying struct {
	from, to *repository.Repository
	opts     Options
	at       Progress
	out      Copied
}

func (c *copying) progress(file string) {
	if c.opts.Progress != nil {
		c.at.File, c.at.Bytes = file, c.out.Bytes
		c.opts.Progress(c.at)
	}
}

// backup copies one backup by way of staging/.
func (c *copying) backup(ctx context.Context, name string) error {
	id, _, err := backup.ParseFolderName(name)
	if err != nil {
		return fault.New(fault.Internal, "copy "+c.from.Files().At(backup.BackupsDir, name), err)
	}
	c.at.BackupID = id
	dir := path.Join(backup.BackupsDir, name)
	files, sealed, err := c.source(ctx, dir)
	if err != nil {
		return err
	}
	info, err := c.to.Files().Stat(ctx, c.to.Files().At(dir))
	if err == nil && info.IsDir {
		return c.compare(ctx, dir, files, sealed)
	}
	if err != nil && !folder.IsMissing(err) {
		return err
	}
	staged := backup.StagingPath(id)
	if err := c.to.Files().MkdirAll(ctx, c.to.Files().At(staged)); err != nil {
		return err
	}
	if err := c.stage(ctx, dir, staged, files, sealed); err != nil {
		return err
	}
	if err := c.to.Files().Move(ctx, staged, dir); err != nil {
		return err
	}
	c.out.Backups++
	return nil
}

// source reads the sums of a backup and makes sure that its folder holds their files.
// Sealed are the sums and their signature.
func (c *copying) source(ctx context.Context, dir string) (files []backup.File, sealed map[string][]byte, err error) {
	sealed = map[string][]byte{}
	for _, name := range []string{backup.SumsFile, backup.SignatureFile} {
		if sealed[name], err = c.from.SumsFile(ctx, dir, name, fault.BackupDamaged); err != nil {
			return nil, nil, err
		}
	}
	files, err = backup.DecodeSums(sealed[backup.SumsFile])
	if err != nil {
		return nil, nil, fault.New(fault.BackupDamaged, c.from.Files().At(dir, backup.SumsFile)+" cannot be understood", err)
	}
	entries, err := c.from.Files().List(ctx, c.from.Files().At(dir))
	if err != nil {
		return nil, nil, err
	}
	missing := repository.SumList(files).Names()
	for _, entry := range entries {
		where := c.from.Files().At(dir, entry.Name)
		switch {
		case missing[entry.Name] && !entry.IsDir:
			delete(missing, entry.Name)
		case strings.HasSuffix(entry.Name, backup.NextSuffix):
			return nil, nil, fault.Newf(fault.RewrapUnfinished, "the key of %s is being replaced", c.from.Files().At(dir))
		case !folder.IsBackupFile(entry.Name) && !foreign.Backup.Resembles(entry.Name, entry.IsDir):
			c.out.Foreign.Add(where)
		default:
			return nil, nil, fault.Newf(fault.BackupDamaged, "%s does not belong to the backup", where)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		return nil, nil, fault.Newf(fault.BackupDamaged, "%s is missing", c.from.Files().At(dir, name))
	}
	return files, sealed, nil
}

// compare makes sure that the backup at the destination is the same.
func (c *copying) compare(ctx context.Context, dir string, files []backup.File, sealed map[string][]byte) error {
	for name, data := range sealed {
		same, err := c.to.Files().Holds(ctx, c.to.Files().At(dir, name), folder.Describe(name, data), nil)
		if err != nil {
			return err
		}
		if !same {
			return fault.Newf(fault.AlreadyExists, "%s is there with another %s", c.to.Files().At(dir), name)
		}
	}
	for _, file := range files {
		name := c.to.Files().At(dir, file.Name)
		got, err := c.to.Files().Digest(ctx, name, func(int64) { c.progress(file.Name) })
		if err != nil {
			return folder.MissingIsDamage(err)
		}
		if got.SHA256 != file.SHA256 {
			return folder.NotAsWritten(name)
		}
	}
	c.out.Skipped++
	return nil
}

// stage makes the folder in staging/ hold exactly the backup.
func (c *copying) stage(ctx context.Context, dir, staged string, files []backup.File, sealed map[string][]byte) error {
	wanted := repository.SumList(files).Names()
	if err := c.clear(ctx, staged, wanted); err != nil {
		return err
	}
	for _, file := range files {
		if err := c.file(ctx, dir, staged, file); err != nil {
			return err
		}
	}
	for name, data := range sealed {
		if err := c.deliver(ctx, staged, folder.Describe(name, data), bytes.NewReader(data)); err != nil {
			return err
		}
	}
	_, err := c.to.Files().Tidy(ctx, staged, wanted)
	return err
}

// clear removes what an earlier attempt left in staging/ of another state of the
// backup.
func (c *copying) clear(ctx context.Context, staged string, wanted map[string]bool) error {
	entries, err := c.to.Files().List(ctx, c.to.Files().At(staged))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if wanted[entry.Name] || !folder.IsOwnFile(entry) {
			continue
		}
		if err := c.to.Files().ClearPlace(ctx, c.to.Files().At(staged, entry.Name)); err != nil {
			return err
		}
	}
	return nil
}

// file copies a file of a backup. When the destination gives back other bytes than
// the sums say, it is the source that is asked who changed them.
func (c *copying) file(ctx context.Context, dir, staged string, file backup.File) (err error) {
	name := c.from.Files().At(dir, file.Name)
	src, err := c.from.Files().Open(ctx, name)
	if err != nil {
		return folder.MissingIsDamage(err)
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	file.Size = src.Size()
	err = c.deliver(ctx, staged, file, src)
	if fault.CodeOf(err) != fault.ShareCorrupted {
		return err
	}
	got, lookErr := c.from.Files().Digest(ctx, name, func(int64) { c.progress(file.Name) })
	if lookErr == nil && got.SHA256 != file.SHA256 {
		return folder.NotAsWritten(name)
	}
	return errors.Join(err, lookErr)
}

// deliver writes one file into a folder at the destination and counts it.
func (c *copying) deliver(ctx context.Context, dir string, file backup.File, src io.ReaderAt) error {
	err := c.to.Files().Deliver(ctx, dir, file, src, folder.UploadOptions{
		Token:    folder.ContentToken(file),
		Flushed:  func(int64) error { c.progress(file.Name); return nil },
		ReadBack: func(int64) { c.progress(file.Name) },
	})
	if err == nil {
		c.out.Bytes += file.Size
	}
	return err
}

// ledger copies the entries of the ledger in their order, so that what is at the
// destination is always the beginning of the chain.
func (c *copying) ledger(ctx context.Context) error {
	entries, err := c.from.Files().List(ctx, c.from.Files().At(backup.LedgerDir))
	if folder.IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		n, err := backup.ParseLedgerFile(entry.Name)
		if err != nil || entry.IsDir || c.opts.Until > 0 && n > c.opts.Until {
			continue // nothing that a reader of the ledger looks at, or too new
		}
		if err := c.entry(ctx, entry.Name); err != nil {
			return err
		}
	}
	return nil
}

// entry copies one entry by way of staging/, so that no reader of the ledger sees a
// half. One that is there already is never replaced.
func (c *copying) entry(ctx context.Context, name string) error {
	data, err := c.from.Files().Read(ctx, c.from.Files().At(backup.LedgerDir, name), backup.MaxLedgerEntryBytes)
	if err != nil {
		return err
	}
	final, file := c.to.Files().At(backup.LedgerDir, name), folder.Describe(name, data)
	if same, err := c.to.Files().Holds(ctx, final, file, nil); err != nil || same {
		return err
	}
	if err := c.deliver(ctx, backup.StagingDir, file, bytes.NewReader(data)); err != nil {
		return err
	}
	staged := c.to.Files().At(backup.StagingDir, name)
	renameErr := c.to.Files().Rename(ctx, staged, final)
	if renameErr == nil {
		c.out.Entries++
		return nil
	}
	same, err := c.to.Files().Holds(ctx, final, file, nil)
	switch {
	case err == nil && same: // the reply was lost
		c.out.Entries++
		return nil
	case errors.Is(renameErr, fs.ErrExist):
		exists := fault.New(fault.AlreadyExists, final+" is there and is another entry", renameErr)
		return errors.Join(exists, c.to.Files().Remove(ctx, staged))
	}
	return renameErr
}

// instanceFiles copies what lies beside the backups and belongs to them.
func (c *copying) instanceFiles(ctx context.Context) error {
	for _, name := range []string{backup.AllowedSignersFile, backup.RecoveryFile} {
		data, err := c.from.Files().Read(ctx, c.from.Files().At(name), folder.MaxSmall)
		if folder.IsMissing(err) {
			continue // the next backup writes it again
		}
		if err != nil {
			return err
		}
		if err := c.beside(ctx, folder.Describe(name, data), data); err != nil {
			return err
		}
	}
	return nil
}

// beside writes a file of the instance, unless it is there already.
func (c *copying) beside(ctx context.Context, file backup.File, data []byte) error {
	name := c.to.Files().At(file.Name)
	if same, err := c.to.Files().Holds(ctx, name, file, nil); err != nil || same {
		return err
	}
	if err := c.to.Files().Write(ctx, name, data); err != nil {
		return err
	}
	same, err := c.to.Files().Holds(ctx, name, file, nil)
	if err != nil {
		return err
	}
	if !same {
		return fault.Newf(fault.ShareCorrupted, "%s gave back other bytes than were written", name)
	}
	c.out.Bytes += file.Size
	c.progress(file.Name)
	return nil
}
