package main

import (
	"cmp"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) shareCommand() *cobra.Command {
	group := &cobra.Command{Use: "share", Short: "Change where backups are written", Args: args.None, RunE: args.NeedsCommand}
	var in control.ShareChange
	var passwordFile, transport string
	var adopt adoptFlags
	cmd := &cobra.Command{
		Use:   "set UNC [--username USER] [--password-file F] [--copy]",
		Short: "Write to another share from now on",
		Long: `Write backups to another share from now on. The new share is probed first, as "enable"
does; when anything fails, the old one stays active. A backup that runs goes on with
the share that it began with. A path inside an instance's own folder is refused.

The backups on the old share stay there, and "backup list" shows those of the current
share only. With --copy all of them are copied first, every byte is compared, and only
then the new share becomes the current one. Without --username the account stays the same.

--adopt takes over a folder that another controller wrote to, also on the current
share. The keys that are trusted there are those of this controller, or those in the
file of --allowed-signers. When the ledger there is not whole for a reason that you know,
such as a share that was restored from a snapshot, --new-ledger begins another one.`,
		Example: `  infrabackup share set '\\fs2.example.com\AzSBackups'
  infrabackup share set '\\fs2.example.com\AzSBackups' --username 'CORP\backup2' --password-file pw --copy`,
		Args: args.One("UNC"),
		RunE: func(cmd *cobra.Command, given []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if _, err := args.UNC(given[0]); err != nil {
				return err
			}
			in.Share = settings.Share{Path: given[0], Transport: share.Transport(transport)}
			in.RequestedBy = operator.Requester()
			var err error
			if in.Signers, err = adopt.load(ctx, in.Adopt); err != nil {
				return err
			}
			if in.NewLedger && !in.Adopt {
				return fault.Usagef("--new-ledger belongs to --adopt, which is missing")
			}
			switch {
			case in.Username != "":
				if in.Password, err = a.password(ctx, passwordFile, "Password of "+in.Username); err != nil {
					return err
				}
			case passwordFile != "":
				return fault.Usagef("--password-file belongs to --username, which is missing")
			}
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			a.say("Probing %s ...", in.Share.Path)
			out, err := c.ChangeShare(ctx, in)
			if err != nil {
				a.noteDomain(cmp.Or(in.Username, `\`), err)
				return err
			}
			if transport == string(share.Signed) {
				a.say(signedWarning)
			}
			return a.print(out, func(w *tabwriter.Writer) {
				table.Line(w, "Share:", out.Settings.Share.Path)
				table.Line(w, "Before:", out.Before.Path)
				if in.Copy {
					table.Line(w, "Copied:", out.Copied)
				}
				table.Line(w, "Left behind:", leftBehind(out.LeftBehind))
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Username, "username", "", `account on the new share: DOMAIN\user or user@realm (default: the current one)`)
	flags.StringVar(&passwordFile, "password-file", "", "file with the account's password, - for standard input (default: ask)")
	flags.StringVar(&transport, "transport", string(share.Encrypted), "protection on the wire: encrypted or signed")
	flags.BoolVar(&in.Copy, "copy", false, "copy the backups to the new share first, and compare them")
	adopt.register(cmd, &in.Adopt)
	flags.BoolVar(&in.NewLedger, "new-ledger", false, "with --adopt: set the ledger that is there aside, and begin another with the backups that are there and signed")
	group.AddCommand(cmd)
	return group
}

func leftBehind(n int) any {
	if n < 0 {
		return "unknown, the share did not answer"
	}
	return n
}
