package main

import (
	"context"
	"crypto/rand"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/comparing"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/ui/progress"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

// diffFlags say which backups are compared, and what is made of it.
type diffFlags struct {
	storeFlags
	keyFiles   []string
	services   []string
	html       string
	json       bool
	unverified bool
	live       bool
	target     string
}

func (a *app) backupDiffCommand() *cobra.Command {
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff A [B] --identity F [--live --target F] [--service S] [--json] [--html FILE]",
		Short: "Show what changed between two backups or since one, and who gained or lost access",
		Long: `Compare two backups with the operator's private key, which does not leave this machine. A
and B are IDs, beginnings of them, folders of backups, latest, or latest~1 for the one
before the newest, latest~2 and so on.

Items with the same digest are equal and not read. The others are compared by what they
mean: rules and subnets by name, lists of IDs as sets, objects of the directory attribute
by attribute, rows of a CA's database as a set. Counters, times and states that change by
themselves do not count; they are counted by reason. What was renamed or moved is shown
as such. Values of secrets are never shown, only whether they are the same.

"Access" says who gained or lost which role at which scope, and which permissions of
vaults, through which groups. It is found out when AD, KeyVault or RBAC are compared.

--live compares A with what the cloud holds now, instead of with B. What is read of it is kept
in memory only. --target is the file with the cloud's addresses and an account that may read,
as for "infrabackup recover".

--html writes the same as one page for people, up to 2,000 rows of each service. The page
is confidential: it is made for its owner only, and not where backups lie. --json is
-o json. Nothing that differs is an error: the exit code is 0.`,
		Example: `  infrabackup backup diff latest~1 latest --identity operator.key
  infrabackup backup diff 0b1f4c2e latest --identity operator.key --service AD --service RBAC
  infrabackup backup diff latest~1 latest --identity operator.key --html changes.html
  infrabackup backup diff latest~7 latest --identity operator.key --json | jq .access.rows
  infrabackup backup diff latest --live --target site.yaml --identity operator.key --service RBAC
  infrabackup backup diff latest~1 latest --identity operator.key --from /mnt/AzSBackups --allowed-signers trusted_signers`,
		Args:              func(cmd *cobra.Command, names []string) error { return f.sides(cmd, names) },
		ValidArgsFunction: a.completeTwoIDs,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := a.bounded(cmd.Context())
			defer cancel()
			if f.json {
				a.output = "json"
			}
			return a.diff(ctx, args, f)
		},
	}
	f.register(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keyFiles, "identity", nil, "file with the operator's private key; may be repeated")
	flags.StringArrayVar(&f.services, "service", nil, "only this service, such as AD or NRP; may be repeated")
	flags.BoolVar(&f.json, "json", false, "print JSON, as -o json does")
	flags.StringVar(&f.html, "html", "", "write a page for people to this file, which must not exist")
	flags.BoolVar(&f.live, "live", false, "compare with what the cloud holds now")
	flags.StringVar(&f.target, "target", "", "configuration file of the cloud for --live")
	flags.BoolVar(&f.unverified, "unverified", false, "compare what no trusted key signed, too; it may be forged")
	return cmd
}

// completeTwoIDs offers backups for both arguments.
func (a *app) completeTwoIDs(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ids, directive := a.completeIDs(cmd, nil, text)
	return append(ids, backup.Latest+"~1"), directive
}

// sides refuses a number of arguments that does not fit the flags.
func (f *diffFlags) sides(cmd *cobra.Command, names []string) error {
	switch {
	case f.live && f.target == "":
		return fault.Usagef("--live needs --target: the configuration file of the cloud")
	case f.target != "" && !f.live:
		return fault.Usagef("--target belongs to --live, which is missing")
	case f.live:
		return args.One("A")(cmd, names)
	}
	return args.Two("A", "B")(cmd, names)
}

// check refuses what nothing would come of, before anything is asked.
func (f diffFlags) check() ([]backup.Service, error) {
	switch {
	case len(f.keyFiles) == 0:
		return nil, fault.Usagef("--identity is needed: the file with the operator's private key")
	case f.unverified && f.allowedSigners != "":
		return nil, fault.Usagef("--unverified and --allowed-signers exclude each other")
	}
	if f.html != "" {
		if err := localfile.OffShare("--html", f.html, f.from); err != nil {
			return nil, err
		}
	}
	return args.Services(f.services)
}

func (a *app) diff(ctx context.Context, names []string, f diffFlags) error {
	services, err := f.check()
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
	sides := make([]*repository.Backup, len(names))
	for i, name := range names {
		if sides[i], err = place.Nth(ctx, name, f.unverified); err != nil {
			return err
		}
	}
	switch {
	case f.unverified:
		a.say("Warning: with --unverified nothing vouches for what is compared: anyone who can write to the share could have created it.")
	default:
		a.noteTrust(place)
	}
	found, err := a.runDiff(ctx, sides, keys, services, f.target)
	if err != nil {
		return err
	}
	if err := a.print(found, func(w *tabwriter.Writer) { table.Diff(w, found) }); err != nil {
		return err
	}
	a.warn(found.Warnings)
	if f.html == "" {
		return nil
	}
	if err := comparing.WritePage(f.html, found, f.services); err != nil {
		return err
	}
	a.say("The page is in %s. It is confidential.", f.html)
	return nil
}

// runDiff compares, with the cloud of a file when it is given one, and shows how far that is.
func (a *app) runDiff(ctx context.Context, sides []*repository.Backup, keys []seal.Identity, services []backup.Service, target string) (*result.Report, error) {
	show := progress.NewReading(a.stderr, a.terminal(a.stderr), "Comparing")
	defer show.End()
	o := diff.Options{Services: services, Random: rand.Reader, Progress: show.See}
	if target == "" {
		return comparing.Run(ctx, sides[0], sides[1], keys, o)
	}
	cloud, err := restoring.Capture(ctx, target, services, func(s backup.Service) { a.say("Reading %s of the cloud", s) })
	if err != nil {
		return nil, err
	}
	return comparing.With(ctx, sides[0], cloud, keys, o)
}
