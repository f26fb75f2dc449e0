package main

import (
	"context"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/ui/progress"
	"infrabackup/internal/ui/table"
)

// allFlags ask for the check of all backups, and say what the ledger is compared with.
type allFlags struct {
	all  bool
	head string
}

func (f *allFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "all", false, "check all backups, and that the ledger lists no others")
	cmd.Flags().StringVar(&f.head, "ledger-head", "", "with --from or --share: the ledger's newest entry as it is remembered elsewhere, SEQUENCE:SHA256")
}

// given returns the head that the operator remembers, nil when none is given.
func (f allFlags) given(from storeFlags) (*backup.LedgerHead, error) {
	if f.head == "" {
		return nil, nil
	}
	if !from.given() {
		return nil, fault.Usagef("--ledger-head needs --from or --share: without them the ledger is compared with what the settings hold")
	}
	head, err := backup.ParseLedgerHead(f.head)
	if err != nil {
		return nil, fault.Usagef("--ledger-head %s is not the head of a ledger: want its sequence, a colon and a SHA-256", printable.Quote(f.head))
	}
	return &head, nil
}

func (a *app) verifyAll(ctx context.Context, args []string, from storeFlags, f allFlags, keyFiles []string) error {
	switch {
	case len(args) > 0:
		return fault.Usagef("--all and one backup exclude each other")
	case len(keyFiles) > 0:
		return fault.Usagef("--all needs no key; give --identity with one backup")
	case from.allowedSigners != "" && !from.given():
		return fault.Usagef("--allowed-signers needs --from or --share: a worker compares with the keys in the settings")
	}
	found, unknownSigner, err := a.audit(ctx, from, f)
	if err != nil {
		return err
	}
	if err := a.print(found, func(w *tabwriter.Writer) { table.Audit(w, found, unknownSigner) }); err != nil {
		return err
	}
	if !found.HeadKnown {
		a.say(headUnknown)
	}
	if !found.Good() {
		return exitCode(fault.ExitDamaged)
	}
	return nil
}

// audit lets a worker look, or looks itself where the flags name a place.
func (a *app) audit(ctx context.Context, from storeFlags, f allFlags) (found backup.Audit, unknownSigner bool, err error) {
	head, err := f.given(from)
	if err != nil {
		return found, false, err
	}
	if !from.given() {
		c, err := a.controller(ctx)
		if err != nil {
			return found, false, err
		}
		show := progress.NewReading(a.stderr, a.terminal(a.stderr), "A worker verifies all backups")
		defer show.End()
		found, err = c.VerifyAll(control.WithObserver(ctx, show.Beat))
		return found, false, err
	}
	from.mayBeGone = head != nil // the audit then says that all was rolled back
	opened, err := a.open(ctx, from)
	if err != nil {
		return found, false, err
	}
	defer a.closeRepo(opened)
	a.noteTrust(opened)
	verify := func(ctx context.Context, signers []byte) (backup.Audit, error) {
		began := time.Now()
		opts := audit.Options{AllowedSigners: signers, Head: head, Pause: a.pause}
		found, err := audit.VerifyAll(ctx, opened.Repo, opts, func(id backup.ID, n, of int) {
			a.say("Verifying %s, %d of %d ...", id, n, of)
		})
		found.Began = began.UTC()
		return found, err
	}
	if found, err = verify(ctx, opened.Signers); err != nil || found.Good() {
		return found, false, err
	}
	unknownSigner, err = a.noteUnknownSigners(ctx, opened, from, func(ctx context.Context, signers []byte) ([]backup.Finding, error) {
		again, err := verify(ctx, signers)
		return table.AllFindings(again), err
	})
	return found, unknownSigner, err
}
