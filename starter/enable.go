package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

func (a *app) enableCommand() *cobra.Command {
	var in control.EnableRequest
	var passwordFile, transport string
	var keys recipientFlags
	cmd := &cobra.Command{
		Use:   "enable --share UNC --username USER [--password-file F] (--recipient R | --certificate F | --key-file F)",
		Short: "Enable backups: share, account and the key that opens them",
		Long: `Enable backups of an instance, once. The share is probed first: name, port 445,
SMB 3, login, encryption, write, read back, rename and delete. When anything fails,
nothing is in force.

The service gets public keys only. Keep the private key offline and in two places:
without it no backup can be opened.`,
		Example: `  infrabackup enable --share '\\fs.example.com\AzSBackups' --username 'CORP\backup' --recipient age1...
  infrabackup enable --share '\\fs\AzSBackups\site1' --username backup@corp.example.com --password-file pw --certificate backup.cer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if in.Share.Path == "" || in.Username == "" {
				return usage("--share and --username are needed")
			}
			if _, err := share.ParseUNC(in.Share.Path); err != nil {
				return err
			}
			var err error
			if in.Recipients, err = keys.load(time.Now()); err != nil {
				return err
			}
			if in.Password, err = a.password(passwordFile, "Password of "+in.Username); err != nil {
				return err
			}
			in.Instance.Name, in.Share.Transport, in.RequestedBy = a.instance, settings.Transport(transport), a.caller()
			c, err := a.controller(ctx)
			if err != nil {
				return err
			}
			a.say("Probing %s ...", in.Share.Path)
			summary, err := c.Enable(ctx, in)
			if err != nil {
				return err
			}
			if transport == string(settings.Signed) {
				a.say("Warning: --transport signed sends data in clear over the network; the backups themselves stay encrypted.")
			}
			return a.printSettings(summary)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Share.Path, "share", "", `UNC path of the share, such as \\fs.example.com\AzSBackups`)
	flags.StringVar(&in.Username, "username", "", `account on the share: DOMAIN\user or user@realm`)
	flags.StringVar(&passwordFile, "password-file", "", "file with the account's password, - for standard input (default: ask)")
	flags.StringVar(&transport, "transport", string(settings.Encrypted), "protection on the wire: encrypted or signed")
	flags.StringVar(&in.Instance.FQDN, "fqdn", "", "external domain name of the instance, for the manifest")
	flags.StringVar(&in.Instance.Region, "region", "", "region of the instance, for the manifest")
	flags.StringVar(&in.Instance.DeploymentID, "deployment-id", "", "deployment GUID of the instance, for the manifest")
	keys.register(cmd)
	return cmd
}

// recipientFlags are the forms in which an operator gives a public key.
type recipientFlags struct {
	recipients, certificates, keyFiles []string
}

func (k *recipientFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&k.recipients, "recipient", nil, "age recipient (age1... or ssh-rsa ...); may be repeated")
	flags.StringArrayVar(&k.certificates, "certificate", nil, "X.509 certificate with an RSA key of 2048 bits or more, PEM or DER; may be repeated")
	flags.StringArrayVar(&k.keyFiles, "key-file", nil, "file with a base64 symmetric key of 32 bytes or more; only its public half is sent; may be repeated")
}

func (k *recipientFlags) load(now time.Time) ([]seal.Recipient, error) {
	var all []seal.Recipient
	add := func(r seal.Recipient, err error) error {
		all = append(all, r)
		return err
	}
	for _, text := range k.recipients {
		if err := add(seal.ParseRecipient(text)); err != nil {
			return nil, err
		}
	}
	for _, file := range k.certificates {
		data, err := read("--certificate", file)
		if err != nil {
			return nil, err
		}
		if err := add(seal.RecipientFromCertificate(data, now)); err != nil {
			return nil, err
		}
	}
	for _, file := range k.keyFiles {
		data, err := read("--key-file", file)
		if err != nil {
			return nil, err
		}
		if err := add(seal.RecipientFromSymmetricKey(secret.New(string(data)))); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fault.Newf(fault.Usage, "no key is given: use --recipient, --certificate or --key-file; make one with `infrabackup key generate`")
	}
	return all, nil
}

func (a *app) settingsCommand() *cobra.Command {
	group := &cobra.Command{Use: "settings", Short: "Look at what is in force", Args: cobra.NoArgs, RunE: needsCommand}
	group.AddCommand(&cobra.Command{
		Use:     "show",
		Short:   "Show the settings in force, without secrets",
		Example: "  infrabackup settings show -o json",
		Args:    cobra.NoArgs,
		RunE: a.controlled(func(ctx context.Context, c controller, _ []string) error {
			summary, err := c.Summary(ctx)
			if err != nil {
				return err
			}
			return a.printSettings(summary)
		}),
	})
	return group
}

func (a *app) printSettings(s settings.Summary) error {
	return a.print(s, func(w *tabwriter.Writer) {
		line(w, "Instance:", strings.TrimSpace(s.Instance.Name+" "+s.Instance.FQDN+" "+s.Instance.Region))
		line(w, "Share:", s.Share.Path)
		line(w, "Transport:", s.Share.Transport)
		line(w, "Account:", s.Username)
		for _, r := range s.Recipients {
			text := fmt.Sprintf("%s %s", r.Kind, r.Fingerprint)
			if !r.Expires.IsZero() {
				text += ", certificate valid until " + when(r.Expires)
			}
			line(w, "Opens with:", text)
		}
		line(w, "Signing key:", s.SigningKey)
		line(w, "Changed:", when(s.ChangedAt)+" by "+s.ChangedBy+", revision "+fmt.Sprint(s.Revision))
	})
}

// needsCommand answers a group that was called without a command.
func needsCommand(cmd *cobra.Command, _ []string) error {
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return usage("%s needs a command: %s", cmd.CommandPath(), strings.Join(names, ", "))
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.print(map[string]any{"version": version, "format": backup.FormatVersion}, func(w *tabwriter.Writer) {
				line(w, "infrabackup "+version+", format "+fmt.Sprint(backup.FormatVersion))
			})
		},
	}
}
