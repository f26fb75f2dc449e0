package audit

import (
	"context"
	"fmt"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/ledger"
)

// Signers says which keys are trusted on a share that is to be gone on with; none to trust
// those that the share itself lists.
type Signers func(ctx context.Context) ([]byte, error)

// TakeOver goes on with a share that another controller wrote to, after [Adopt] has checked
// it: its ledger is continued, behind head as the writer's head store has it, its folder
// taken over, and backups that the ledger does not know become entries. By is who asked for
// that. It may be repeated.
func TakeOver(ctx context.Context, repo *repository.Repository, w *ledger.Writer, head backup.LedgerHead, signers Signers, by string) error {
	adoption, err := adopt(ctx, repo, w, signers)
	if err != nil {
		return err
	}
	if head == (backup.LedgerHead{}) && adoption.Head != head {
		if err := w.Advance(ctx, head, adoption.Head); err != nil {
			return err
		}
	}
	if err := w.TakeOver(ctx); err != nil {
		return err
	}
	w.Trust(adoption.Signers...)
	if adoption.Head != (backup.LedgerHead{}) {
		if err := w.Append(ctx, backup.LedgerEntry{Action: backup.LedgerTakenOver, By: by}); err != nil {
			return err
		}
	}
	return enter(ctx, w, adoption.Unlisted, by)
}

// Restart sets the ledger aside, takes the folder over and begins a new ledger with the
// backups that are there and signed. It may be repeated: old is the head of the ledger that
// goes, see [ledger.Writer.Restart].
func Restart(ctx context.Context, repo *repository.Repository, w *ledger.Writer, head, old backup.LedgerHead, signers Signers, by string) error {
	if err := w.Restart(ctx, head, old, by); err != nil {
		return err
	}
	if err := w.TakeOver(ctx); err != nil {
		return err
	}
	adoption, err := adopt(ctx, repo, w, signers)
	if err != nil {
		return err
	}
	w.Trust(adoption.Signers...)
	return enter(ctx, w, adoption.Unlisted, by)
}

// Complete enters the backups that were copied to a share whose ledger does not know them,
// and makes sure that ledger and backups agree.
func Complete(ctx context.Context, repo *repository.Repository, w *ledger.Writer, by string) error {
	adoption, err := Adopt(ctx, repo, w.Trusted())
	if err != nil {
		return err
	}
	if err := enter(ctx, w, adoption.Unlisted, by); err != nil {
		return err
	}
	head, err := w.Head(ctx)
	if err != nil {
		return err
	}
	audit, _, err := Run(ctx, repo, Options{AllowedSigners: w.Trusted(), Head: &head})
	if err != nil {
		return err
	}
	if !audit.Good() {
		return fault.Newf(fault.BackupDamaged, "%s is not sound after the copy: %s", repo, firstOf(audit))
	}
	return nil
}

func adopt(ctx context.Context, repo *repository.Repository, w *ledger.Writer, signers Signers) (Adoption, error) {
	trusted, err := signers(ctx)
	if err != nil {
		return Adoption{}, err
	}
	own, err := w.Own()
	if err != nil {
		return Adoption{}, err
	}
	return Adopt(ctx, repo, trusted, own...)
}

// enter enters backups that lie on the share and are not in its ledger.
func enter(ctx context.Context, w *ledger.Writer, unlisted []Unlisted, by string) error {
	for _, u := range unlisted {
		err := w.Append(ctx, backup.LedgerEntry{
			Action: backup.LedgerAdopted, BackupID: u.BackupID, Folder: u.Folder, SumsSHA256: u.SumsSHA256, Recipients: u.Recipients, By: by,
		})
		if err != nil {
			return fmt.Errorf("adopt backup %s: %w", u.BackupID, err)
		}
	}
	return nil
}

func firstOf(audit backup.Audit) string {
	findings := audit.Findings
	for _, v := range audit.Backups {
		findings = append(findings, v.Findings...)
	}
	return findings[0].File + ": " + findings[0].Message
}
