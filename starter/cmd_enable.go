package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) enableCommand() *cobra.Command {
	var in control.EnableRequest
	var passwordFile, transport string
	var keys recipientFlags
	var services []string
	var adoptFlags adoptFlags
	cmd := &cobra.Command{
		Use:   "enable --share UNC --username USER [--password-file F] (--recipient R | --certificate F | --key-file F)",
		Short: "Enable backups: share, account and the key that opens them",
		Long: `Enable backups of an instance, once. The share is probed first: name, port 445,
SMB 3, login, encryption, write, read back, rename and delete. When anything fails,
no settings are active.

The service gets public keys only. Keep the private key offline and in two places:
without it no backup can be opened. Give several keys to let any one of them open the
backups, such as an escrow key beside the operator's.

On a share that holds this instance's backups already, from a controller that is gone,
--adopt checks its ledger and signatures and takes the backups over; a controller that
still runs is refused from then on.

What a backup has to contain is what the workers that answer have sources for, unless
--services sets it; "settings services set" changes it later.`,
		Example: `  infrabackup enable --share '\\fs.example.com\AzSBackups' --username 'CORP\backup' --recipient age1...
  infrabackup enable --share '\\fs\AzSBackups\site1' --username backup@corp.example.com --password-file pw --certificate backup.cer`,
		Args: args.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if in.Share.Path == "" || in.Username == "" {
				return fault.Usagef("--share and --username are needed")
			}
			if _, err := args.UNC(in.Share.Path); err != nil {
				return err
			}
			if err := args.CheckProofDays(in.ProofDays); err != nil {
				return err
			}
			var err error
			if in.Signers, err = adoptFlags.load(ctx, in.Adopt); err != nil {
				return err
			}
			if in.Services, err = args.Services(services); err != nil {
				return err
			}
			if in.Recipients, err = keys.load(ctx, time.Now()); err != nil {
				return err
			}
			if in.Password, err = a.password(ctx, passwordFile, "Password of "+in.Username); err != nil {
				return err
			}
			in.Instance.Name, in.Share.Transport, in.RequestedBy = a.instance, share.Transport(transport), operator.Requester()
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			if in.Adopt && len(in.Signers) == 0 {
				a.say(untrustedSigners)
			}
			a.say("Probing %s ...", in.Share.Path)
			summary, err := c.Enable(ctx, in)
			if err != nil {
				a.noteDomain(in.Username, err)
				return err
			}
			if in.Adopt {
				a.say("Note: this controller signs with a new key, shown below. Give it to those who check the share with a list of signers of their own.")
			}
			if transport == string(share.Signed) {
				a.say(signedWarning)
			}
			return a.printSettings(summary)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Share.Path, "share", "", `UNC path of the share, such as \\fs.example.com\AzSBackups`)
	flags.StringVar(&in.Username, "username", "", `account on the share: DOMAIN\user or user@realm`)
	flags.StringVar(&passwordFile, "password-file", "", "file with the account's password, - for standard input (default: ask)")
	flags.StringVar(&transport, "transport", string(share.Encrypted), "protection on the wire: encrypted or signed")
	flags.StringVar(&in.Instance.FQDN, "fqdn", "", "external domain name of the instance, for the manifest")
	flags.StringVar(&in.Instance.Region, "region", "", "region of the instance, for the manifest")
	flags.StringVar(&in.Instance.DeploymentID, "deployment-id", "", "deployment GUID of the instance, for the manifest")
	flags.IntVar(&in.ProofDays, "prove-every", settings.DefaultProofDays, "warn of a key that was not proven for this many days")
	flags.StringSliceVar(&services, "services", nil, "what a backup has to contain, such as AD,CA (default: what the workers have sources for)")
	keys.register(cmd)
	adoptFlags.register(cmd, &in.Adopt)
	return cmd
}

// adoptFlags say whom to trust on a share that another controller wrote to.
type adoptFlags struct{ file string }

func (f *adoptFlags) register(cmd *cobra.Command, adopt *bool) {
	cmd.Flags().BoolVar(adopt, "adopt", false, "take over the backups that another controller of this instance left on the share")
	cmd.Flags().StringVar(&f.file, "allowed-signers", "", "with --adopt: trusted copy of the instance's allowed_signers")
}

func (f *adoptFlags) load(ctx context.Context, adopt bool) ([]byte, error) {
	switch {
	case f.file == "":
		return nil, nil
	case !adopt:
		return nil, fault.Usagef("--allowed-signers belongs to --adopt, which is missing")
	}
	return operator.ReadSigners(ctx, f.file, table.SettingsLabels...)
}
