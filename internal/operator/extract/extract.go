package extract

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
)

// Request says what is taken out of a backup.
type Request struct {
	Service backup.Service // empty for all
	Item    string         // ID of the only item; empty for all, needs Service
	LDIF    bool           // as LDIF, for AD
	Subtree bool           // with Item and LDIF: everything below the object, too
}

// wanted reports whether the catalog's entry was asked for.
func (r Request) wanted(e backup.CatalogEntry) bool {
	return (r.Service == "" || e.Service == r.Service) && (r.Item == "" || e.ID == r.Item)
}

// Notes are called for what an operator should know of besides. None may be nil.
type Notes struct {
	// NoPart: the backup has nothing of a service that was asked for.
	NoPart func(s backup.ServiceResult)
	// Inexact: the file system cannot keep when a file was changed, and has now.
	Inexact func(path string, changed, now time.Time)
	// Damaged: so many files in a folder come from a part that is damaged.
	Damaged func(files int64, folder string)
}

// Folder is where things are extracted to. Called is what messages call it.
type Folder struct {
	*os.Root
	Called string
}

// Unlock opens a backup's own key with the operator's.
func Unlock(ctx context.Context, b *repository.Backup, operator []seal.Identity) (seal.Identity, error) {
	keyFile, err := b.KeyFile(ctx)
	if err != nil {
		return seal.Identity{}, err
	}
	return seal.OpenBackupKey(keyFile, operator)
}

// Extraction takes things out of one backup.
type Extraction struct {
	request Request
	backup  *repository.Backup
	key     seal.Identity
	notes   Notes
	to      Folder
	files   int64
	inexact int64 // files whose time the file system cannot keep
}

// New makes one. Key is that of the backup, see [Unlock].
func New(b *repository.Backup, key seal.Identity, r Request, notes Notes) *Extraction {
	return &Extraction{request: r, backup: b, key: key, notes: notes}
}

// maxTimeNotes bounds how many files whose time is not kept are named.
const maxTimeNotes = 20

// List gives the items that were asked for as they come, so that memory does not grow with
// the backup. ITEM_NOT_FOUND when the only one is not there.
func (x *Extraction) List(ctx context.Context, fn func(backup.CatalogEntry) error) error {
	listed := false
	err := x.backup.Catalog(ctx, x.key, func(e backup.CatalogEntry) error {
		if !x.request.wanted(e) {
			return nil
		}
		listed = true
		return fn(e)
	})
	if err == nil && !listed {
		err = x.noItem()
	}
	return err
}

// noItem is the fault of an item that was asked for and not found, nil when none was.
func (x *Extraction) noItem() error {
	if x.request.Item == "" {
		return nil
	}
	return fault.Newf(fault.ItemNotFound, "backup %s has no item %s of %s", x.backup.Manifest().BackupID, printable.Short(printable.Text(x.request.Item)), x.request.Service)
}

// Run writes what was asked for, and returns how many files that made. Existing files are
// never overwritten.
func (x *Extraction) Run(ctx context.Context, to Folder) (files int64, err error) {
	x.to = to
	switch {
	case x.request.Item != "":
		err = x.extractItem(ctx)
	case x.request.LDIF:
		err = x.extractLDIF(ctx)
	default:
		err = x.extractParts(ctx)
	}
	return x.files, err
}

// extractParts extracts whole parts.
func (x *Extraction) extractParts(ctx context.Context) error {
	for _, s := range x.backup.Manifest().Services {
		if x.request.Service != "" && s.Service != x.request.Service {
			continue
		}
		if s.File == "" {
			x.notes.NoPart(s)
			if x.request.Service != "" {
				return fault.Newf(fault.ItemNotFound, "backup %s has no part of %s", x.backup.Manifest().BackupID, s.Service)
			}
			continue
		}
		if err := x.extractPart(ctx, s); err != nil {
			return err
		}
	}
	if x.files == 0 && x.request.Service != "" {
		return fault.Newf(fault.ItemNotFound, "backup %s has no part of %s", x.backup.Manifest().BackupID, x.request.Service)
	}
	return nil
}

func (x *Extraction) extractPart(ctx context.Context, s backup.ServiceResult) (err error) {
	folder := string(s.Service)
	if err := x.to.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fault.New(fault.Usage, folder+" cannot be created in "+x.to.Called, err)
	}
	sub, err := x.to.OpenRoot(folder)
	if err != nil {
		return fault.New(fault.Usage, folder+" cannot be opened in "+x.to.Called, err)
	}
	defer func() { err = errors.Join(err, sub.Close()) }()
	part, err := x.backup.Part(ctx, s.Service, x.key)
	if err != nil {
		return err
	}
	limits := archive.DefaultLimits()
	limits.TotalBytes = s.PlainBytes
	n, err := archive.ExtractNoting(part, sub, limits, nil, func(e archive.Entry, now time.Time) {
		if x.inexact++; x.inexact <= maxTimeNotes {
			x.notes.Inexact(e.Path, e.ModTime, now)
		}
	})
	x.files += n
	if n > 0 && fault.CodeOf(err) == fault.BackupDamaged {
		x.notes.Damaged(n, folder)
	}
	return errors.Join(err, part.Close())
}

// extractItem reads one item, and no more of its part than its frames.
func (x *Extraction) extractItem(ctx context.Context) error {
	var found *backup.CatalogEntry
	err := x.backup.Catalog(ctx, x.key, func(e backup.CatalogEntry) error {
		if x.request.wanted(e) {
			found = &e // a later one supersedes
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return x.noItem()
	}
	data, err := x.backup.Item(ctx, *found, x.key)
	if err != nil {
		return err
	}
	name := itemFile(*found)
	if x.request.LDIF && found.Kind == record.Kind {
		object, err := record.Decode(data)
		if err != nil {
			return fault.New(fault.BackupDamaged, "item "+found.ID+" cannot be read", err)
		}
		return x.extractItemLDIF(ctx, name, object)
	}
	return x.write(name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// itemFile names the file for an item.
func itemFile(e backup.CatalogEntry) string {
	name := []byte(e.Kind + "-" + e.ID)
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			name[i] = '_'
		}
	}
	return string(name[:min(len(name), 200)])
}

// write makes a new file and removes it when it cannot be completed.
func (x *Extraction) write(name string, fill func(io.Writer) error) error {
	f, err := x.to.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fault.Newf(fault.AlreadyExists, "%s exists in %s, and is not overwritten", name, x.to.Name())
	}
	if err != nil {
		return fault.New(fault.Usage, name+" cannot be created in "+x.to.Called, err)
	}
	err = fill(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, x.to.Remove(name))
	}
	x.files++
	return nil
}
