package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// OpenSigned is [Repository.Open] for a backup of which nothing is to be used that one
// of allowedSigners has not signed, or a key that they introduced in the ledger. Sums
// and manifest are checked before it returns; key, catalogue and parts are compared with
// the sums as they are read, and end with BACKUP_DAMAGED instead of [io.EOF] when they
// are others. Whether the state that was signed is the newest is for the ledger to say:
// see package audit.
//
// BACKUP_FORGED when the sums are not signed by any of them, and BACKUP_DAMAGED or
// REWRAP_UNFINISHED when there are none that belong together, unless another look finds
// that they were being replaced. BACKUP_DAMAGED, too, when the folder's name does not
// fit the manifest: of several folders with the ID, that opens the one that was signed.
func (r *Repository) OpenSigned(ctx context.Context, id backup.ID, allowedSigners []byte) (*Backup, error) {
	names, err := r.FoldersOf(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(names) > 1 {
		return r.openOwnSigned(ctx, id, names, allowedSigners)
	}
	return r.openSignedIn(ctx, id, path.Join(backup.BackupsDir, names[0]), allowedSigners)
}

func (r *Repository) openSignedIn(ctx context.Context, id backup.ID, dir string, allowedSigners []byte) (b *Backup, err error) {
	err = folder.UntilStable(func(last bool) (done bool, err error) {
		b, err = r.openSigned(ctx, id, dir, allowedSigners)
		switch code := fault.CodeOf(err); {
		case err == nil || last:
			return true, err
		case code == fault.BackupForged:
			// A list from before a rotation lacks the key that follows.
			read, err := r.Ledger().ReadWith(ctx, allowedSigners, true, backup.LedgerHead{})
			allowedSigners = read.Signers
			return false, err
		case code != fault.BackupDamaged && code != fault.RewrapUnfinished:
			return false, err
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (r *Repository) openSigned(ctx context.Context, id backup.ID, dir string, allowedSigners []byte) (*Backup, error) {
	entries, err := r.files.List(ctx, r.files.At(dir))
	if err != nil {
		return nil, err
	}
	sumsName, signatureName := backup.SumsFile, backup.SignatureFile
	if slices.ContainsFunc(entries, IsPending) {
		if sumsName, signatureName, err = r.Pair(ctx, dir, allowedSigners); err != nil {
			return nil, err
		}
	}
	sums, err := r.SumsFile(ctx, dir, sumsName, fault.BackupDamaged)
	if err != nil {
		return nil, err
	}
	signature, err := r.SumsFile(ctx, dir, signatureName, fault.BackupForged)
	if err != nil {
		return nil, err
	}
	signed, err := CheckSums(r.files.At(dir), sums, signature, allowedSigners)
	if err != nil {
		return nil, err
	}
	m, err := r.ManifestIn(ctx, dir, id, signed)
	if err != nil {
		return nil, err
	}
	return &Backup{owner: r, folder: dir, manifest: m, signed: &signed}, nil
}

// signedKeyFile returns the key.age that the sums speak of, which may not have its name
// yet.
func (b *Backup) signedKeyFile(ctx context.Context) ([]byte, error) {
	want := b.signed.Of(backup.KeyFile)
	data, err := b.owner.firstOf(ctx, b.folder, backup.KeyFile, placedFirst, folder.IsMissing, func(data []byte) bool {
		return folder.Describe(backup.KeyFile, data).SHA256 == want
	})
	if err != nil && !folder.IsMissing(err) || data != nil {
		return data, err
	}
	return nil, folder.NotAsWritten(b.owner.files.At(b.folder, backup.KeyFile))
}

// verified hands the bytes of a file on and takes their digest, to compare it with that
// in the signed sums.
type verified struct {
	where string
	want  backup.File
	*folder.Tally
}

// verified begins to watch over a file that is to be read.
func (b *Backup) verified(name string) (*verified, error) {
	where := b.owner.files.At(b.folder, name)
	for _, file := range b.manifest.Files { // which the sums agree with
		if file.Name == name {
			return &verified{where: where, want: file, Tally: &folder.Tally{Sum: sha256.New(), Limit: file.Size}}, nil
		}
	}
	return nil, fault.Newf(fault.BackupDamaged, "the manifest of %s does not name %s", b.owner.files.At(b.folder), name)
}

// check compares, when all of the file has passed.
func (v *verified) check() error {
	if v.N != v.want.Size || v.Digest() != v.want.SHA256 {
		return folder.NotAsWritten(v.where)
	}
	return nil
}

// verifiedReader is the plain text of a file. It ends only when the file was the one that
// was signed.
type verifiedReader struct {
	plain  io.Reader
	cipher io.Reader // what the plain text is made of
	file   *verified
}

// Read implements io.Reader.
func (r *verifiedReader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if errors.Is(err, io.EOF) {
		if bad := r.end(); bad != nil {
			err = bad
		}
	}
	return n, err
}

// end reads what may be left of the file, and compares.
func (r *verifiedReader) end() error {
	if _, err := io.Copy(io.Discard, r.cipher); err != nil {
		return err
	}
	return r.file.check()
}
