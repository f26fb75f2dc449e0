package codec

import (
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// AddKey appends a new key, made from random, to a key file: from then on it decrypts
// wherever the file is copied to, and does not encrypt yet. USAGE for a malformed id,
// ALREADY_EXISTS when the file has a key of that id; the other errors are those of
// [LoadKeyring], CONFIG_INVALID also when the file cannot be replaced. As with every
// change of a key file, comments stay where they are, and the file is replaced as a
// whole or not at all.
func AddKey(path, id string, random io.Reader) error {
	added, err := GenerateKeyLine(id, random)
	if err != nil {
		return err
	}
	return edit(path, func(ring *Keyring, lines []string) ([]string, error) {
		if _, has := ring.keys[id]; has {
			return nil, fault.Newf(fault.AlreadyExists, "codec key file %s has a key %q", path, id)
		}
		return append(lines, added), nil
	})
}

// ActivateKey moves a key to the first place of a key file, where it encrypts. USAGE
// when the file has none of that id; the other errors are those of [AddKey].
func ActivateKey(path, id string) error {
	return edit(path, func(ring *Keyring, lines []string) ([]string, error) {
		if _, has := ring.keys[id]; !has {
			return nil, fault.Usagef("codec key file %s has no key %q", path, id)
		}
		first, own := place(lines, ring.active), place(lines, id)
		line := lines[own]
		return slices.Insert(slices.Delete(lines, own, own+1), first, line), nil
	})
}

// RemoveKey drops a key from a key file; what only it encrypted cannot be read any
// more. USAGE when the file has none of that id, and for the key that encrypts; the
// other errors are those of [AddKey].
func RemoveKey(path, id string) error {
	return edit(path, func(ring *Keyring, lines []string) ([]string, error) {
		if _, has := ring.keys[id]; !has {
			return nil, fault.Usagef("codec key file %s has no key %q", path, id)
		}
		if id == ring.active {
			return nil, fault.Usagef("codec key %q encrypts: activate another one first", id)
		}
		own := place(lines, id)
		return slices.Delete(lines, own, own+1), nil
	})
}

// place returns which of lines holds the key id, which is there.
func place(lines []string, id string) int {
	return slices.IndexFunc(lines, func(line string) bool {
		first, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		return first == id
	})
}

// edit replaces a key file by what change makes of its lines, each with its end.
func edit(path string, change func(ring *Keyring, lines []string) ([]string, error)) error {
	path, err := filepath.EvalSymlinks(path) // what a link points to is replaced, not the link
	if err != nil {
		return fault.New(fault.ConfigInvalid, "the codec key file cannot be found", err)
	}
	data, info, err := readKeyFile(path, true) // root keeps the file for the user that it belongs to
	if err != nil {
		return err
	}
	ring, err := ParseKeyring(data)
	if err != nil {
		return fault.New(fault.ConfigInvalid, "codec key file "+path+" was refused", err)
	}
	if !bytes.HasSuffix(data, []byte("\n")) {
		data = append(data, '\n')
	}
	lines, err := change(ring, slices.Collect(strings.Lines(string(data))))
	if err != nil {
		return err
	}
	text := []byte(strings.Join(lines, ""))
	if _, err := ParseKeyring(text); err != nil {
		return fault.New(fault.ConfigInvalid, "codec key file "+path+" cannot be changed", err)
	}
	if err := secret.Replace(path, info, text); err != nil {
		return fault.New(fault.ConfigInvalid, "codec key file "+path+" cannot be replaced", err)
	}
	return nil
}
