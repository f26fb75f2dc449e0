package repository

import (
	"context"
	"path"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/ledger"
)

// Open finds a backup and reads its manifest; it does not verify. BACKUP_NOT_FOUND
// when there is none, BACKUP_DAMAGED when its manifest cannot be read.
func (r *Repository) Open(ctx context.Context, ref backup.Ref) (*Backup, error) {
	dir, err := r.locate(ctx, ref)
	if err != nil {
		return nil, err
	}
	m, err := r.manifest(ctx, dir)
	if err != nil {
		return nil, err
	}
	return r.OpenIn(dir, m), nil
}

// OpenIn is the backup in a folder, which is relative to the instance, with a manifest that
// the caller has read there.
func (r *Repository) OpenIn(dir string, m *backup.Manifest) *Backup {
	return &Backup{owner: r, folder: dir, manifest: m}
}

// OpenSigned is [Repository.Open] for a backup of which nothing is to be used that one
// of allowedSigners has not signed, or a key that they introduced in the ledger. Sums
// and manifest are checked before it returns; key, catalog and parts are compared with
// the sums as they are read, and end with BACKUP_DAMAGED instead of [io.EOF] when they
// are others. Whether the state that was signed is the newest is for the ledger to say:
// see package audit.
//
// BACKUP_FORGED when the sums are not signed by any of them, and BACKUP_DAMAGED or
// REWRAP_UNFINISHED when there are none that belong together, unless another look finds
// that they were being replaced. BACKUP_DAMAGED, too, when the folder's name does not
// fit the manifest: of several folders with the ID, that opens the one that was signed.
func (r *Repository) OpenSigned(ctx context.Context, ref backup.Ref, allowedSigners []byte) (*Backup, error) {
	names, err := r.foldersOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	if len(names) > 1 {
		return r.openOwnSigned(ctx, ref.ID, names, allowedSigners)
	}
	return r.openSignedIn(ctx, ref.ID, path.Join(backup.BackupsDir, names[0]), allowedSigners)
}

func (r *Repository) openSignedIn(ctx context.Context, id backup.ID, dir string, allowedSigners []byte) (b *Backup, err error) {
	err = folder.UntilStable(func(last bool) (done bool, err error) {
		b, err = r.openSigned(ctx, id, dir, allowedSigners)
		switch code := fault.CodeOf(err); {
		case err == nil || last:
			return true, err
		case code == fault.BackupForged:
			// A list from before a rotation lacks the key that follows.
			read, err := r.Ledger().ReadWith(ctx, ledger.Keys{Signers: allowedSigners, Trusted: true}, backup.LedgerHead{})
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

// openOwnSigned is openSigned for a backup with several folders: what was signed fits one
// of them only.
func (r *Repository) openOwnSigned(ctx context.Context, id backup.ID, names []string, allowedSigners []byte) (*Backup, error) {
	for _, name := range names {
		b, err := r.openSignedIn(ctx, id, path.Join(backup.BackupsDir, name), allowedSigners)
		switch code := fault.CodeOf(err); {
		case err == nil:
			return b, nil
		case code != fault.BackupForged && code != fault.RewrapUnfinished && !folder.IsUnusable(err) && !folder.IsMissing(err):
			return nil, err
		}
	}
	return nil, r.ambiguous(id, names)
}

// NewestKey returns the key.age of the state of a backup that has a SHA256SUMS with that
// digest: both may still have the names under which a replacement of the key wrote them.
// Replacing the key with it finishes such a replacement, and removes what lies
// beside a backup that needs none. BACKUP_DAMAGED when the folder does not hold it.
func (r *Repository) NewestKey(ctx context.Context, id backup.ID, sums string) ([]byte, error) {
	dir, err := r.Locate(ctx, id)
	if err != nil {
		return nil, err
	}
	want := sums
	var data []byte
	for _, name := range []string{backup.SumsFile, backup.KeyFile} {
		if data, err = r.either(ctx, dir, name, want); err != nil {
			return nil, err
		}
		if name == backup.SumsFile {
			files, err := backup.DecodeSums(data)
			if err != nil {
				return nil, fault.New(fault.BackupDamaged, "the sums of "+r.files.At(dir)+" cannot be understood", err)
			}
			want = SumList(files).Of(backup.KeyFile)
		}
	}
	return data, nil
}
