package ledger

import (
	"context"
	"fmt"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/repository/folder"
)

// archivedInfix is in the name of a ledger that was archived.
const archivedInfix = "-until-"

// Archive sets the ledger aside, under a name with the number and the digest of its
// newest entry as head has them, so that a new one can begin: for an operator who knows why the old
// one is not whole, for example because the share was restored from a snapshot. It may
// be repeated, also when the new ledger has begun.
func (d *Dir) Archive(ctx context.Context, head backup.LedgerHead) error {
	if done, err := d.Archived(ctx, head); err != nil || done {
		return err
	}
	if err := d.files.Rename(ctx, d.path(), d.archivedPath(head)); err != nil && !folder.IsMissing(err) {
		return err
	}
	return nil
}

// Archived reports whether the ledger that ended with head was set aside.
func (d *Dir) Archived(ctx context.Context, head backup.LedgerHead) (bool, error) {
	_, err := d.files.Stat(ctx, d.archivedPath(head))
	if folder.IsMissing(err) {
		return false, nil
	}
	return err == nil, err
}

func (d *Dir) archivedPath(head backup.LedgerHead) string {
	return d.files.At(fmt.Sprintf("%s%s%d-%.8s", backup.LedgerDir, archivedInfix, head.Sequence, head.SHA256))
}

// IsArchived reports whether the name is one that [Dir.Archive] gives.
func IsArchived(name string) bool { return strings.HasPrefix(name, backup.LedgerDir+archivedInfix) }
