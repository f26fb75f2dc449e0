package codec

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	keyBytes        = 32       // AES-256
	maxKeyFileBytes = 64 << 10 // some hundred keys
	maxKeys         = 256
)

var keyIDPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Keyring holds codec keys by id. The first key encrypts; all of them decrypt. It
// does not print its keys.
type Keyring struct {
	active string
	ids    []string // in the file's order
	keys   map[string][keyBytes]byte
}

// String tells which keys there are, not what they are.
func (k *Keyring) String() string { return fmt.Sprintf("codec keyring, active key %q", k.active) }

// GoString is [Keyring.String].
func (k *Keyring) GoString() string { return k.String() }

// Active is the id of the key that encrypts.
func (k *Keyring) Active() string { return k.active }

// IDs lists the ids of all keys in the order of the file; the first is [Keyring.Active].
func (k *Keyring) IDs() []string { return slices.Clone(k.ids) }

// LoadKeyring reads a key file: one line a key, "<id> <base64 of 32 bytes>", the
// first being the one that encrypts. Blank lines and lines starting with # are
// skipped. The file must be what [secret.File] takes as private. Errors are
// CONFIG_INVALID faults.
func LoadKeyring(path string) (*Keyring, error) {
	data, _, err := readKeyFile(path, false)
	if err != nil {
		return nil, err
	}
	ring, err := ParseKeyring(data)
	if err != nil {
		return nil, fault.New(fault.ConfigInvalid, "codec key file "+path+" was refused", err)
	}
	return ring, nil
}

// readKeyFile reads a key file that nobody else may read, see [secret.File]. With
// anyOwner, root may read another user's.
func readKeyFile(path string, anyOwner bool) ([]byte, fs.FileInfo, error) {
	file := secret.File{MaxBytes: maxKeyFileBytes, Private: true, AnyOwner: anyOwner}
	data, info, err := file.ReadInfo(context.Background(), path) // a regular file does not let it wait
	var refusal *secret.Refusal
	if errors.As(err, &refusal) {
		return nil, nil, fault.Newf(fault.ConfigInvalid, "codec key file %s", refusal)
	}
	if err != nil {
		return nil, nil, fault.New(fault.ConfigInvalid, "the codec key file cannot be opened", err)
	}
	return data, info, nil
}

// ParseKeyring takes the text of a key file. Errors name the line, never a key.
func ParseKeyring(data []byte) (*Keyring, error) {
	if len(data) > maxKeyFileBytes {
		return nil, fmt.Errorf("longer than %d bytes", maxKeyFileBytes)
	}
	data, err := secret.Text(data)
	if err != nil {
		return nil, err
	}
	ring := &Keyring{keys: map[string][keyBytes]byte{}}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, encoded, found := strings.Cut(line, " ")
		if !found || !keyIDPattern.MatchString(id) {
			return nil, fmt.Errorf("line %d: want an id of a-z, 0-9 and '-', a blank, and a base64 key", number)
		}
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		if err != nil || len(key) != keyBytes {
			return nil, fmt.Errorf("line %d: the key is not the base64 of %d bytes", number, keyBytes)
		}
		if _, dup := ring.keys[id]; dup {
			return nil, fmt.Errorf("line %d: key id %q appears twice", number, id)
		}
		if len(ring.keys) == maxKeys {
			return nil, fmt.Errorf("line %d: more than %d keys", number, maxKeys)
		}
		ring.keys[id] = [keyBytes]byte(key)
		ring.ids = append(ring.ids, id)
		if ring.active == "" {
			ring.active = id
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	if ring.active == "" {
		return nil, fmt.Errorf("it holds no key")
	}
	return ring, nil
}

// GenerateKeyLine makes a new line for a key file from random.
func GenerateKeyLine(id string, random io.Reader) (string, error) {
	if !keyIDPattern.MatchString(id) {
		return "", fault.Usagef("codec key id %q: use 1 to 32 of a-z, 0-9 and '-'", id)
	}
	var key [keyBytes]byte
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return "", fmt.Errorf("draw a codec key: %w", err)
	}
	return id + " " + base64.StdEncoding.EncodeToString(key[:]) + "\n", nil
}

// Derive makes a key for another purpose of the named codec key (HKDF-SHA256, RFC
// 5869). The same id, purpose and context give the same key on every worker.
func (k *Keyring) Derive(id, purpose, context string) ([32]byte, error) {
	key, ok := k.keys[id]
	if !ok {
		return [32]byte{}, fault.Newf(fault.CodecKey, "codec key %q is not in the key file", id)
	}
	out, err := hkdf.Key(sha256.New, key[:], nil, "infrabackup "+purpose+" "+context, 32)
	if err != nil {
		return [32]byte{}, fmt.Errorf("derive a key for %s: %w", purpose, err)
	}
	return [32]byte(out), nil
}
