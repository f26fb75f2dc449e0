package repository

import (
	"context"
	"fmt"
	"strings"

	"infrabackup/internal/backup"
)

// retiredMark is in the name of a ledger that was set aside.
const retiredMark = "-until-"

// RetireLedger sets the ledger aside, under a name with the number and the digest of its
// newest entry as head has them, so that a new one can begin: for an operator who knows why the old
// one is not whole, for example because the share was restored from a snapshot. It may
// be repeated, also when the new ledger has begun.
func (r *Repository) RetireLedger(ctx context.Context, head backup.LedgerHead) error {
	if done, err := r.LedgerRetired(ctx, head); err != nil || done {
		return err
	}
	if err := r.store.Rename(ctx, r.at(backup.LedgerDir), r.retired(head)); err != nil && !missing(err) {
		return err
	}
	return nil
}

// LedgerRetired reports whether the ledger that ended with head was set aside.
func (r *Repository) LedgerRetired(ctx context.Context, head backup.LedgerHead) (bool, error) {
	_, err := r.store.Stat(ctx, r.retired(head))
	if missing(err) {
		return false, nil
	}
	return err == nil, err
}

func (r *Repository) retired(head backup.LedgerHead) string {
	return r.at(fmt.Sprintf("%s%s%d-%.8s", backup.LedgerDir, retiredMark, head.Sequence, head.SHA256))
}

// isRetiredLedger reports whether the name is one that [Repository.RetireLedger] gives.
func isRetiredLedger(name string) bool { return strings.HasPrefix(name, backup.LedgerDir+retiredMark) }
