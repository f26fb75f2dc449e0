package ledger

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Restart archives the ledger that ends with head and begins a new one, whose first entry
// says who asked for that. The controller takes the folder over. It may be repeated: old is
// the head of the ledger that goes, as it was when that was decided, so that a later
// attempt does not archive the new one. SETTINGS_CHANGED when the old one has grown since.
func (w *Writer) Restart(ctx context.Context, head, old backup.LedgerHead, by string) error {
	begun, err := w.restarted(ctx, head, old)
	if err != nil || begun {
		return err
	}
	return w.restart(ctx, head, by)
}

// restarted reports whether an earlier attempt has begun the new ledger behind the one
// whose head was old.
func (w *Writer) restarted(ctx context.Context, head, old backup.LedgerHead) (bool, error) {
	if head == old {
		return false, nil
	}
	archived, err := w.dir.Archived(ctx, old)
	if err == nil && !archived && old != (backup.LedgerHead{}) {
		err = fault.Newf(fault.SettingsChanged, "the ledger of %s was to be set aside at entry %d, and has %d by now", w.dir.files, old.Sequence, head.Sequence)
	}
	return err == nil, err
}

// restart archives one ledger and begins another. The head that is remembered is that of
// the old one until the new one has its first entry.
func (w *Writer) restart(ctx context.Context, head backup.LedgerHead, by string) error {
	first := backup.LedgerEntry{
		Action: backup.LedgerBegun, By: by, Controller: w.opts.Controller, At: w.opts.Now().UTC(),
	}
	if err := w.heads.Withdraw(ctx); err != nil {
		return err
	}
	if err := w.dir.Archive(ctx, head); err != nil {
		return err
	}
	if err := w.TakeOver(ctx); err != nil {
		return err
	}
	next, _, err := w.dir.Append(ctx, backup.LedgerHead{}, first, w.opts.Key, w.opts.Current)
	if err != nil {
		return err
	}
	return w.heads.Restart(ctx, head, next, by)
}
