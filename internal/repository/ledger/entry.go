package ledger

import (
	"bytes"
	"context"
	"fmt"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// refusedInfix is in the names of what was found in an entry's place without being one.
const refusedInfix = ".refused-"

// link is an entry that was read: well-formed, of this instance and signed.
type link struct {
	entry backup.LedgerEntry
	head  backup.LedgerHead // that names it
}

// EntryPath is where an entry lies.
func (d *Dir) EntryPath(sequence int64) string {
	return d.files.At(backup.LedgerDir, backup.LedgerFile(sequence))
}

// Split parts an entry's file, and any other that is written as they are: the line, with its newline, and its signature.
func Split(data []byte) (line, signature []byte) {
	end := bytes.IndexByte(data, '\n') + 1
	return data[:end], data[end:]
}

// parseEntry reads an entry's file that others may have written. It says what is wrong
// with it, in words that fit behind its name. Whether it follows the entry before is
// for the caller to see.
func (d *Dir) parseEntry(data, allowedSigners []byte) (link, error) {
	line, signature := Split(data)
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
	if entry.Instance != d.files.Instance() {
		return link{}, fmt.Errorf("the entry belongs to instance %s", entry.Instance)
	}
	return link{entry: entry, head: headOf(entry.Sequence, line)}, nil
}

// headOf names the entry whose line is given.
func headOf(sequence int64, line []byte) backup.LedgerHead {
	return backup.LedgerHead{Sequence: sequence, SHA256: folder.Describe("", line).SHA256}
}

// readEntry returns the bytes of an entry's file; nil when something is there that no
// entry can be. A missing one is fs.ErrNotExist.
func (d *Dir) readEntry(ctx context.Context, name string) ([]byte, error) {
	data, err := d.files.Read(ctx, name, backup.MaxLedgerEntryBytes)
	if fault.CodeOf(err) == fault.BackupDamaged {
		return nil, nil
	}
	return data, err
}

// follows reports whether the link's place is the one behind head.
func (l link) follows(head backup.LedgerHead) bool {
	return l.entry.Sequence == head.Sequence+1 && l.entry.Previous == head.SHA256
}

// HoldsHead makes sure that the entry that the head names is on the share, as it was
// written. LEDGER_ROLLED_BACK when it is not there, LEDGER_DAMAGED when another one is. The
// zero head names none.
func (d *Dir) HoldsHead(ctx context.Context, head backup.LedgerHead) error {
	_, err := d.headEntry(ctx, head)
	return err
}

// HeadEntry is [Dir.HoldsHead] and returns the line of the entry, nil for the zero head.
func (d *Dir) HeadEntry(ctx context.Context, head backup.LedgerHead) ([]byte, error) {
	return d.headEntry(ctx, head)
}

// headEntry returns the line of the entry that the head names, nil for the zero head.
func (d *Dir) headEntry(ctx context.Context, head backup.LedgerHead) ([]byte, error) {
	if head.Sequence == 0 {
		return nil, nil
	}
	if head == d.knownHead {
		return d.knownLine, nil
	}
	name := d.EntryPath(head.Sequence)
	data, err := d.readEntry(ctx, name)
	if folder.IsMissing(err) {
		return nil, fault.Newf(fault.LedgerRolledBack, "the ledger of %s had entry %d, which is not there", d.files, head.Sequence)
	}
	if err != nil {
		return nil, err
	}
	line, _ := Split(data)
	if headOf(head.Sequence, line) != head {
		return nil, fault.Newf(fault.LedgerDamaged, "%s is not the entry that was written", name)
	}
	return line, nil
}
