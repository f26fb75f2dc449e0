package repository

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// refusedMark is in the names of what was found in an entry's place without being one.
const refusedMark = ".refused-"

// link is an entry that was read: well-formed, of this instance and signed.
type link struct {
	entry backup.LedgerEntry
	head  backup.LedgerHead // that names it
}

// entryPath is where an entry lies.
func (r *Repository) entryPath(sequence int64) string {
	return r.at(backup.LedgerDir, backup.LedgerFile(sequence))
}

// splitEntry parts an entry's file: the line, with its newline, and its signature.
func splitEntry(data []byte) (line, signature []byte) {
	end := bytes.IndexByte(data, '\n') + 1
	return data[:end], data[end:]
}

// parseEntry reads an entry's file that others may have written. It says what is wrong
// with it, in words that fit behind its name. Whether it follows the entry before is
// for the caller to see.
func (r *Repository) parseEntry(data, allowedSigners []byte) (link, error) {
	line, signature := splitEntry(data)
	entry, err := backup.DecodeLedgerEntry(line)
	if err != nil {
		return link{}, err
	}
	signer, err := seal.VerifySignature(line, signature, allowedSigners)
	if err != nil {
		return link{}, err
	}
	if signer != entry.Signer {
		return link{}, fmt.Errorf("the entry names the signing key %s, its signature is by %s", entry.Signer, signer)
	}
	if entry.Instance != r.instance {
		return link{}, fmt.Errorf("the entry belongs to instance %s", entry.Instance)
	}
	return link{entry: entry, head: headOf(entry.Sequence, line)}, nil
}

// headOf names the entry whose line is given.
func headOf(sequence int64, line []byte) backup.LedgerHead {
	return backup.LedgerHead{Sequence: sequence, SHA256: describe("", line).SHA256}
}

// readEntry returns the bytes of an entry's file; nil when something is there that no
// entry can be. A missing one is fs.ErrNotExist.
func (r *Repository) readEntry(ctx context.Context, name string) ([]byte, error) {
	data, err := r.read(ctx, name, backup.MaxLedgerEntryBytes)
	if fault.CodeOf(err) == fault.BackupDamaged {
		return nil, nil
	}
	return data, err
}

// follows reports whether the link's place is the one behind head.
func (l link) follows(head backup.LedgerHead) bool {
	return l.entry.Sequence == head.Sequence+1 && l.entry.Previous == head.SHA256
}

// missing reports that a file is not there, as an answer and not as a failure.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
