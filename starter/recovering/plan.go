package recovering

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/restore"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/starter/args"
)

// planFlags say what is planned.
type planFlags struct {
	common
	selectFlags
	out      string
	template string
}

// selectFlags say what of a backup is restored.
type selectFlags struct {
	services []string
	items    []string
	patterns []string
	policies []string
	site     string
}

func (f *selectFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.services, "service", nil, "only this service; may be repeated")
	flags.StringArrayVar(&f.items, "item", nil, "only the item with this ID; may be repeated")
	flags.StringArrayVar(&f.patterns, "match", nil, "only items whose ID or name matches, such as */public-*; may be repeated")
	flags.StringArrayVar(&f.policies, "policy", nil, "update, skip or fail, or SERVICE=…; may be repeated")
	flags.StringVar(&f.site, "map", "", "file with the target's names, where they are others than those of the backup")
}

func (s Surroundings) planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan [ID|latest] --identity F --target F --plan FILE [--service S] [--item ID] [--match PATTERN]",
		Short: "Write down what a restore would do; changes nothing",
		Long: `Compare a backup with a target and write a plan. Without a selection everything is planned
that the target has a place for; what the chosen items need is added, unless the target has
it. The plan holds names and digests and no values; it is encrypted for the owner of the
private key, can be applied for 24 hours, and once.

A target with other names than the cloud of the backup (domain, region, subscriptions …) needs
a map of them. --write-map writes one to be completed, instead of a plan; --map plans with it.
Nothing is written into the target in which a name of the source is left.

--policy says what becomes of items that the target has and that differ: update, the
default, skip or fail, for one service (CA=skip) or for all (skip).`,
		Example: `  infrabackup recover plan latest --from /mnt/AzSBackups --identity operator.key --target site-b.yaml --plan site-b.plan
  infrabackup recover plan latest --identity operator.key --target site-b.yaml --service CA --policy skip --plan ca.plan
  infrabackup recover plan latest --identity operator.key --target site-b.yaml --write-map site-b.map`,
		Args: args.AtMostOne("ID"),
	}
	f.common.register(cmd, s)
	f.registerTarget(cmd)
	f.selectFlags.register(cmd)
	cmd.Flags().StringVar(&f.out, "plan", "", "file to write the plan to, which must not exist")
	cmd.Flags().StringVar(&f.template, "write-map", "", "write a map of names to be completed to a file, which must not exist, and no plan")
	open := s.Backups(cmd)
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		return s.plan(cmd.Context(), latestOr(names), f, open)
	}
	return cmd
}

func (f selectFlags) request() (r restoring.Request, err error) {
	if r.Selection.Services, err = args.Services(f.services); err != nil {
		return r, err
	}
	if f.site != "" {
		if r.Site, err = restoring.LoadMap(f.site); err != nil {
			return r, err
		}
	}
	r.Selection.Items, r.Selection.Patterns = f.items, f.patterns
	r.Policies = map[backup.Service]restore.Policy{}
	for _, text := range f.policies {
		services := backup.Services()
		if name, policy, found := strings.Cut(text, "="); found {
			service, err := backup.ParseService(name)
			if err != nil {
				return r, fault.New(fault.Usage, "--policy was not understood", err)
			}
			services, text = []backup.Service{service}, policy
		}
		policy, err := restore.ParsePolicy(text)
		if err != nil {
			return r, err
		}
		for _, service := range services {
			r.Policies[service] = policy
		}
	}
	return r, r.Selection.Validate()
}

func (s Surroundings) plan(ctx context.Context, name string, f planFlags, open Open) error {
	request, err := f.request()
	if err != nil {
		return err
	}
	out, err := f.output()
	if err != nil {
		return err
	}
	if localfile.Exists(out) {
		return localfile.Occupied(out)
	}
	identities, err := f.keys(ctx)
	if err != nil {
		return err
	}
	target, err := f.openTarget(ctx)
	if err != nil {
		return err
	}
	defer target.Close()
	b, done, err := open(ctx, name, identities)
	if err != nil {
		return err
	}
	defer done()
	if f.template != "" {
		return s.template(ctx, b, target, request, out)
	}
	plan, err := restoring.Plan(ctx, b, target, request)
	if err != nil {
		return err
	}
	if err := write(f.out, plan, identities); err != nil {
		return err
	}
	if err := s.show(plan); err != nil {
		return err
	}
	s.Say("Nothing was changed. To do this: infrabackup recover apply %s", f.out)
	return nil
}

// write writes a plan for the owners of the keys.
// output is the file that is written.
func (f planFlags) output() (string, error) {
	switch {
	case f.template != "" && (f.out != "" || f.site != ""):
		return "", fault.Usagef("--write-map writes a map to be completed, and goes with neither --plan nor --map")
	case f.template != "":
		return f.template, nil
	case f.out == "":
		return "", fault.Usagef("--plan is needed: the file to write the plan to")
	}
	return f.out, nil
}

// template writes a map to be completed.
func (s Surroundings) template(ctx context.Context, b restoring.Backup, t *restoring.Target, r restoring.Request, out string) error {
	text, err := restoring.Template(ctx, b, t, r.Selection)
	if err != nil {
		return err
	}
	if err := localfile.Create(out, secret.New(string(text))); err != nil {
		return err
	}
	s.Say("Complete the names that are \"\" in %s, then plan with it: --map %s", out, out)
	return nil
}

func write(file string, plan *restore.Plan, identities []seal.Identity) error {
	sealed, err := restoring.Seal(plan, identities)
	if err != nil {
		return err
	}
	return localfile.Create(file, secret.New(string(sealed)))
}
