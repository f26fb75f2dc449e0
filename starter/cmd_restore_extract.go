package main

import (
	"context"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/extract"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/printable"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
	"infrabackup/starter/recovering"
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

const unverifiedWarning = "Warning: with --unverified nothing vouches for what is extracted: anyone who can write to the share could have created it."

func (a *app) restoreCommand() *cobra.Command {
	group := &cobra.Command{Use: "restore", Short: "Take things out of a backup, or let a worker restore it", Args: args.None, RunE: args.NeedsCommand}
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
it, and then the links of and to it; comments in it list what is lost. Existing files are
never overwritten.

Nothing is written unless a key that is trusted signed the backup, and what is read has to
be what was signed. Trusted are the signing keys in the settings, or those of
--allowed-signers; with --from or --share and without that list no key is known, and no
signature is checked. On the worst day, --unverified opens what is left all the same.
"backup verify" also reports whether a backup is in its newest state.`,
		Example: `  infrabackup restore extract latest --identity operator.key --to out
  infrabackup restore extract latest --identity operator.key --service AD --format ldif --to out
  infrabackup restore extract latest --identity operator.key --service AD --item 31b2f340-016d-11d2-945f-00c04fb984f9 --subtree --format ldif --to out
  infrabackup restore extract latest --identity operator.key --service CA --list
  infrabackup restore extract latest --identity operator.key --from /mnt/AzSBackups --to out
  infrabackup restore extract latest --identity operator.key --from /mnt/AzSBackups --allowed-signers trusted_signers --to out
  infrabackup restore extract latest --identity operator.key --unverified --to out`,
		Args:              args.AtMostOne("ID"),
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
	flags.StringVar(&f.to, "to", "", "folder to extract into, created when missing")
	flags.StringVar(&f.service, "service", "", "only this service, such as AD or CA")
	flags.StringVar(&f.item, "item", "", "only the item with this ID; needs --service")
	flags.StringVar(&f.format, "format", "files", "files, or ldif for AD")
	flags.BoolVar(&f.subtree, "subtree", false, "with --item and --format ldif: everything below the object, too")
	flags.BoolVar(&f.unverified, "unverified", false, "extract what no trusted key signed, too; what comes out may be forged")
	flags.BoolVar(&f.list, "list", false, "list the items instead of extracting them")
	group.AddCommand(append(recovering.RestoreCommands(a.recovery()), cmd)...)
	return group
}

func (f extractFlags) check() (backup.Service, error) {
	switch {
	case len(f.keyFiles) == 0:
		return "", fault.Usagef("--identity is needed: the file with the operator's private key")
	case f.to == "" && !f.list:
		return "", fault.Usagef("--to is needed: the folder to extract into")
	case f.unverified && f.allowedSigners != "":
		return "", fault.Usagef("--unverified and --allowed-signers exclude each other")
	case f.format != "files" && f.format != "ldif":
		return "", fault.Usagef("--format %s is neither files nor ldif", printable.Quote(f.format))
	case f.subtree && (f.item == "" || f.format != "ldif"):
		return "", fault.Usagef("--subtree needs --item and --format ldif")
	case f.item != "" && f.service == "":
		return "", fault.Usagef("--item needs --service")
	}
	if f.service == "" {
		if f.format == "ldif" {
			return "", fault.Usagef("--format ldif needs --service AD")
		}
		return "", nil
	}
	service, err := backup.ParseService(f.service)
	if err != nil {
		return "", fault.New(fault.Usage, "--service was not understood", err)
	}
	if f.format == "ldif" && service != backup.AD {
		return "", fault.Usagef("--format ldif needs --service AD")
	}
	return service, nil
}

func (a *app) extract(ctx context.Context, id string, f extractFlags) error {
	service, err := f.check()
	if err != nil {
		return err
	}
	keys, err := localfile.Identities(ctx, f.keyFiles)
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
	key, err := extract.Unlock(ctx, b, keys)
	if err != nil {
		return err
	}
	x := extract.New(b, key, extract.Request{Service: service, Item: f.item, LDIF: f.format == "ldif", Subtree: f.subtree}, a.extractNotes(f.to))
	if f.list {
		return a.listItems(ctx, x)
	}
	return a.runExtraction(ctx, x, b.Manifest().BackupID, f)
}

// extractNotes says what is noted of an extraction into a folder.
func (a *app) extractNotes(to string) extract.Notes {
	return extract.Notes{
		NoPart: func(s backup.ServiceResult) {
			a.say("Warning: the backup has no part of %s: %s", s.Service, s.Code+" "+s.Message)
		},
		Inexact: func(path string, changed, now time.Time) {
			a.say("Warning: %s was changed on %s, which the file system in --to cannot keep: it has %s.", printable.Text(path), changed.UTC().Format(time.DateTime), now.UTC().Format(time.DateTime))
		},
		Damaged: func(files int64, folder string) {
			a.say("Warning: %d files in %s come from a part that is damaged: do not rely on them.", files, filepath.Join(to, folder))
		},
	}
}

// listItems prints items as they come.
func (a *app) listItems(ctx context.Context, x *extract.Extraction) error {
	if a.output == "json" {
		entries := []backup.CatalogEntry{}
		err := x.List(ctx, func(e backup.CatalogEntry) error {
			entries = append(entries, e)
			return nil
		})
		if err != nil {
			return err
		}
		return a.print(entries, nil)
	}
	return table.Items(a.stdout, func(fn func(backup.CatalogEntry) error) error { return x.List(ctx, fn) })
}

func (a *app) runExtraction(ctx context.Context, x *extract.Extraction, id backup.ID, f extractFlags) error {
	if err := localfile.OffShare("--to", f.to, f.from); err != nil {
		return err
	}
	if err := os.MkdirAll(f.to, 0o700); err != nil {
		return fault.New(fault.Usage, "--to cannot be created", err)
	}
	root, err := os.OpenRoot(f.to)
	if err != nil {
		return fault.New(fault.Usage, "--to cannot be opened", err)
	}
	defer func() { _ = root.Close() }() // nothing is written through it any more
	files, err := x.Run(ctx, extract.Folder{Root: root, Called: "--to"})
	if err != nil {
		return err
	}
	document := map[string]any{"backupId": id, "to": f.to, "files": files}
	return a.print(document, func(w *tabwriter.Writer) { table.Line(w, files, "files extracted to", f.to) })
}
