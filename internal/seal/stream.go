package seal

import (
	"errors"
	"io"
	"strings"

	"filippo.io/age"

	"infrabackup/internal/fault"
	"infrabackup/internal/upstream"
)

// Encrypt starts an age file on w for one recipient, usually a backup key's. The
// caller closes what it returns, which does not close w; without that Close the file
// is damaged by design. KEY_INVALID when recipientText is none; errors of w are
// passed on.
func Encrypt(w io.Writer, recipientText string) (io.WriteCloser, error) {
	r, err := ParseRecipient(recipientText)
	if err != nil {
		return nil, err
	}
	return age.Encrypt(w, r.recipient)
}

// Decrypt reads an age file. KEY_DOES_NOT_FIT when id is not its recipient,
// BACKUP_DAMAGED, at once or while reading, when the file is malformed, changed or
// cut short. What was read before an error is authentic, but incomplete. Errors of
// r are returned as they are.
func Decrypt(r io.Reader, id Identity) (io.Reader, error) {
	src := upstream.NewReader(r)
	plain, err := decrypt(src, []Identity{id})
	if err != nil {
		return nil, src.Or(openError("the file", err))
	}
	return &decryptReader{plain: plain, src: src}, nil
}

// DecryptReaderAt is [Decrypt] for random access to a file of the given size. It
// returns the plain text and its size, which is authenticated before it returns. The
// ReaderAt may be used concurrently when r may.
func DecryptReaderAt(r io.ReaderAt, size int64, id Identity) (io.ReaderAt, int64, error) {
	if id.identity == nil {
		return nil, 0, openError("the file", errNoIdentity)
	}
	plain, n, err := age.DecryptReaderAt(sourceAt{r}, size, id.identity)
	if err != nil {
		return nil, 0, openError("the file", err)
	}
	return decryptReaderAt{plain}, n, nil
}

var errNoIdentity = errors.New("no identity was given")

func decrypt(r io.Reader, ids []Identity) (io.Reader, error) {
	keys := make([]age.Identity, 0, len(ids))
	for _, id := range ids {
		if id.identity != nil {
			keys = append(keys, id.identity)
		}
	}
	if len(keys) == 0 {
		return nil, errNoIdentity
	}
	return age.Decrypt(r, keys...)
}

// openError says why an age file could not be opened.
func openError(name string, err error) error {
	var below *sourceError
	var noMatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &below):
		return below.err
	case errors.Is(err, errNoIdentity):
		return fault.New(fault.KeyDoesNotFit, "cannot open "+name, err)
	case errors.As(err, &noMatch):
		kinds := make([]string, 0, len(noMatch.StanzaTypes))
		for _, kind := range noMatch.StanzaTypes[:min(len(noMatch.StanzaTypes), 5)] {
			kinds = append(kinds, shown(kind))
		}
		return fault.Newf(fault.KeyDoesNotFit, "no key that was given opens %s; it is encrypted to %d recipients (%s)",
			name, len(noMatch.StanzaTypes), strings.Join(kinds, ", "))
	default:
		return fault.New(fault.BackupDamaged, "cannot open "+name, err)
	}
}

type decryptReader struct {
	plain io.Reader
	src   *upstream.Reader
}

func (d *decryptReader) Read(p []byte) (int, error) {
	n, err := d.plain.Read(p)
	if err != nil && err != io.EOF {
		err = d.src.Or(fault.New(fault.BackupDamaged, "the encrypted file was changed or cut short", err))
	}
	return n, err
}

// sourceError marks an error of the reader below age.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

type sourceAt struct{ r io.ReaderAt }

func (s sourceAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

type decryptReaderAt struct{ plain io.ReaderAt }

func (d decryptReaderAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.plain.ReadAt(p, off)
	if err == nil || err == io.EOF {
		return n, err
	}
	var below *sourceError
	if errors.As(err, &below) {
		return n, below.err
	}
	return n, fault.New(fault.BackupDamaged, "the encrypted file was changed or cut short", err)
}
