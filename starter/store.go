package main

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/share/smb"
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
		return usage("--from and --share exclude each other")
	case f.share == "" && (f.username != "" || f.passwordFile != "" || f.transport != ""):
		return usage("--username, --password-file and --transport belong to --share, which is missing")
	case f.transport != "" && f.transport != string(share.Encrypted) && f.transport != string(share.Signed):
		return usage("--transport %s is neither %s nor %s", quoted(f.transport), share.Encrypted, share.Signed)
	}
	return nil
}

// opened is a repository that this process reads itself.
type opened struct {
	repo    *repository.Repository
	store   share.Store
	signers []byte     // trusted, empty when only the share's own are known
	named   backup.Ref // the one backup whose folder was named; zero for all
}

func (o *opened) close(a *app) {
	if err := o.store.Close(); err != nil {
		a.say("Warning: the connection to the share did not end well: %v", err)
	}
}

// noteTrust says that whoever can write to the share can also change whom it trusts.
func (o *opened) noteTrust(a *app) {
	if len(o.signers) == 0 {
		a.say(untrustedSigners)
	}
}

// open connects to the place that the flags name, else to the share of the settings.
func (a *app) open(ctx context.Context, f storeFlags) (*opened, error) {
	o, err := &opened{}, f.check()
	if err != nil {
		return nil, err
	}
	if err := a.checkInstance(); err != nil {
		return nil, err
	}
	if f.allowedSigners != "" {
		if o.signers, err = trustedSigners(ctx, f.allowedSigners); err != nil {
			return nil, err
		}
	}
	var folder string
	switch {
	case f.from != "":
		o.store, folder, err = a.openFolder(f.from, f.mayBeGone)
	case f.share != "":
		o.store, err = a.openShare(ctx, f)
	default:
		err = a.openConfigured(ctx, o)
	}
	if err != nil {
		return nil, err
	}
	o.repo = repository.New(o.store, a.instance)
	if f.allowedSigners != "" {
		o.signers = o.asOnShare(ctx, o.signers)
	}
	if folder != "" {
		o.named.Folder = folder
		o.named.ID, _, _ = backup.ParseFolderName(folder) // openFolder has understood it
	}
	return o, nil
}

// openFolder takes a mounted or copied share, the instance's folder in it, or the
// folder of one backup as it lies in there, whose name it returns, and makes sure that
// backups are there, unless they may be gone.
func (a *app) openFolder(folder string, mayBeGone bool) (store share.Store, named string, err error) {
	root, err := filepath.Abs(folder)
	if err != nil {
		return nil, "", fault.New(fault.Usage, "--from was not understood", err)
	}
	if _, _, err := backup.ParseFolderName(filepath.Base(root)); err == nil {
		named = filepath.Base(root)
		root = filepath.Dir(filepath.Dir(root)) // out of <instance>/backups/<backup>
	}
	if filepath.Base(root) == a.instance && (isFolder(filepath.Join(root, backup.BackupsDir)) || mayBeGone && !isFolder(root)) {
		root = filepath.Dir(root)
	}
	_, err = os.Stat(filepath.Join(root, a.instance, backup.BackupsDir))
	if errors.Is(err, fs.ErrNotExist) && !mayBeGone {
		return nil, "", fault.Newf(fault.BackupNotFound, "%s holds no backups of instance %s; --from takes the folder that holds the folder %s", folder, a.instance, a.instance)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", fault.New(fault.Usage, "--from cannot be read", err)
	}
	opened, err := dir.Open(root)
	if err != nil {
		return nil, "", err // not a typed nil in the interface
	}
	return opened, named, nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func (a *app) openShare(ctx context.Context, f storeFlags) (share.Store, error) {
	unc, err := parseUNC(f.share)
	if err != nil {
		return nil, err
	}
	if f.username == "" {
		return nil, usage("--share needs --username")
	}
	password, err := a.password(ctx, f.passwordFile, "Password of "+f.username)
	if err != nil {
		return nil, err
	}
	store, err := smb.Open(ctx, smb.Config{
		UNC: unc, Username: f.username, Password: password, Transport: cmp.Or(share.Transport(f.transport), share.Encrypted),
	})
	if err != nil {
		return nil, err // not a typed nil in the interface
	}
	return store, nil
}

func (a *app) openConfigured(ctx context.Context, o *opened) error {
	c, err := a.controller(ctx)
	if err != nil {
		return err
	}
	s, err := c.Settings(ctx)
	if err != nil {
		return err
	}
	if len(o.signers) == 0 {
		o.signers = seal.AllowedSigners(s.Signing.Publics()...)
	}
	connect := a.mount
	if connect == nil {
		connect = mountShare
	}
	o.store, err = connect(ctx, s)
	return err
}

// backup opens a backup, and only one that a trusted key signed wherever it is known whom
// to trust, unless the operator does not want that.
func (o *opened) backup(ctx context.Context, ref backup.Ref, unverified bool) (*repository.Backup, error) {
	if len(o.signers) > 0 && !unverified {
		return o.repo.OpenSigned(ctx, ref, o.signers)
	}
	return o.repo.Open(ctx, ref)
}

// resolve turns an argument, as [latestOr] returns it, into a backup. Latest says which is
// the latest: [opened.latest] or [opened.latestKnown].
func (o *opened) resolve(ctx context.Context, id string, latest func(context.Context) (backup.ID, error)) (backup.Ref, error) {
	switch {
	case id != control.Latest && o.named.ID != "" && !strings.HasPrefix(string(o.named.ID), id):
		return backup.Ref{}, usage("--from names the folder of backup %s, not that of %s", o.named.ID, id)
	case o.named.ID != "":
		return o.named, nil
	case !isWhole(id):
		listed, err := o.repo.List(ctx, 0)
		if err != nil {
			return backup.Ref{}, err
		}
		found, err := onlyOne(id, listed.Backups)
		return backup.Ref{ID: found}, err
	case id != control.Latest:
		return backup.Ref{ID: backup.ID(id)}, nil
	}
	found, err := latest(ctx)
	return backup.Ref{ID: found}, err
}

// latest is the newest backup that can be read.
func (o *opened) latest(ctx context.Context) (backup.ID, error) {
	listed, err := o.repo.List(ctx, 1)
	if err != nil {
		return "", err
	}
	if len(listed.Backups) == 0 {
		return "", fault.Newf(fault.BackupNotFound, "%s holds no readable backup", o.repo)
	}
	return listed.Backups[0].BackupID, nil
}

// latestKnown is the newest backup of those that can be read and those that the ledger
// lists, also when it is missing.
func (o *opened) latestKnown(ctx context.Context) (backup.ID, error) {
	return o.repo.LatestKnown(ctx, o.signers)
}
