package repository

import (
	"bytes"
	"context"
	"errors"
	"io"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
)

// maxItem bounds an item that is read into memory.
const maxItem = 1 << 30

// Backup is one finished backup, opened for reading.
type Backup struct {
	owner    *Repository
	folder   string // relative to the instance
	manifest *backup.Manifest
	signed   *Sums // that everything is compared with, nil to rely on age alone
}

// Manifest returns the backup's public facts.
func (b *Backup) Manifest() *backup.Manifest { return b.manifest }

// Path is the backup's folder relative to the share's path.
func (b *Backup) Path() string { return b.owner.files.At(b.folder) }

// Overview is the backup as lists show it.
func (b *Backup) Overview() backup.Overview { return b.manifest.Overview(b.Path()) }

// KeyFile returns key.age: the backup key, wrapped to the operator's recipients. While
// it is being replaced, this is the new one, which has its name a moment later.
func (b *Backup) KeyFile(ctx context.Context) ([]byte, error) {
	if b.signed != nil {
		return b.signedKeyFile(ctx)
	}
	return b.owner.firstOf(ctx, b.folder, backup.KeyFile, placedFirst, folder.IsMissing, func([]byte) bool { return true })
}

// Catalog calls fn for every item, in the order of capture. Id is the backup's own
// identity, from [seal.OpenBackupKey].
func (b *Backup) Catalog(ctx context.Context, id seal.Identity, fn func(backup.CatalogEntry) error) error {
	stream, err := b.decrypted(ctx, backup.CatalogFile, id)
	if err != nil {
		return err
	}
	return errors.Join(archive.ReadCatalog(stream, fn), stream.Close())
}

// Part streams the decrypted zstd stream of a service's part, for archive.Walk and
// archive.Extract. The caller closes it. ITEM_NOT_FOUND when the backup has no such
// part.
func (b *Backup) Part(ctx context.Context, service backup.Service, id seal.Identity) (io.ReadCloser, error) {
	result, err := b.service(service)
	if err != nil {
		return nil, err
	}
	return b.decrypted(ctx, result.File, id)
}

func (b *Backup) service(service backup.Service) (backup.ServiceResult, error) {
	for _, s := range b.manifest.Services {
		if s.Service != service {
			continue
		}
		if s.File == "" {
			return s, fault.Newf(fault.ItemNotFound, "backup %s has no part of %s: %s %s", b.manifest.BackupID, service, s.Code, s.Message)
		}
		return s, nil
	}
	return backup.ServiceResult{}, fault.Newf(fault.ItemNotFound, "backup %s has no part of %s", b.manifest.BackupID, service)
}

// Item reads one item and checks its digest, without reading the rest of its part. The
// entry is one of [Backup.Catalog], after that has ended well: so the item is vouched
// for by whatever vouches for the catalog.
func (b *Backup) Item(ctx context.Context, entry backup.CatalogEntry, id seal.Identity) (data []byte, err error) {
	items, err := b.Items(ctx, entry.Service, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, items.Close()) }()
	return items.Item(entry)
}

// Items opens a part for reading many items as [Backup.Item] reads one. The caller closes it.
func (b *Backup) Items(ctx context.Context, service backup.Service, id seal.Identity) (*Items, error) {
	result, err := b.service(service)
	if err != nil {
		return nil, err
	}
	file, err := b.owner.files.Open(ctx, b.owner.files.At(b.folder, result.File))
	if err != nil {
		return nil, err
	}
	reader, err := itemReader(file, id)
	if err != nil {
		_ = file.Close() // nothing was read
		return nil, err
	}
	return &Items{Reader: reader, file: file}, nil
}

func itemReader(file share.File, id seal.Identity) (*archive.Reader, error) {
	plain, size, err := seal.DecryptReaderAt(file, file.Size(), id)
	if err != nil {
		return nil, err
	}
	return archive.NewReader(plain, size)
}

// Items reads single items of a part. It is used from one goroutine.
type Items struct {
	*archive.Reader
	file share.File
}

// Item reads one item, as [Backup.Item] does. Items that are read in the order of the catalog
// share what is read and decoded.
func (i *Items) Item(entry backup.CatalogEntry) ([]byte, error) {
	if entry.Length < 0 || entry.Length > maxItem {
		return nil, fault.Newf(fault.LimitExceeded, "item %s has %d bytes, at most %d are read at once", entry.ID, entry.Length, maxItem)
	}
	var out bytes.Buffer
	err := i.ReadItem(entry, &out)
	return out.Bytes(), err
}

// Close frees what the reader holds, and closes the file.
func (i *Items) Close() error {
	err := i.Reader.Close()
	_ = i.file.Close() // only read
	return err
}

// ManifestSHA256 is the digest of the backup's manifest.json, which names those of all its
// other files.
func (b *Backup) ManifestSHA256(ctx context.Context) (string, error) {
	if b.signed != nil {
		return b.signed.Of(backup.ManifestFile), nil
	}
	_, text, err := b.owner.manifestAndText(ctx, b.folder)
	if err != nil {
		return "", err
	}
	return folder.Describe(backup.ManifestFile, text).SHA256, nil
}

// Signed reports whether a trusted key signed the backup, as [Repository.OpenSigned] makes
// sure.
func (b *Backup) Signed() bool { return b.signed != nil }

// decrypted streams a file of the backup through age.
func (b *Backup) decrypted(ctx context.Context, name string, id seal.Identity) (io.ReadCloser, error) {
	if b.signed == nil {
		return b.Watched(ctx, name, id, io.Discard)
	}
	file, err := b.watched(name)
	if err != nil {
		return nil, err
	}
	pipe, stop := b.download(ctx, name, file)
	read := &verifiedReader{cipher: pipe, file: file}
	if read.plain, err = seal.Decrypt(pipe, id); err != nil {
		if bad := read.end(); bad != nil {
			err = bad // what cannot be opened is not what was signed
		}
		return nil, errors.Join(folder.MissingIsDamage(err), stop())
	}
	return &stream{Reader: read, stop: stop}, nil
}

// Watched streams a decrypted file of the backup, and hands every byte to cipher before it is decrypted.
func (b *Backup) Watched(ctx context.Context, name string, id seal.Identity, cipher io.Writer) (io.ReadCloser, error) {
	pipe, stop := b.download(ctx, name, cipher)
	plain, err := seal.Decrypt(pipe, id)
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return &stream{Reader: plain, stop: stop}, nil
}

// download streams a file of the backup as it lies on the share, and hands every byte to
// cipher before. The caller stops it.
func (b *Backup) download(ctx context.Context, name string, cipher io.Writer) (*io.PipeReader, func() error) {
	ctx, cancel := context.WithCancel(ctx)
	pr, pw := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err := b.owner.files.Download(ctx, b.owner.files.At(b.folder, name), 0, io.MultiWriter(cipher, pw))
		pw.CloseWithError(err) // nil becomes io.EOF
	}()
	return pr, func() error {
		cancel()
		err := pr.Close()
		<-done
		return err
	}
}

// stream is a reader whose Close ends the download behind it.
type stream struct {
	io.Reader
	stop func() error
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.stop() }
