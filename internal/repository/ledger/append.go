package ledger

import (
	"context"
	"errors"
	"io/fs"
	"strconv"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/seal"
)

// Limits of one append.
const (
	maxAppendTries = 8   // at the place of the new entry, which others may take
	maxRefused     = 100 // files set aside from one place
)

// Append enters what was done to the backups behind head, which is the newest
// entry as the caller keeps it, and returns the new head for the caller to keep. Time,
// controller, action and who asked are the entry's own; sequence, previous, instance
// and signer are filled in. AllowedSigners are the trusted keys, key's among them.
//
// It may be repeated. When the entry at head records the operation already, that is
// success and nothing is written. When a signed entry lies behind head, its writer did
// not live to tell: its head is returned, for the caller to keep, and own says whether
// it records this operation; unless own, the caller calls again with that head.
//
// Whatever else lies in the new entry's place is set aside, so that nobody who can
// write to the share keeps backups from being entered. LEDGER_ROLLED_BACK and
// LEDGER_DAMAGED when the entry that head names is not on the share, LIMIT_EXCEEDED when
// the ledger is full, SHARE_BUSY when others never leave the place alone.
func (d *Dir) Append(ctx context.Context, head backup.LedgerHead, e backup.LedgerEntry, key *seal.SigningKey, allowedSigners []byte) (next backup.LedgerHead, own bool, err error) {
	if done, err := d.recorded(ctx, head, e); err != nil || done {
		return head, done, err
	}
	if head.Sequence >= backup.MaxLedgerEntries {
		return head, false, fault.Newf(fault.LimitExceeded, "the ledger of %s is full: it has %d entries", d.files, head.Sequence)
	}
	e.Sequence, e.Previous, e.At = head.Sequence+1, head.SHA256, e.At.UTC()
	e.Instance, e.Signer = d.files.Instance(), key.Fingerprint()
	data, err := signEntry(e, key, allowedSigners)
	if err != nil {
		return head, false, err
	}
	a := &appending{dir: d, head: head, data: data, signers: allowedSigners, place: d.EntryPath(e.Sequence)}
	for range maxAppendTries {
		// Nothing is ever replaced, so what lies in the place is looked at when it is in the way.
		written, err := a.write(ctx)
		if err != nil {
			return head, false, err
		}
		if written {
			line, _ := Split(data)
			return headOf(e.Sequence, line), true, nil
		}
		found, err := a.look(ctx)
		if err != nil {
			return head, false, err
		}
		if found != nil {
			return found.head, found.entry.SameOperation(e), nil
		}
	}
	return head, false, fault.Newf(fault.ShareBusy, "%s is taken by others again and again", a.place)
}

// recorded reports whether the entry at head records the operation. The entry has to be
// there: nothing is appended to a ledger that was cut, or to a head that no entry has.
func (d *Dir) recorded(ctx context.Context, head backup.LedgerHead, e backup.LedgerEntry) (bool, error) {
	line, err := d.headEntry(ctx, head)
	if err != nil || line == nil {
		return false, err
	}
	last, err := backup.DecodeLedgerEntry(line)
	return err == nil && last.SameOperation(e), nil
}

// signEntry makes an entry's file.
func signEntry(e backup.LedgerEntry, key *seal.SigningKey, allowedSigners []byte) ([]byte, error) {
	line, err := e.Encode()
	if err != nil {
		return nil, fault.New(fault.Internal, "create an entry of the ledger", err)
	}
	signature, err := key.Sign(line)
	if err != nil {
		return nil, err
	}
	// The next append would set aside an entry by a key that is not trusted.
	if _, err := seal.VerifySignature(line, signature, allowedSigners); err != nil {
		return nil, fault.New(fault.KeyInvalid, "the signing key is not an allowed signer", err)
	}
	return append(line, signature...), nil
}

// appending is one entry on its way to its place.
type appending struct {
	dir     *Dir
	head    backup.LedgerHead
	data    []byte
	signers []byte
	place   string
}

// look returns the entry that lies in the place, nil when the place is free. What is
// no entry behind head is set aside first.
func (a *appending) look(ctx context.Context) (*link, error) {
	found, err := a.read(ctx, a.place)
	if folder.IsMissing(err) {
		return nil, nil
	}
	if err != nil || found != nil {
		return found, err
	}
	return nil, a.setAside(ctx)
}

// read returns the entry in a file, nil when it is none that follows head.
func (a *appending) read(ctx context.Context, name string) (*link, error) {
	data, err := a.dir.readEntry(ctx, name)
	if err != nil {
		return nil, err
	}
	l, err := a.dir.parseEntry(data, a.signers)
	if err != nil || !l.follows(a.head) {
		return nil, nil
	}
	return &l, nil
}

// setAside gives what lies in the place another name, which stays for the audit to
// report.
func (a *appending) setAside(ctx context.Context) error {
	for n := range maxRefused {
		refused := a.place + refusedInfix + strconv.Itoa(n+1)
		err := a.dir.files.Rename(ctx, a.place, refused)
		switch {
		case errors.Is(err, fs.ErrExist):
			continue
		case folder.IsMissing(err):
			return nil // somebody else was faster
		case err != nil:
			return err
		}
		// Another append may have set it aside and taken the place in the meantime. Then
		// its entry was moved, and is put back.
		found, err := a.read(ctx, refused)
		if found == nil || err != nil {
			return err
		}
		return a.dir.files.Rename(ctx, refused, a.place)
	}
	return fault.Newf(fault.LedgerDamaged, "%d files were put in the place of %s", maxRefused, a.place)
}

// write puts the entry in its place. It reports false when somebody else did
// meanwhile.
func (a *appending) write(ctx context.Context) (bool, error) {
	if err := a.dir.files.MkdirAll(ctx, a.dir.path()); err != nil {
		return false, err
	}
	return a.dir.files.CreateExclusive(ctx, a.place, a.data)
}
