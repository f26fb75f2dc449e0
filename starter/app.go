package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
	"infrabackup/internal/telemetry"
	"infrabackup/starter/alerting"
	"infrabackup/starter/args"
	"infrabackup/starter/diagnosing"
	"infrabackup/starter/manual"
	"infrabackup/starter/recovering"
	"infrabackup/starter/scheduling"
	"infrabackup/starter/serving"
)

// app is the state of one run of the program.
type app struct {
	process
	instance    string
	output      string
	timeout     time.Duration
	began       bool // the flags were understood, and a command runs
	client      controller
	closeClient func()
	traces      *telemetry.Telemetry // nil records nothing
}

// run runs one command and returns the exit code.
func run(ctx context.Context, p process) int {
	a := &app{process: p}
	root := a.rootCommand()
	root.SetArgs(p.args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	err := root.ExecuteContext(ctx)
	if a.closeClient != nil {
		a.closeClient()
	}
	if err == nil {
		return fault.ExitOK
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	_, known := fault.Of(err)
	switch {
	case known:
	case errors.Is(err, context.Canceled):
		err = fault.Newf(fault.Cancelled, "the command was interrupted")
	case errors.Is(err, context.DeadlineExceeded):
		err = fault.Newf(fault.Cancelled, "the command was not done within --timeout %s", a.timeout)
	case !a.began:
		// What cobra itself says is about commands and arguments.
		err = args.Fault(nil, err)
	}
	if word := args.Unknown(root, p.args); !a.began && word != nil {
		err = word // also when a flag of the command that was meant came first
	}
	if !a.began && args.WantJSON(p.args) { // the flags may not have been read as far as -o
		a.output = "json"
	}
	return a.fail(err)
}

// exitCode ends the program with a code after everything was said.
type exitCode int

// Error implements error.
func (exitCode) Error() string { return "see above" }

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "infrabackup",
		Short: "Back up the control plane of an Azure Stack style cloud to an SMB 3 share",
		Long: `infrabackup backs up the control plane of one cloud instance, encrypted with a key
that the service itself cannot open, to one external SMB 3 share.

Enable it once, then start and watch backups:

  infrabackup key generate --out operator.key
  infrabackup enable --share '\\fs.example.com\AzSBackups' --username 'CORP\backup' --password-file F --recipient age1...
  infrabackup backup start --wait

Environment: INFRABACKUP_INSTANCE, INFRABACKUP_CODEC_KEY_FILE, TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE and Temporal's other TEMPORAL_... variables.

Exit codes: 0 done, 1 failed, 2 wrong use, 3 partial success, 4 already running,
5 not enabled, 6 not found, 7 damaged or forged backup, 8 key does not fit,
9 share refused or unreachable, 10 Temporal unreachable or no worker answers.`,
		Args:          args.None,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "table" && a.output != "json" {
				bad := a.output
				a.output = "table"
				return fault.Usagef("-o %s is neither table nor json", printable.Quote(bad))
			}
			if err := args.CheckFlags(cmd); err != nil {
				return err
			}
			if a.timeout < 0 {
				return fault.Usagef("--timeout %s is below zero", a.timeout)
			}
			a.began = true
			return nil
		},
	}
	root.SetFlagErrorFunc(args.Fault)
	instance, _ := a.lookup("INFRABACKUP_INSTANCE")
	flags := root.PersistentFlags()
	flags.StringVar(&a.instance, "instance", cmp.Or(instance, "local"), "instance to work on (INFRABACKUP_INSTANCE)")
	flags.StringVarP(&a.output, "output", "o", "table", "output format: table or json")
	flags.DurationVar(&a.timeout, "timeout", 0, "give up after this time (0: never)")
	version := root.Flags().Bool("version", false, "show the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if *version {
			return a.diagnosing().PrintVersion()
		}
		return cmd.Help()
	}
	root.AddCommand(a.enableCommand(), a.settingsCommand(), a.shareCommand(), a.credentialsCommand(), a.keyCommand(), a.backupCommand(),
		a.restoreCommand(), recovering.Commands(a.recovery()), recovering.DrillCommands(a.recovery()))
	root.AddCommand(diagnosing.Commands(a.diagnosing())...)
	root.AddCommand(scheduling.Commands(a.scheduling())...)
	root.AddCommand(alerting.Commands(a.alerting())...)
	root.AddCommand(serving.Commands(serving.Surroundings{Lookup: a.lookup, Stderr: a.stderr, Print: a.print, Say: a.say,
		Consent: a.consent, Keyring: a.keyring, KeyFile: a.keyFile})...)
	root.AddCommand(manual.Command(root))
	a.trace(root)
	return root
}

// bounded applies --timeout.
func (a *app) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.timeout > 0 {
		return context.WithTimeout(ctx, a.timeout)
	}
	return context.WithCancel(ctx)
}

// keyring loads the codec's keys from file, or from where the environment says.
func (a *app) keyring(file string) (*codec.Keyring, error) {
	path, err := a.keyFile(file)
	if err != nil {
		return nil, err
	}
	return codec.LoadKeyring(path)
}

// keyFile is the codec key file that a flag names, or else the environment.
func (a *app) keyFile(file string) (string, error) {
	if file == "" {
		file, _ = a.lookup("INFRABACKUP_CODEC_KEY_FILE")
	}
	if file == "" {
		return "", fault.Newf(fault.ConfigInvalid, "INFRABACKUP_CODEC_KEY_FILE does not name the codec key file that the workers use")
	}
	return file, nil
}
