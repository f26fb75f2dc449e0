package privsep

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

const (
	// openTime bounds how long a key may take to be opened: a PFX decides how often its own keys
	// are derived, and one that was made to keep a processor busy takes hours.
	openTime = 20 * time.Second
	// openAtOnce bounds how many keys are opened at a time, and with it the processors that
	// callers can keep busy.
	openAtOnce = 2

	maxOperatorKey = 256 << 10 // key files with comments
	maxPassword    = 4 << 10
	maxOpenAnswer  = 256 << 10 // as many public halves as a key file can have, the largest of them hybrid
)

// KeyOpener takes the key of one backup out of its key.age with an operator's private key, in
// processes of their own. The operator's key opens every backup, and stays in the memory of a
// Go process until that ends; the key of one backup opens that one.
type KeyOpener struct {
	program string
	args    []string
	timeout time.Duration
	turns   chan struct{}
}

// NewKeyOpener starts program, which is the caller's: see [OwnProgram].
func NewKeyOpener(program string) *KeyOpener {
	return newKeyOpener(program, []string{openKeyMode}, openTime)
}

func newKeyOpener(program string, args []string, timeout time.Duration) *KeyOpener {
	return &KeyOpener{program, args, timeout, make(chan struct{}, openAtOnce)}
}

// OperatorKey is an operator's private key as it was handed over: a key file as
// [seal.ParseKeyFile] takes it, and the password of a PFX. It prints as nothing.
type OperatorKey struct {
	File, Password []byte
}

// Clear overwrites it. What else holds a copy, such as the buffers of a connection, keeps it.
func (k OperatorKey) Clear() {
	clear(k.File)
	clear(k.Password)
}

// Format implements [fmt.Formatter], so that no verb reaches the key.
func (k OperatorKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalJSON always fails.
func (k OperatorKey) MarshalJSON() ([]byte, error) {
	return nil, errors.New("privsep: an operator's key is not marshalled")
}

// OpenedKey is the key of one backup, and whom it was opened for.
type OpenedKey struct {
	Key seal.Identity
	// Recipients are the public halves of the keys in the operator's file.
	Recipients []string
}

// OpenKey opens a key.age, which must hold the key of which public is the public half, and
// returns that key. It does not change operator, and keeps nothing of it. Errors are faults:
// KEY_PASSWORD for a wrong password, KEY_INVALID for a file that is no private key, or asks for
// too much work, KEY_DOES_NOT_FIT for the key of another recipient, BACKUP_DAMAGED for a key.age
// that is none or another backup's, and INTERNAL for what may succeed the next time. When ctx
// ends, the attempt is given up.
func (o *KeyOpener) OpenKey(ctx context.Context, operator OperatorKey, keyAge []byte, public string) (OpenedKey, error) {
	switch {
	case len(operator.File) > maxOperatorKey:
		return OpenedKey{}, fault.Newf(fault.KeyInvalid, "the key file has more than %d bytes", maxOperatorKey)
	case len(operator.Password) > maxPassword:
		return OpenedKey{}, fault.Newf(fault.KeyPassword, "the password is longer than %d bytes", maxPassword)
	case len(keyAge) > seal.MaxKeyFile:
		return OpenedKey{}, fault.Newf(fault.BackupDamaged, "key.age has %d bytes, at most %d are possible", len(keyAge), seal.MaxKeyFile)
	}
	select {
	case o.turns <- struct{}{}:
		defer func() { <-o.turns }()
	case <-ctx.Done():
		return OpenedKey{}, fmt.Errorf("open the key of a backup: %w", ctx.Err())
	}
	answer, err := o.ask(ctx, [openKeyFields][]byte{fieldKeyFile: operator.File, fieldPassword: operator.Password, fieldKeyAge: keyAge})
	if err != nil {
		return OpenedKey{}, err
	}
	keys, err := seal.ParseIdentities([]byte(answer.Key))
	if err != nil || len(keys) != 1 || keys[0].Text().IsZero() {
		return OpenedKey{}, fault.Newf(fault.Internal, "the process that opens a backup's key gave none")
	}
	if keys[0].Public() != public {
		return OpenedKey{}, fault.Newf(fault.BackupDamaged, "key.age holds another key than that of the backup")
	}
	for _, recipient := range answer.Recipients {
		if _, err := seal.ParseRecipient(recipient); err != nil {
			return OpenedKey{}, fault.Newf(fault.Internal, "the process that opens a backup's key gave a public half that is none")
		}
	}
	return OpenedKey{keys[0], answer.Recipients}, nil
}

// ask runs a child, and returns what it found.
func (o *KeyOpener) ask(ctx context.Context, fields [openKeyFields][]byte) (openedKey, error) {
	bounded, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	stdout := boundedBuffer{limit: maxOpenAnswer}
	defer func() { clear(stdout.data.Bytes()) }()
	cmd, stderr := newCommand(bounded, o.program, o.args...)
	cmd.Stdout, cmd.WaitDelay = &stdout, keyWait
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return openedKey{}, fault.New(fault.Internal, "the process that opens a backup's key cannot be given its input", err)
	}
	err = cmd.Start() // closes the pipe when it fails
	if err == nil {
		// A child that ends before it has read all says why, and that is what counts.
		_ = errors.Join(writeFields(stdin, fields), stdin.Close())
		err = cmd.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return openedKey{}, fmt.Errorf("open the key of a backup: %w", ctx.Err())
	case bounded.Err() != nil:
		return openedKey{}, fault.Newf(fault.KeyInvalid, "the key was not opened within %s, which no key that programs make takes", o.timeout)
	}
	return readOpenedKey(stdout.data.Bytes(), stderr.data.Bytes(), err)
}

// writeFields writes the fields from where they are, without a copy.
func writeFields(w io.Writer, fields [openKeyFields][]byte) error {
	for _, field := range fields {
		if _, err := w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field)))); err != nil {
			return err
		}
		if _, err := w.Write(field); err != nil {
			return err
		}
	}
	return nil
}

// openFaults are those that a child may report.
var openFaults = []fault.Code{fault.KeyInvalid, fault.KeyPassword, fault.KeyDoesNotFit, fault.BackupDamaged, fault.Usage, fault.Internal}

// readOpenedKey takes what a child has written, and how it ended.
func readOpenedKey(stdout, stderr []byte, ended error) (openedKey, error) {
	var answer openedKey
	malformed := json.Unmarshal(stdout, &answer)
	switch {
	case malformed == nil && answer.Fault != nil && slices.Contains(openFaults, answer.Fault.Code):
		return openedKey{}, fault.New(answer.Fault.Code, answer.Fault.What, nil)
	case ended != nil:
		return openedKey{}, fault.New(fault.Internal, fmt.Sprintf("the process that opens a backup's key failed and reported %q", stderr), ended)
	case malformed != nil || answer.Key == "" || len(answer.Recipients) == 0: // the cause might repeat the key
		return openedKey{}, fault.Newf(fault.Internal, "the process that opens a backup's key gave none")
	}
	return answer, nil
}
