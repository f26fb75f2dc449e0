package audit

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// checkItems decrypts the whole backup and compares every item with the catalog.
func (v *verification) checkItems(ctx context.Context) error {
	if len(v.opts.Identities) == 0 || v.manifest == nil {
		return nil
	}
	b := v.repo.OpenIn(v.folder, v.manifest)
	keyFile, err := v.files.Read(ctx, v.at(v.keyName), folder.MaxSmall)
	if folder.IsMissing(err) {
		return nil // reported already
	}
	if err != nil {
		return v.damage(ctx, v.keyName, err)
	}
	identity, err := seal.OpenBackupKey(keyFile, v.opts.Identities)
	if err != nil {
		return v.damage(ctx, v.keyName, err)
	}
	entries, stop := iter.Pull2(catalogEntries(ctx, b, identity))
	defer stop()
	walk := &itemWalk{v: v, next: entries}
	if err := walk.advance(); err != nil {
		return v.damage(ctx, backup.CatalogFile, err)
	}
	for _, s := range v.manifest.Services {
		if s.File == "" {
			continue
		}
		if err := walk.part(ctx, b, s, identity); err != nil {
			if err := v.damage(ctx, s.File, err); err != nil {
				return err
			}
			return nil // the rest cannot be matched with the catalog any more
		}
	}
	if walk.more {
		v.find(backup.CatalogFile, "the catalog lists "+walk.entry.ID+", which no part holds")
	}
	return nil
}

// damage turns damage of a file and its denial into a finding and passes other errors on.
// A file that was missing from the beginning is reported already.
func (v *verification) damage(ctx context.Context, name string, err error) error {
	if _, was := v.sizes[name]; !was && folder.IsMissing(err) {
		return nil
	}
	switch fault.CodeOf(err) {
	case fault.BackupDamaged, fault.LimitExceeded, fault.FormatUnknown:
		v.find(name, err.Error())
		return nil
	}
	return v.denied(ctx, name, err)
}

// catalogEntries turns the catalog's callback into a sequence.
func catalogEntries(ctx context.Context, b *repository.Backup, id seal.Identity) iter.Seq2[backup.CatalogEntry, error] {
	return func(yield func(backup.CatalogEntry, error) bool) {
		errStop := errors.New("stop")
		err := b.Catalog(ctx, id, func(e backup.CatalogEntry) error {
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(backup.CatalogEntry{}, err)
		}
	}
}

// itemWalk steps through catalog and parts side by side: both are in the order of
// capture.
type itemWalk struct {
	v     *verification
	next  func() (backup.CatalogEntry, error, bool)
	entry backup.CatalogEntry
	more  bool
}

func (w *itemWalk) advance() error {
	entry, err, ok := w.next()
	w.entry, w.more = entry, ok && err == nil
	return err
}

func (w *itemWalk) part(ctx context.Context, b *repository.Backup, s backup.ServiceResult, id seal.Identity) error {
	stream, err := b.Part(ctx, s.Service, id)
	if err != nil {
		return err
	}
	items := int64(0)
	err = archive.Walk(stream, archive.DefaultLimits(), func(e archive.Entry, body io.Reader) error {
		n, err := w.file(s.Service, e.Path, body)
		items += n
		return err
	})
	if err = errors.Join(err, stream.Close()); err != nil {
		return err
	}
	if items != s.Items {
		w.v.find(s.File, "the part holds another number of items than the manifest records")
	}
	return nil
}

// file compares the items in one tar entry and returns how many new ones it holds.
func (w *itemWalk) file(service backup.Service, path string, body io.Reader) (int64, error) {
	in := bufio.NewReader(body)
	items, position := int64(0), int64(-1)
	for w.more && w.entry.Service == service && w.entry.Path == path {
		e := w.entry
		if position >= 0 {
			if e.Offset < position {
				return items, fault.Newf(fault.BackupDamaged, "the catalog's places overlap at item %s", e.ID)
			}
			if _, err := io.CopyN(io.Discard, in, e.Offset-position); err != nil {
				return items, fault.New(fault.BackupDamaged, "item "+e.ID+" lies outside "+path, err)
			}
		}
		sum := sha256.New()
		if _, err := io.CopyN(sum, in, e.Length); err != nil {
			return items, fault.New(fault.BackupDamaged, "item "+e.ID+" ends early in "+path, err)
		}
		if hex.EncodeToString(sum.Sum(nil)) != e.SHA256 {
			return items, fault.Newf(fault.BackupDamaged, "item %s in %s is not what the catalog records", e.ID, path)
		}
		position = e.Offset + e.Length
		if !e.Supersedes { // counted as the manifest does
			items++
			w.v.verdict.Items++
		}
		if err := w.advance(); err != nil {
			return items, err
		}
	}
	if position < 0 {
		return items, fault.Newf(fault.BackupDamaged, "%s of %s is not in the catalog", path, service)
	}
	return items, nil
}
