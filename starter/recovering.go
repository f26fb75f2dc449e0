package main

import (
	"context"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/seal"
	"infrabackup/starter/recovering"
)

// recovery is what `recover` and `drill` get.
func (a *app) recovery() recovering.Surroundings {
	return recovering.Surroundings{Lookup: a.lookup, Print: a.print, Say: a.say, Backups: a.backups, Consent: a.agreed, Bounded: a.bounded,
		Failed:     func(code fault.Code) error { return exitCode(code.Exit()) },
		Controller: func(ctx context.Context) (recovering.Controller, error) { return a.controller(ctx) },
		Share: func(ctx context.Context) (*operator.LocalRepo, func(), error) {
			place, err := a.openConfigured(ctx)
			return place, func() { a.closeRepo(place) }, err
		}}
}

// backups adds the flags that say where backups are, and opens one with its key.
func (a *app) backups(cmd *cobra.Command) recovering.Open {
	var f storeFlags
	f.register(cmd)
	unverified := cmd.Flags().Bool("unverified", false, "restore what no trusted key signed, too; what is restored may be forged")
	return func(ctx context.Context, name string, identities []seal.Identity) (b restoring.Backup, done func(), err error) {
		if name, err = latestOr([]string{name}); err != nil {
			return b, nil, err
		}
		place, err := a.open(ctx, f)
		if err != nil {
			return b, nil, err
		}
		if *unverified {
			a.say("Warning: with --unverified nothing vouches for what is restored: anyone who can write to the share could have created it.")
		}
		if b, err = restoring.Open(ctx, place, name, *unverified, identities); err != nil {
			a.closeRepo(place)
			return b, nil, err
		}
		return b, func() {
			if err := b.Close(); err != nil {
				a.say("Warning: the backup was not closed well: %v", err)
			}
			a.closeRepo(place)
		}, nil
	}
}

// agreed says what is going to happen and asks on a terminal whether it is wanted.
func (a *app) agreed(ctx context.Context, yes bool, what string) error {
	if yes {
		return nil
	}
	if !a.terminal(a.stdin) {
		return fault.Usagef("%s Add --yes if that is wanted.", what)
	}
	return a.prompt().Ask(ctx, what, "yes")
}
