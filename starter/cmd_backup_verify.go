package main

import (
	"context"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/ui/progress"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) backupVerifyCommand() *cobra.Command {
	var from storeFlags
	var keyFiles []string
	var all allFlags
	cmd := &cobra.Command{
		Use:   "verify [ID|latest|--all] [--identity F] [--from DIR]",
		Short: "Check a backup, or all of them: signature, digests, completeness, ledger",
		Long: `Check that every byte of a backup is what was written, that nothing is missing and
nothing was added that could be taken for a part of it, that it was signed by this instance, and that it is the one that the
signed ledger on the share lists, in its newest state. No private key is needed; a
worker does the reading. Exit code 7 when something is wrong. What file servers, desktops
and people leave beside the backup's files is named, and nothing is wrong with that.

With --identity this command reads the share itself, decrypts everything and compares
every item with the catalog: the key does not leave this machine. With --from it reads
a mounted or copied share, or uses --share, without Temporal; then the signing key is the
one beside the backups unless --allowed-signers names a trusted copy, and how far
the ledger reached is unknown unless --ledger-head gives it.

--all checks every backup, and that none was removed, added, renamed or rolled back.`,
		Example: `  infrabackup backup verify latest
  infrabackup backup verify 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11 --identity operator.key
  infrabackup backup verify --all
  infrabackup backup verify --all --from /mnt/AzSBackups --allowed-signers trusted_signers`,
		Args:              args.AtMostOne("ID"),
		ValidArgsFunction: a.completeIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if err := from.check(); err != nil {
				return err
			}
			if all.all {
				return a.verifyAll(ctx, args, from, all, keyFiles)
			}
			id, err := latestOr(args)
			if err != nil {
				return err
			}
			verdict, err := a.verify(ctx, id, from, all, keyFiles)
			if err != nil {
				return err
			}
			if err := a.print(verdict.Verdict, func(w *tabwriter.Writer) { table.Verdict(w, verdict.Verdict, verdict.unknownSigner) }); err != nil {
				return err
			}
			a.noteLedger(verdict.Verdict)
			if len(verdict.Findings) > 0 {
				return exitCode(fault.ExitDamaged)
			}
			return nil
		},
	}
	from.register(cmd)
	all.register(cmd)
	cmd.Flags().StringArrayVar(&keyFiles, "identity", nil, "file with the operator's private key; may be repeated")
	return cmd
}

// judged is a verdict, and whether all that is wrong is that the operator's list of
// signers lacks a key.
type judged struct {
	backup.Verdict
	unknownSigner bool
}

func (a *app) verify(ctx context.Context, id string, from storeFlags, f allFlags, keyFiles []string) (v judged, err error) {
	keys, err := localfile.Identities(ctx, keyFiles)
	if err != nil {
		return v, err
	}
	head, err := f.given(from)
	if err != nil {
		return v, err
	}
	if from.allowedSigners != "" && len(keys) == 0 && !from.given() {
		return v, fault.Usagef("--allowed-signers needs --identity, --from or --share: a worker compares with the key in the settings")
	}
	if len(keys) == 0 && !from.given() {
		c, err := a.controller(ctx)
		if err != nil {
			return v, err
		}
		if id, err = a.whole(ctx, c, id); err != nil {
			return v, err
		}
		show := progress.NewReading(a.stderr, a.terminal(a.stderr), "A worker verifies "+id)
		defer show.End()
		v.Verdict, err = c.Verify(control.WithObserver(ctx, show.Beat), id)
		return v, err
	}
	from.mayBeGone = head != nil // the verdict then says that all was rolled back
	opened, err := a.open(ctx, from)
	if err != nil {
		return v, err
	}
	defer a.closeRepo(opened)
	ref, err := opened.Resolve(ctx, id, opened.LatestKnown)
	if err != nil {
		return v, err
	}
	a.noteTrust(opened)
	if !from.given() {
		if head, err = a.ledgerHead(ctx); err != nil {
			return v, err
		}
	}
	verify := func(ctx context.Context, signers []byte) (backup.Verdict, error) {
		show := progress.NewReading(a.stderr, a.terminal(a.stderr), "Verifying "+string(ref.ID))
		defer show.End()
		return audit.VerifyOne(ctx, opened.Repo, ref, audit.OneOptions{
			Options: audit.Options{AllowedSigners: signers, Head: head, Pause: a.pause}, Identities: keys, Progress: show.See,
		})
	}
	if v.Verdict, err = verify(ctx, opened.Signers); err != nil || len(v.Findings) == 0 {
		return v, err
	}
	v.unknownSigner, err = a.noteUnknownSigners(ctx, opened, from, func(ctx context.Context, signers []byte) ([]backup.Finding, error) {
		again, err := verify(ctx, signers)
		return again.Findings, err
	})
	return v, err
}

// ledgerHead asks how far the ledger on the share of the settings reached. It is asked
// before the share is read, which may only have more.
func (a *app) ledgerHead(ctx context.Context) (*backup.LedgerHead, error) {
	c, err := a.controller(ctx)
	if err != nil {
		return nil, err
	}
	summary, err := c.Summary(ctx)
	return &summary.Ledger, err
}

// noteLedger says what the comparison with the ledger did not show.
func (a *app) noteLedger(v backup.Verdict) {
	seen := v.Ledger
	switch {
	case seen == nil:
		a.say("Note: the worker is older than this command and did not ask the ledger; verify --all does.")
	case seen.Entries == 0 && !seen.HeadKnown && table.LedgerUnread(v.Findings):
		a.say("Note: the ledger on the share could not be checked, so whether the backup is in its newest state is not known; see --allowed-signers.")
	case seen.Entries == 0 && !seen.HeadKnown:
		a.say("Note: there is no ledger on the share, so whether the backup is in its newest state is not known; see --ledger-head.")
	case !seen.HeadKnown:
		a.say(headUnknown)
	}
}
