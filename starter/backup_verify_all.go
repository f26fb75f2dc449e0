package main

import (
	"context"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
)

// allFlags ask for the check of all backups, and say what the ledger is compared with.
type allFlags struct {
	all  bool
	head string
}

// headUnknown says what a check without a head does not see.
const headUnknown = "Note: the ledger's newest entry was compared with nothing, so entries cut off at its end go unnoticed; see --ledger-head."

func (f *allFlags) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.all, "all", false, "check all backups, and that the ledger tells of no others")
	cmd.Flags().StringVar(&f.head, "ledger-head", "", "with --from or --share: the ledger's newest entry as it is remembered elsewhere, SEQUENCE:SHA256")
}

// given returns the head that the operator remembers, nil when none is given.
func (f allFlags) given(from storeFlags) (*backup.LedgerHead, error) {
	if f.head == "" {
		return nil, nil
	}
	if !from.given() {
		return nil, usage("--ledger-head needs --from or --share: without them the ledger is compared with what the settings hold")
	}
	head, err := backup.ParseLedgerHead(f.head)
	if err != nil {
		return nil, usage("--ledger-head %s is not the head of a ledger: want its sequence, a colon and a SHA-256", quoted(f.head))
	}
	return &head, nil
}

func (a *app) verifyAll(ctx context.Context, args []string, from storeFlags, f allFlags, keyFiles []string) error {
	switch {
	case len(args) > 0:
		return usage("--all and one backup exclude each other")
	case len(keyFiles) > 0:
		return usage("--all needs no key; give --identity with one backup")
	case from.allowedSigners != "" && !from.given():
		return usage("--allowed-signers needs --from or --share: a worker compares with the keys in the settings")
	}
	audit, unknownSigner, err := a.audit(ctx, from, f)
	if err != nil {
		return err
	}
	if err := a.printAudit(audit, unknownSigner); err != nil {
		return err
	}
	if !audit.HeadKnown {
		a.say(headUnknown)
	}
	if !audit.Good() {
		return exitCode(fault.ExitDamaged)
	}
	return nil
}

// audit lets a worker look, or looks itself where the flags name a place.
func (a *app) audit(ctx context.Context, from storeFlags, f allFlags) (audit backup.Audit, unknownSigner bool, err error) {
	head, err := f.given(from)
	if err != nil {
		return audit, false, err
	}
	if !from.given() {
		c, err := a.controller(ctx)
		if err != nil {
			return audit, false, err
		}
		show := a.newCounter("A worker verifies all backups")
		defer show.end()
		audit, err = c.VerifyAll(control.WithObserver(ctx, show.beat))
		return audit, false, err
	}
	from.mayBeGone = head != nil // the audit then says that all was rolled back
	opened, err := a.open(ctx, from)
	if err != nil {
		return audit, false, err
	}
	defer opened.close(a)
	opened.noteTrust(a)
	verify := func(ctx context.Context, signers []byte) (backup.Audit, error) {
		began := time.Now()
		opts := repository.AuditOptions{AllowedSigners: signers, Head: head, Pause: a.pause}
		audit, err := opened.repo.VerifyAll(ctx, opts, func(id backup.ID, n, of int) {
			a.say("Verifying %s, %d of %d ...", id, n, of)
		})
		audit.Began = began.UTC()
		return audit, err
	}
	if audit, err = verify(ctx, opened.signers); err != nil || audit.Good() {
		return audit, false, err
	}
	unknownSigner, err = a.noteUnknownSigners(ctx, opened, from, func(ctx context.Context, signers []byte) ([]backup.Finding, error) {
		again, err := verify(ctx, signers)
		return allFindings(again), err
	})
	return audit, unknownSigner, err
}

// allFindings are those of the share as a whole and of its backups.
func allFindings(audit backup.Audit) []backup.Finding {
	all := slices.Clone(audit.Findings)
	for _, v := range audit.Backups {
		all = append(all, v.Findings...)
	}
	return all
}

func (a *app) printAudit(audit backup.Audit, unknownSigner bool) error {
	return a.print(audit, func(w *tabwriter.Writer) {
		line(w, "Verdict:", verdictOf(allFindings(audit), unknownSigner))
		line(w, "Begun:", when(audit.Began))
		line(w, "Ledger:", ledgerSeen(audit.Entries, audit.Head, nil))
		for _, f := range audit.Findings {
			line(w, f.Code+":", f.File+": "+f.Message)
		}
		line(w)
		line(w, "BACKUP", "VERDICT", "FILES", "SIZE")
		for _, v := range audit.Backups {
			word := "good"
			if len(v.Findings) > 0 {
				word = "BAD"
			}
			line(w, v.Path, word, v.Files, size(v.Bytes))
			for _, f := range v.Findings {
				line(w, "  "+f.Code, f.File+": "+f.Message)
			}
		}
		others := audit.Foreign
		others.Names = slices.Clone(others.Names)
		for _, v := range audit.Backups {
			others.Merge(v.Foreign)
		}
		if others.Count > 0 {
			line(w)
			foreignLines(w, others)
		}
	})
}
