package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/archive"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/printable"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
)

// extractFlags say what is taken out of a backup.
type extractFlags struct {
	storeFlags
	keyFiles   []string
	to         string
	service    string
	item       string
	format     string
	subtree    bool
	list       bool
	unverified bool
}

const unverifiedWarning = "Warning: with --unverified nobody vouches for what is extracted: whoever can write to the share could have made it."

func (a *app) restoreCommand() *cobra.Command {
	group := &cobra.Command{Use: "restore", Short: "Take things out of a backup", Args: noArgs, RunE: needsCommand}
	var f extractFlags
	cmd := &cobra.Command{
		Use:   "extract [ID|latest] --identity F --to DIR [--service S] [--item ID] [--format files|ldif]",
		Short: "Decrypt a backup, one service or one item into a folder",
		Long: `Decrypt with the operator's private key, which does not leave this machine. Without
--service every part is extracted, each into a folder of its service. --item takes one
item, without reading the rest of its part. --list shows what there is.

--format ldif writes the directory as LDIF: ad-objects.ldif, which ldapmodify -c and
ldbadd take, ad-links.ldif for group members and other links afterwards, with
ldapmodify -c, which goes on after a link that is there already, and ad-verbatim.ldif
with everything as it was read. It needs --service AD. With --item it is one file for
ldapmodify -c, which creates that object again, or with --subtree also what lies below
it, and then the links of and to it; comments in it say what is lost. Existing files are
never overwritten.

Nothing is written unless a key that is trusted signed the backup, and what is read has to
be what was signed. Trusted are the signing keys in the settings, or those of
--allowed-signers; with --from or --share and without that list no key is known, and no
signature is checked. On the worst day, --unverified opens what is left all the same.
"backup verify" also tells whether a backup is in its newest state.`,
		Example: `  infrabackup restore extract latest --identity operator.key --to out
  infrabackup restore extract latest --identity operator.key --service AD --format ldif --to out
  infrabackup restore extract latest --identity operator.key --service AD --item 31b2f340-016d-11d2-945f-00c04fb984f9 --subtree --format ldif --to out
  infrabackup restore extract latest --identity operator.key --service CA --list
  infrabackup restore extract latest --identity operator.key --from /mnt/AzSBackups --to out
  infrabackup restore extract latest --identity operator.key --from /mnt/AzSBackups --allowed-signers trusted_signers --to out
  infrabackup restore extract latest --identity operator.key --unverified --to out`,
		Args:              atMostOneArg("ID"),
		ValidArgsFunction: a.completeIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			id, err := latestOr(args)
			if err != nil {
				return err
			}
			return a.extract(ctx, id, f)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keyFiles, "identity", nil, "file with the operator's private key; may be repeated")
	flags.StringVar(&f.to, "to", "", "folder to extract into, made when missing")
	flags.StringVar(&f.service, "service", "", "only this service, such as AD or CA")
	flags.StringVar(&f.item, "item", "", "only the item with this ID; needs --service")
	flags.StringVar(&f.format, "format", "files", "files, or ldif for AD")
	flags.BoolVar(&f.subtree, "subtree", false, "with --item and --format ldif: everything below the object, too")
	flags.BoolVar(&f.unverified, "unverified", false, "extract what no trusted key signed, too; what comes out may be forged")
	flags.BoolVar(&f.list, "list", false, "list the items instead of extracting them")
	group.AddCommand(cmd)
	return group
}

func (f extractFlags) check() (backup.Service, error) {
	switch {
	case len(f.keyFiles) == 0:
		return "", usage("--identity is needed: the file with the operator's private key")
	case f.to == "" && !f.list:
		return "", usage("--to is needed: the folder to extract into")
	case f.unverified && f.allowedSigners != "":
		return "", usage("--unverified and --allowed-signers exclude each other")
	case f.format != "files" && f.format != "ldif":
		return "", usage("--format %s is neither files nor ldif", printable.Quote(f.format))
	case f.subtree && (f.item == "" || f.format != "ldif"):
		return "", usage("--subtree needs --item and --format ldif")
	case f.item != "" && f.service == "":
		return "", usage("--item needs --service")
	}
	if f.service == "" {
		if f.format == "ldif" {
			return "", usage("--format ldif needs --service AD")
		}
		return "", nil
	}
	service, err := backup.ParseService(f.service)
	if err != nil {
		return "", fault.New(fault.Usage, "--service was not understood", err)
	}
	if f.format == "ldif" && service != backup.AD {
		return "", usage("--format ldif needs --service AD")
	}
	return service, nil
}

