package recovering

import (
	"context"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/localfile"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
	"infrabackup/starter/args"
)

// Open opens a backup by its name, and is told when it is not needed any more.
type Open func(ctx context.Context, name string, identities []seal.Identity) (b restoring.Backup, done func(), err error)

// Surroundings is what the commands get from the program.
type Surroundings struct {
	Lookup func(name string) (string, bool)
	Print  func(document any, table func(w *tabwriter.Writer)) error
	Say    func(format string, args ...any)
	// Backups adds the flags that say where backups are read from, and returns what opens one.
	Backups func(cmd *cobra.Command) Open
	// Share opens the share that the settings name, of which only what trusted keys signed is
	// read.
	Share func(ctx context.Context) (place *operator.LocalRepo, done func(), err error)
	// Controller connects to the service.
	Controller func(ctx context.Context) (Controller, error)
	// Consent says what is going to happen and asks whether it is wanted, unless yes says so.
	Consent func(ctx context.Context, yes bool, what string) error
	// Bounded applies --timeout.
	Bounded func(ctx context.Context) (context.Context, context.CancelFunc)
	// Failed ends the program with a code after everything was said.
	Failed func(code fault.Code) error
}

// Commands returns the commands.
func Commands(s Surroundings) *cobra.Command {
	return s.grouped(&cobra.Command{
		Use:   "recover",
		Short: "Restore into a live target: plan, apply, undo; needs no Temporal",
		Long: `Bring items of a backup back into a live target, from this machine, with nothing but the
backup, its private key and an account of the target that may write.

A plan says what would be done and changes nothing. Applying it does what the plan says, or
nothing: when the target moved since, it is refused. What is changed is saved before, so
that undo can take it back.

This version restores objects of the directory, the CA, and what the resource managers hold.
What it cannot bring back is extracted: infrabackup restore extract`,
		Args: args.None, RunE: args.NeedsCommand,
	}, s.planCommand(), s.applyCommand(), s.undoCommand(), s.showCommand(), s.listCommand())
}

// grouped puts commands into a group, and bounds each in time.
func (s Surroundings) grouped(group *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	for _, cmd := range commands {
		run := cmd.RunE
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			ctx, cancel := s.Bounded(cmd.Context())
			defer cancel()
			cmd.SetContext(ctx)
			return run(cmd, args)
		}
		group.AddCommand(cmd)
	}
	return group
}

// latestOr is the backup that is named, by default the newest.
func latestOr(names []string) string {
	if len(names) == 0 {
		return backup.Latest
	}
	return names[0]
}

// identityFlag is the flag for the operator's keys.
type identityFlag struct{ identities []string }

func (f *identityFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.identities, "identity", nil, "file with the operator's private key, which stays on this machine; may be repeated")
}

func (f *identityFlag) keys(ctx context.Context) ([]seal.Identity, error) {
	if len(f.identities) == 0 {
		return nil, fault.Usagef("--identity is needed: the file with the operator's private key")
	}
	return localfile.Identities(ctx, f.identities)
}

// common are flags of several commands.
type common struct {
	identityFlag
	target string
	state  string
}

func (c *common) register(cmd *cobra.Command, s Surroundings) {
	c.identityFlag.register(cmd)
	cmd.Flags().StringVar(&c.state, "state", "", "folder with the journals of restores (default: "+defaultState+")")
}

func (c *common) registerTarget(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.target, "target", "", "configuration file of the target")
}

const defaultState = "$XDG_STATE_HOME/infrabackup/restores"

// stateDir is where journals lie.
func (c *common) stateDir(s Surroundings) (statedir.Local, error) {
	if c.state != "" {
		return statedir.Local(c.state), nil
	}
	if dir, ok := s.Lookup("XDG_STATE_HOME"); ok && filepath.IsAbs(dir) {
		return statedir.Local(filepath.Join(dir, "infrabackup", "restores")), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fault.Usagef("--state is needed: this user has no home folder")
	}
	return statedir.Local(filepath.Join(home, ".local", "state", "infrabackup", "restores")), nil
}

func (c *common) openTarget(ctx context.Context) (*restoring.Target, error) {
	if c.target == "" {
		return nil, fault.Usagef("--target is needed: the configuration file of the target")
	}
	return restoring.OpenTarget(ctx, c.target)
}

// consent are the flags with which an operator agrees to something.
type consent struct {
	production   string
	irreversible []string
	yes          bool
}

func (c *consent) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.production, "yes-production", "", "deployment ID of the target, where that may be the cloud that was backed up")
	cmd.Flags().StringArrayVar(&c.irreversible, "irreversible", nil, "a step that cannot be undone and is wanted all the same, as the plan names it, or all; may be repeated")
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
}

func (c *consent) given() restore.Consent {
	return restore.Consent{Production: c.production, Irreversible: c.irreversible}
}

// opener opens the backup of a plan once, and gives it back at the end.
type opener struct {
	open       Open
	identities []seal.Identity
	done       func()
}

func (o *opener) backup(ctx context.Context, id backup.ID) (restoring.Backup, error) {
	b, done, err := o.open(ctx, string(id), o.identities)
	if err == nil {
		o.done = done
	}
	return b, err
}

func (o *opener) close() {
	if o.done != nil {
		o.done()
	}
}
