package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"infrabackup/internal/fault"
)

// maxKeyFile bounds key.age: sixteen recipients of the largest kind fit many times.
const maxKeyFile = 256 << 10

// BackupKey is the key pair of one backup. Its identity leaves it only wrapped to
// the operator's recipients.
type BackupKey struct {
	identity  *age.X25519Identity
	recipient string
}

// NewBackupKey makes a pair.
func NewBackupKey() (*BackupKey, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("generate a backup key: %w", err)
	}
	return &BackupKey{identity: identity, recipient: identity.Recipient().String()}, nil
}

// Recipient is the public half, to which the backup's parts are encrypted.
func (k *BackupKey) Recipient() string { return k.recipient }

// String names the public half only.
func (k *BackupKey) String() string { return "backup key " + k.recipient }

// GoString is [BackupKey.String].
func (k *BackupKey) GoString() string { return k.String() }

// Wrap encrypts the identity to the recipients: the content of key.age, which stock
// age turns into an identity file.
func (k *BackupKey) Wrap(recipients []Recipient) ([]byte, error) {
	if k.identity == nil {
		return nil, fault.Newf(fault.Internal, "the backup key was forgotten already")
	}
	if len(recipients) == 0 {
		return nil, refused("nobody is given to wrap the backup key to")
	}
	to := make([]age.Recipient, 0, len(recipients))
	for _, r := range recipients {
		to = append(to, r.age)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, fault.New(fault.KeyInvalid, "the backup key cannot be wrapped to these recipients together", err)
	}
	if _, err := io.WriteString(w, k.identity.String()+"\n"); err != nil {
		return nil, fmt.Errorf("wrap the backup key: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("wrap the backup key: %w", err)
	}
	return out.Bytes(), nil
}

// Forget drops the identity. Go cannot promise that no copy stays in memory that was
// freed; the process does not write core files.
func (k *BackupKey) Forget() { k.identity = nil }

// OpenBackupKey unwraps key.age with one of the operator's identities. KEY_DOES_NOT_FIT
// when none of them is a recipient, BACKUP_DAMAGED when the file is not what [BackupKey.Wrap]
// makes.
func OpenBackupKey(keyFile []byte, operator []Identity) (Identity, error) {
	if len(keyFile) > maxKeyFile {
		return Identity{}, fault.Newf(fault.BackupDamaged, "key.age is longer than %d bytes", maxKeyFile)
	}
	identities := make([]age.Identity, 0, len(operator))
	for _, id := range operator {
		identities = append(identities, id.age)
	}
	if len(identities) == 0 {
		return Identity{}, fault.Newf(fault.KeyDoesNotFit, "no identity is given to open key.age")
	}
	plain, err := age.Decrypt(bytes.NewReader(keyFile), identities...)
	if err != nil {
		return Identity{}, fits("key.age", err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, 4096))
	if err != nil {
		return Identity{}, fits("key.age", err)
	}
	identity, err := age.ParseX25519Identity(string(bytes.TrimSpace(text)))
	if err != nil {
		return Identity{}, fault.Newf(fault.BackupDamaged, "key.age does not hold a backup key") // the cause could show it
	}
	return Identity{age: identity}, nil
}

// Public is the recipient of an identity that [OpenBackupKey] or [DeriveIdentity]
// returned, and empty for others.
func (id Identity) Public() string {
	if x, ok := id.age.(*age.X25519Identity); ok {
		return x.Recipient().String()
	}
	return ""
}

// Encrypt returns a writer of plain text. Close completes the ciphertext and does not
// close w. Errors of w come back as they are.
func Encrypt(w io.Writer, recipient string) (io.WriteCloser, error) {
	r, err := ParseRecipient(recipient)
	if err != nil {
		return nil, err
	}
	enc, err := age.Encrypt(w, r.age)
	if err != nil {
		return nil, fmt.Errorf("begin encryption: %w", err)
	}
	return enc, nil
}

// Decrypt returns a reader of plain text. A wrong identity is KEY_DOES_NOT_FIT;
// changed or truncated ciphertext is BACKUP_DAMAGED, from here or from a later Read.
func Decrypt(r io.Reader, id Identity) (io.Reader, error) {
	source := &marked{r: r}
	plain, err := age.Decrypt(source, id.age)
	if err != nil {
		return nil, source.blame(err)
	}
	return &decrypting{plain: plain, source: source}, nil
}

// decrypting gives damage its code and leaves errors of the source alone.
type decrypting struct {
	plain  io.Reader
	source *marked
}

// Read implements io.Reader.
func (d *decrypting) Read(p []byte) (int, error) {
	n, err := d.plain.Read(p)
	if err != nil && err != io.EOF {
		err = d.source.blame(err)
	}
	return n, err
}

// marked remembers the source's own error, so that a share that stopped answering is
// not taken for damage.
type marked struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (m *marked) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}

func (m *marked) blame(err error) error {
	if m.err != nil {
		return m.err
	}
	return fits("the file", err)
}

// DecryptReaderAt returns the plain text for random reading, and its size.
func DecryptReaderAt(r io.ReaderAt, size int64, id Identity) (io.ReaderAt, int64, error) {
	plain, n, err := age.DecryptReaderAt(r, size, id.age)
	if err != nil {
		return nil, 0, sourceOr(err)
	}
	return decryptingAt{plain}, n, nil
}

type decryptingAt struct{ plain io.ReaderAt }

// ReadAt implements io.ReaderAt.
func (d decryptingAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.plain.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = sourceOr(err)
	}
	return n, err
}

// sourceOr passes faults and ends of contexts through, and calls the rest damage.
func sourceOr(err error) error {
	if f, ok := fault.Of(err); ok {
		return f
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fits("the file", err)
}

var _ fmt.Formatter = Identity{}
