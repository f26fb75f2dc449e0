package repository

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

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

// readFile hands the bytes of a file on and takes their digest, to compare it with that
// in the signed sums.
type readFile struct {
	where string
	want  backup.File
	*folder.Tally
}

// watched begins to watch over a file that is to be read.
func (b *Backup) watched(name string) (*readFile, error) {
	where := b.owner.files.At(b.folder, name)
	for _, file := range b.manifest.Files { // which the sums agree with
		if file.Name == name {
			return &readFile{where: where, want: file, Tally: &folder.Tally{Sum: sha256.New(), Limit: file.Size}}, nil
		}
	}
	return nil, fault.Newf(fault.BackupDamaged, "the manifest of %s does not name %s", b.owner.files.At(b.folder), name)
}

// check compares, when all of the file has passed.
func (v *readFile) check() error {
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
	file   *readFile
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
