package main

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/printable"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// storeFlags say where backups are read from, when not from the share that the
// settings name.
type storeFlags struct {
	from           string
	share          string
	username       string
	passwordFile   string
	transport      string
	allowedSigners string
	mayBeGone      bool // that nothing is at from is for the caller to find
}

func (f *storeFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "folder with a mounted or copied share, or one backup's folder in it, instead of the share itself; needs no Temporal")
	flags.StringVar(&f.share, "share", "", "UNC path of the share, instead of the one in the settings; needs no Temporal")
	flags.StringVar(&f.username, "username", "", "account for --share")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with the password for --share, - for standard input")
	flags.StringVar(&f.transport, "transport", "", "protection on the wire for --share: encrypted or signed (default: encrypted)")
	flags.StringVar(&f.allowedSigners, "allowed-signers", "", "trusted copy of the instance's allowed_signers")
}

// given reports whether the operator named a place.
func (f storeFlags) given() bool { return f.from != "" || f.share != "" }

// check refuses flags that contradict each other, or that nothing would come of.
func (f storeFlags) check() error {
	switch {
	case f.from != "" && f.share != "":
		return fault.Usagef("--from and --share exclude each other")
	case f.share == "" && (f.username != "" || f.passwordFile != "" || f.transport != ""):
		return fault.Usagef("--username, --password-file and --transport belong to --share, which is missing")
	case f.transport != "" && f.transport != string(share.Encrypted) && f.transport != string(share.Signed):
		return fault.Usagef("--transport %s is neither %s nor %s", printable.Quote(f.transport), share.Encrypted, share.Signed)
	}
	return nil
}

// closeRepo ends the connection to where backups were read.
func (a *app) closeRepo(repo *operator.LocalRepo) {
	if err := repo.Close(); err != nil {
		a.say("Warning: the connection to the share did not end well: %v", err)
	}
}

// open connects to the place that the flags name, else to the share of the settings.
func (a *app) open(ctx context.Context, f storeFlags) (*operator.LocalRepo, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := args.CheckInstance(a.instance); err != nil {
		return nil, err
	}
	var trusted []byte
	var err error
	if f.allowedSigners != "" {
		if trusted, err = operator.ReadSigners(ctx, f.allowedSigners, table.SettingsLabels...); err != nil {
			return nil, err
		}
	}
	var repo *operator.LocalRepo
	switch {
	case f.from != "":
		repo, err = operator.OpenFolder(f.from, a.instance, f.mayBeGone)
	case f.share != "":
		repo, err = a.openShare(ctx, f)
	default:
		repo, err = a.openConfigured(ctx)
	}
	if err != nil {
		return nil, err
	}
	if f.allowedSigners != "" {
		repo.Trust(ctx, trusted)
	}
	return repo, nil
}

func (a *app) openShare(ctx context.Context, f storeFlags) (*operator.LocalRepo, error) {
	unc, err := args.UNC(f.share)
	if err != nil {
		return nil, err
	}
	if f.username == "" {
		return nil, fault.Usagef("--share needs --username")
	}
	password, err := a.password(ctx, f.passwordFile, "Password of "+f.username)
	if err != nil {
		return nil, err
	}
	return operator.OpenShare(ctx, smb.Config{
		UNC: unc, Username: f.username, Password: password, Transport: cmp.Or(share.Transport(f.transport), share.Encrypted),
	}, a.instance)
}

// openConfigured connects to the share of the settings, and trusts the keys in them.
func (a *app) openConfigured(ctx context.Context) (*operator.LocalRepo, error) {
	c, err := a.controller(ctx)
	if err != nil {
		return nil, err
	}
	s, err := c.Settings(ctx)
	if err != nil {
		return nil, err
	}
	return operator.OpenConfigured(ctx, s, a.instance, a.mount)
}
