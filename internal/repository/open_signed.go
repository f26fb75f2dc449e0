package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"path"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// OpenSigned is [Repository.Open] for a backup of which nothing is to be used that one
// of allowedSigners has not signed, or a key that they introduced in the ledger. Sums
// and manifest are checked before it returns; key, catalogue and parts are compared with
// the sums as they are read, and end with BACKUP_DAMAGED instead of [io.EOF] when they
// are others. Whether the state that was signed is the newest is for the ledger to say:
// see [Repository.VerifyOne].
//
// BACKUP_FORGED when the sums are not signed by any of them, and BACKUP_DAMAGED or
// REWRAP_UNFINISHED when there are none that belong together, unless another look finds
// that they were being replaced. BACKUP_DAMAGED, too, when the folder's name does not
// fit the manifest: of several folders with the ID, that opens the one that was signed.
func (r *Repository) OpenSigned(ctx context.Context, id backup.ID, allowedSigners []byte) (*Backup, error) {
	names, err := r.ownFolders(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(names) > 1 {
		return r.openOwnSigned(ctx, id, names, allowedSigners)
	}
	return r.openSignedIn(ctx, id, path.Join(backup.BackupsDir, names[0]), allowedSigners)
}

func (r *Repository) openSignedIn(ctx context.Context, id backup.ID, folder string, allowedSigners []byte) (b *Backup, err error) {
	for n := 1; ; n++ {
		b, err = r.openSigned(ctx, id, folder, allowedSigners)
		switch {
		case err == nil || n == maxLooks:
			return b, err
		case fault.CodeOf(err) == fault.BackupForged:
			// A list from before a rotation lacks the key that follows.
			if allowedSigners, err = r.believed(ctx, allowedSigners); err != nil {
				return nil, err
			}
		case fault.CodeOf(err) != fault.BackupDamaged && fault.CodeOf(err) != fault.RewrapUnfinished:
			return nil, err
		}
	}
}

// believed adds the keys to a trusted list that its keys introduced in the ledger.
func (r *Repository) believed(ctx context.Context, trusted []byte) ([]byte, error) {
	l := &look{owner: r, signers: trusted, trusted: true}
	for _, step := range []func(context.Context) error{l.readSigners, l.readLedger} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return l.signers, nil
}

func (r *Repository) openSigned(ctx context.Context, id backup.ID, folder string, allowedSigners []byte) (*Backup, error) {
	v := r.verification(id, folder, VerifyOptions{AllowedSigners: allowedSigners})
	for _, step := range []func(context.Context) error{v.listFolder, v.choosePair} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	sums, err := r.signedFile(ctx, folder, v.sumsName, fault.BackupDamaged)
	if err != nil {
		return nil, err
	}
	signature, err := r.signedFile(ctx, folder, v.signatureName, fault.BackupForged)
	if err != nil {
		return nil, err
	}
	signed, err := checkSums(r.at(folder), sums, signature, allowedSigners)
	if err != nil {
		return nil, err
	}
	m, err := r.signedManifest(ctx, folder, id, signed)
	if err != nil {
		return nil, err
	}
	return &Backup{owner: r, folder: folder, manifest: m, signed: &signed}, nil
}

// signedKeyFile returns the key.age that the sums speak of, which may not have its name
// yet.
func (b *Backup) signedKeyFile(ctx context.Context) ([]byte, error) {
	for _, name := range []string{backup.KeyFile, backup.KeyFile + backup.NextSuffix, backup.KeyFile} {
		data, err := b.small(ctx, name)
		if err != nil && !missing(err) {
			return nil, err
		}
		if err == nil && describe(backup.KeyFile, data).SHA256 == b.signed.of(backup.KeyFile) {
			return data, nil
		}
	}
	return nil, notAsWritten(b.owner.at(b.folder, backup.KeyFile))
}

// vouched hands the bytes of a file on and takes their digest, to compare it with that
// in the signed sums.
type vouched struct {
	where string
	want  backup.File
	*tally
}

// vouch begins to watch over a file that is to be read.
func (b *Backup) vouch(name string) (*vouched, error) {
	where := b.owner.at(b.folder, name)
	for _, file := range b.manifest.Files { // which the sums agree with
		if file.Name == name {
			return &vouched{where: where, want: file, tally: &tally{sum: sha256.New(), limit: file.Size}}, nil
		}
	}
	return nil, fault.Newf(fault.BackupDamaged, "the manifest of %s does not name %s", b.owner.at(b.folder), name)
}

// check compares, when all of the file has passed.
func (v *vouched) check() error {
	if v.n != v.want.Size || v.digest() != v.want.SHA256 {
		return notAsWritten(v.where)
	}
	return nil
}

// vouchedReader is the plain text of a file. It ends only when the file was the one that
// was signed.
type vouchedReader struct {
	plain  io.Reader
	cipher io.Reader // what the plain text is made of
	file   *vouched
}

// Read implements io.Reader.
func (r *vouchedReader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if errors.Is(err, io.EOF) {
		if bad := r.end(); bad != nil {
			err = bad
		}
	}
	return n, err
}

// end reads what may be left of the file, and compares.
func (r *vouchedReader) end() error {
	if _, err := io.Copy(io.Discard, r.cipher); err != nil {
		return err
	}
	return r.file.check()
}
