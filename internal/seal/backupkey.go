package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"infrabackup/internal/fault"
)

const (
	// MaxKeyFile bounds a key.age in bytes: room for more than a hundred recipients.
	MaxKeyFile    = 256 << 10
	maxRecipients = 100
	maxBackupKey  = 8 << 10 // plain text of key.age
)

// BackupKey is the key pair made for one backup. Its private half leaves it only
// wrapped to the operator's recipients.
type BackupKey struct {
	identity  Identity
	recipient string
	forgotten bool
}

// NewBackupKey makes a backup key. When all of recipients are hybrid the key is
// hybrid too, since the parts would otherwise be open to a quantum computer whatever
// protects key.age; else, and without any, it is an X25519 key.
func NewBackupKey(recipients ...Recipient) (*BackupKey, error) {
	postQuantum := len(recipients) > 0
	for _, r := range recipients {
		postQuantum = postQuantum && r.Kind == KindHybrid
	}
	id, err := newIdentity(postQuantum)
	if err != nil {
		return nil, err
	}
	return &BackupKey{identity: id, recipient: id.recipient.Text}, nil
}

// MakeWrappedKey makes the key pair of one backup and returns its public half, which
// [Encrypt] takes, and its key.age, wrapped to recipients as [ParseRecipient] takes
// them. Its private half stands in the memory of this process until that ends: Go
// erases nothing. KEY_INVALID for recipients that cannot be used.
func MakeWrappedKey(recipients []string) (recipient string, keyAge []byte, err error) {
	parsed := make([]Recipient, len(recipients))
	for i, text := range recipients {
		if parsed[i], err = ParseRecipient(text); err != nil {
			return "", nil, err
		}
	}
	key, err := NewBackupKey(parsed...)
	if err != nil {
		return "", nil, err
	}
	defer key.Forget()
	if keyAge, err = key.Wrap(parsed); err != nil {
		return "", nil, err
	}
	return key.Recipient(), keyAge, nil
}

// Recipient is the public half, age1… or age1pq1…, which [Encrypt] takes.
func (k *BackupKey) Recipient() string { return k.recipient }

// String names the key by its public half.
func (k BackupKey) String() string { return k.recipient }

// Format implements [fmt.Formatter], so that no verb reaches the private half.
func (k BackupKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.recipient) }

// Wrap makes key.age: the private half as an age identity file, encrypted to every
// recipient. KEY_INVALID without recipients, or when hybrid recipients are mixed
// with others, which would undo their protection.
func (k *BackupKey) Wrap(recipients []Recipient) ([]byte, error) {
	if k.forgotten {
		return nil, fault.Newf(fault.Internal, "the backup key was forgotten already")
	}
	return wrap(k.identity, recipients)
}

func wrap(id Identity, recipients []Recipient) ([]byte, error) {
	if len(recipients) == 0 || len(recipients) > maxRecipients {
		return nil, fault.Newf(fault.KeyInvalid, "a backup key is wrapped to 1 to %d recipients, not %d", maxRecipients, len(recipients))
	}
	to := make([]age.Recipient, len(recipients))
	for i, r := range recipients {
		if r.recipient == nil {
			return nil, invalid("a recipient cannot be used", errNoRecipient)
		}
		if (r.Kind == KindHybrid) != (recipients[0].Kind == KindHybrid) {
			return nil, invalid("hybrid recipients (age1pq1…) cannot be mixed with others: the weaker ones would decide", nil)
		}
		to[i] = r.recipient
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to...)
	if err != nil {
		return nil, invalid("the recipients cannot be used together", err)
	}
	_, err = io.WriteString(w, "# The key of one backup.\n# public key: "+id.recipient.Text+"\n"+id.text.Reveal()+"\n")
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fault.New(fault.Internal, "wrap the backup key", err)
	}
	return out.Bytes(), nil
}

// Forget drops the private half. Go gives no promise about when the memory is
// reused; nothing of this process refers to it any more.
func (k *BackupKey) Forget() {
	k.identity, k.forgotten = Identity{}, true
}

// OpenBackupKey unwraps a key.age with the first of ids that fits. KEY_DOES_NOT_FIT
// when none does, BACKUP_DAMAGED when the file is malformed or larger than
// [MaxKeyFile].
func OpenBackupKey(keyAge []byte, ids []Identity) (Identity, error) {
	if len(keyAge) > MaxKeyFile {
		return Identity{}, fault.Newf(fault.BackupDamaged, "key.age has %d bytes, at most %d are possible", len(keyAge), MaxKeyFile)
	}
	plain, err := decrypt(bytes.NewReader(keyAge), ids)
	if err != nil {
		return Identity{}, openError("key.age", err)
	}
	text, err := io.ReadAll(io.LimitReader(plain, maxBackupKey+1))
	if err != nil {
		return Identity{}, fault.New(fault.BackupDamaged, "key.age does not decrypt", err)
	}
	if len(text) > maxBackupKey {
		return Identity{}, fault.Newf(fault.BackupDamaged, "key.age holds more than a key")
	}
	found, err := ParseIdentities(text)
	clear(text)
	if err != nil || len(found) != 1 || found[0].text.IsZero() {
		return Identity{}, fault.Newf(fault.BackupDamaged, "key.age does not hold one age identity")
	}
	return found[0], nil
}

// Rewrap makes a new key.age for recipients out of one that an identity of ids
// opens; the parts stay as they are. Errors are those of [OpenBackupKey] and
// [BackupKey.Wrap].
func Rewrap(keyAge []byte, ids []Identity, recipients []Recipient) ([]byte, error) {
	id, err := OpenBackupKey(keyAge, ids)
	if err != nil {
		return nil, err
	}
	return wrap(id, recipients)
}