func (a *app) extract(ctx context.Context, id string, f extractFlags) error {
	service, err := f.check()
	if err != nil {
		return err
	}
	operator, err := identities(ctx, f.keyFiles)
	if err != nil {
		return err
	}
	place, err := a.open(ctx, f.storeFlags)
	if err != nil {
		return err
	}
	defer a.closeRepo(place)
	ref, err := place.Resolve(ctx, id, place.Latest)
	if err != nil {
		return err
	}
	b, err := place.Backup(ctx, ref, f.unverified)
	if err != nil {
		return err
	}
	if f.unverified {
		a.say(unverifiedWarning)
	}
	keyFile, err := b.KeyFile(ctx)
	if err != nil {
		return err
	}
	key, err := seal.OpenBackupKey(keyFile, operator)
	if err != nil {
		return err
	}
	x := &extraction{app: a, backup: b, key: key, service: service, flags: f}
	if f.list {
		return x.list(ctx)
	}
	return x.run(ctx)
}

// extraction takes things out of one backup.
type extraction struct {
	app     *app
	backup  *repository.Backup
	key     seal.Identity
	service backup.Service // empty for all
	flags   extractFlags
	files   int64
	inexact int64 // files whose time the file system cannot keep
}

// maxTimeWarnings bounds how many of them are named.
const maxTimeWarnings = 20

// wanted reports whether the catalogue's entry was asked for.
func (x *extraction) wanted(e backup.CatalogEntry) bool {
	return (x.service == "" || e.Service == x.service) && (x.flags.item == "" || e.ID == x.flags.item)
}

// list prints items as they come, so that memory does not grow with the backup.
func (x *extraction) list(ctx context.Context) error {
	if x.app.output == "json" {
		entries := []backup.CatalogEntry{}
		err := x.backup.Catalog(ctx, x.key, func(e backup.CatalogEntry) error {
			if x.wanted(e) {
				entries = append(entries, e)
			}
			return nil
		})
		if err == nil && len(entries) == 0 {
			err = x.noItem()
		}
		if err != nil {
			return err
		}
		return x.app.print(entries, nil)
	}
	w := tabwriter.NewWriter(x.app.stdout, 0, 8, 2, ' ', 0)
	listed := false
	head := func() {
		if !listed {
			line(w, "SERVICE", "KIND", "ID", "SIZE", "NAME")
		}
		listed = true
	}
	err := x.backup.Catalog(ctx, x.key, func(e backup.CatalogEntry) error {
		if x.wanted(e) {
			head()
			line(w, e.Service, e.Kind, e.ID, e.Length, e.Name)
		}
		return nil
	})
	if err == nil && !listed {
		if err = x.noItem(); err == nil {
			head()
		}
	}
	return errors.Join(err, w.Flush())
}

// noItem is the fault of an item that was asked for and not found, nil when none was.
func (x *extraction) noItem() error {
	if x.flags.item == "" {
		return nil
	}
	return fault.Newf(fault.ItemNotFound, "backup %s has no item %s of %s", x.backup.Manifest().BackupID, printable.Short(printable.Text(x.flags.item)), x.service)
}

func (x *extraction) run(ctx context.Context) error {
	if err := localfile.OffShare("--to", x.flags.to, x.flags.from); err != nil {
		return err
	}
	if err := os.MkdirAll(x.flags.to, 0o700); err != nil {
		return fault.New(fault.Usage, "--to cannot be made", err)
	}
	root, err := os.OpenRoot(x.flags.to)
	if err != nil {
		return fault.New(fault.Usage, "--to cannot be opened", err)
	}
	defer func() { _ = root.Close() }() // nothing is written through it any more
	switch {
	case x.flags.item != "":
		err = x.extractItem(ctx, root)
	case x.flags.format == "ldif":
		err = x.extractLDIF(ctx, root)
	default:
		err = x.extractParts(ctx, root)
	}
	if err != nil {
		return err
	}
	document := map[string]any{"backupId": x.backup.Manifest().BackupID, "to": x.flags.to, "files": x.files}
	return x.app.print(document, func(w *tabwriter.Writer) { line(w, x.files, "files extracted to", x.flags.to) })
}

