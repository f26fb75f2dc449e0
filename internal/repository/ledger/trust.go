package ledger

import (
	"bytes"
	"context"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
)

// Keys are those that a share is read with.
type Keys struct {
	Signers []byte // those of an allowed_signers file
	Trusted bool   // else the share's own list is used, where there is one
	// Own are the keys of whoever reads. What they signed counts, though neither list has
	// them yet: somebody who takes a share over may be ended before the list is written.
	Own []string
}

// Reading is a ledger, read with the keys that count on its share.
type Reading struct {
	Ledger *Ledger
	// Signers are the keys that count: the given ones with those that they introduce in the
	// ledger, or the share's own list.
	Signers []byte
	// Changed says that the share's list is not the given one, with or without own keys, and
	// Offered are the keys that it has beyond that; none when it lacks one of the given.
	Changed bool
	Offered []string
	// ListFault says what is wrong with the share's list, FolderFault with the folder
	// ledger/; nil when they can be read. An empty ledger takes the place of the second.
	ListFault, FolderFault error
}

// ReadWith reads the ledger with the given keys and those that they introduce. Watch names
// an entry whose digest is to be known, for [Ledger.CheckHead].
func (d *Dir) ReadWith(ctx context.Context, keys Keys, watch backup.LedgerHead) (Reading, error) {
	r := Reading{Signers: keys.Signers}
	onShare, err := d.AllowedSigners(ctx)
	damaged := folder.IsUnusable(err)
	switch {
	case folder.IsMissing(err):
	case err != nil && !damaged:
		return r, err
	case keys.Trusted && !bytes.Equal(onShare, keys.Signers):
		more := offers(onShare, keys.Signers)
		r.Offered = slices.DeleteFunc(slices.Clone(more), func(key string) bool { return slices.Contains(keys.Own, key) })
		r.Changed = len(more) == 0 || len(r.Offered) > 0
	case damaged:
		r.ListFault = err
	case !keys.Trusted:
		r.Signers = onShare
	}
	if len(keys.Own) > 0 && len(r.Signers) > 0 { // without a list, nobody is known whom to go on behind
		r.Signers = WithSigners(r.Signers, keys.Own)
	}
	r.Ledger, err = d.read(ctx, r.Signers, r.Offered, watch)
	if fault.CodeOf(err) == fault.ShareUnsupported {
		r.Ledger, r.FolderFault = &Ledger{states: map[backup.ID]*State{}}, err
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if r.Changed {
		r.Signers = WithSigners(r.Signers, r.Ledger.introduced)
	}
	return r, nil
}

// Introduced returns the keys, beyond the trusted ones, that trusted keys introduce in the
// ledger: those of controllers and settings that are newer than whoever asks.
func (d *Dir) Introduced(ctx context.Context, trusted []byte) ([]string, error) {
	onShare, err := d.AllowedSigners(ctx)
	if folder.IsMissing(err) || folder.IsUnusable(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ledger, err := d.read(ctx, trusted, offers(onShare, trusted), backup.LedgerHead{})
	if err != nil {
		return nil, err
	}
	return ledger.introduced, nil
}