// extractParts extracts whole parts.
func (x *extraction) extractParts(ctx context.Context, root *os.Root) error {
	for _, s := range x.backup.Manifest().Services {
		if x.service != "" && s.Service != x.service {
			continue
		}
		if s.File == "" {
			x.app.say("Warning: the backup has no part of %s: %s", s.Service, s.Code+" "+s.Message)
			if x.service != "" {
				return fault.Newf(fault.ItemNotFound, "backup %s has no part of %s", x.backup.Manifest().BackupID, s.Service)
			}
			continue
		}
		if err := x.extractPart(ctx, root, s); err != nil {
			return err
		}
	}
	if x.files == 0 && x.service != "" {
		return fault.Newf(fault.ItemNotFound, "backup %s has no part of %s", x.backup.Manifest().BackupID, x.service)
	}
	return nil
}

func (x *extraction) extractPart(ctx context.Context, root *os.Root, s backup.ServiceResult) (err error) {
	folder := string(s.Service)
	if err := root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fault.New(fault.Usage, folder+" cannot be made in --to", err)
	}
	sub, err := root.OpenRoot(folder)
	if err != nil {
		return fault.New(fault.Usage, folder+" cannot be opened in --to", err)
	}
	defer func() { err = errors.Join(err, sub.Close()) }()
	part, err := x.backup.Part(ctx, s.Service, x.key)
	if err != nil {
		return err
	}
	limits := archive.DefaultLimits()
	limits.TotalBytes = s.PlainBytes
	n, err := archive.ExtractNoting(part, sub, limits, nil, func(e archive.Entry, now time.Time) {
		if x.inexact++; x.inexact <= maxTimeWarnings {
			x.app.say("Warning: %s was changed on %s, which the file system in --to cannot keep: it says %s.", printable.Text(e.Path), e.ModTime.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
		}
	})
	x.files += n
	if n > 0 && fault.CodeOf(err) == fault.BackupDamaged {
		x.app.say("Warning: %d files in %s come from a part that is damaged: do not rely on them.", n, filepath.Join(x.flags.to, folder))
	}
	return errors.Join(err, part.Close())
}

// extractItem reads one item, and no more of its part than its frames.
func (x *extraction) extractItem(ctx context.Context, root *os.Root) error {
	var found *backup.CatalogEntry
	err := x.backup.Catalog(ctx, x.key, func(e backup.CatalogEntry) error {
		if x.wanted(e) {
			found = &e // a later one supersedes
		}
		return nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return x.noItem()
	}
	data, err := x.backup.Item(ctx, *found, x.key)
	if err != nil {
		return err
	}
	name := itemFile(*found)
	if x.flags.format == "ldif" && found.Kind == record.Kind {
		object, err := record.Decode(data)
		if err != nil {
			return fault.New(fault.BackupDamaged, "item "+found.ID+" cannot be read", err)
		}
		return x.extractItemLDIF(ctx, root, name, object)
	}
	return x.write(root, name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// itemFile names the file for an item.
func itemFile(e backup.CatalogEntry) string {
	name := []byte(e.Kind + "-" + e.ID)
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.':
		default:
			name[i] = '_'
		}
	}
	return string(name[:min(len(name), 200)])
}

// write makes a new file and removes it when it cannot be completed.
func (x *extraction) write(root *os.Root, name string, fill func(io.Writer) error) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fault.Newf(fault.AlreadyExists, "%s exists in %s, and is not overwritten", name, x.flags.to)
	}
	if err != nil {
		return fault.New(fault.Usage, name+" cannot be made in --to", err)
	}
	err = fill(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	x.files++
	return nil
}
