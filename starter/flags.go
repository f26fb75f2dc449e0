package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infrabackup/internal/backup"
	"infrabackup/internal/printable"
	"infrabackup/internal/settings"
)

// maxFlag bounds a flag's value, in bytes: a post-quantum recipient has about 2 KiB.
const maxFlag = 8 << 10

// signedWarning is said where a share is to be used without encryption on the wire.
const signedWarning = "Warning: --transport signed sends data in clear over the network; the backups themselves stay encrypted."

// checkFlags refuses what is wrong with any command: a text that is empty, as a shell
// makes it of a variable that is not set, since another place or key would be used than
// was meant; and values that are too long.
func (a *app) checkFlags(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil {
			err = checkFlag(f)
		}
	})
	if err == nil && a.timeout < 0 {
		err = usage("--timeout %s is below zero", a.timeout)
	}
	return err
}

func checkFlag(f *pflag.Flag) error {
	values := []string{f.Value.String()}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		values = list.GetSlice()
	}
	for _, value := range values {
		switch {
		case value == "":
			return usage("--%s is given without a value", f.Name)
		case len(value) > maxFlag:
			return usage("--%s is longer than %d bytes", f.Name, maxFlag)
		case f.Name == "username" && len(value) > settings.MaxUsername:
			return usage("--%s is longer than %d bytes", f.Name, settings.MaxUsername)
		}
	}
	return nil
}

// checkInstance refuses what cannot be an instance's name.
func (a *app) checkInstance() error {
	if backup.ValidateInstanceName(a.instance) != nil {
		return usage("--instance %s is not a name: use 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'", printable.Quote(a.instance))
	}
	return nil
}

// checkProofDays refuses a time that a key cannot be asked to be proven in.
func checkProofDays(days int) error {
	if days < 1 {
		return usage("--prove-every %d is less than a day", days)
	}
	return nil
}

// flagFault says in words what the flag library says about a flag.
func flagFault(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return flagMistake(cmd, err)
	}
	want := map[string]string{
		"int": "a whole number", "duration": "a time such as 90s or 1h30m", "bool": "true or false",
	}[bad.GetFlag().Value.Type()]
	if want == "" {
		want = "of the right form"
	}
	return usage("--%s %s is not %s", bad.GetFlag().Name, printable.Quote(bad.GetValue()), want)
}

// oneArg wants one argument, which the command's help calls name.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s needs an argument: %s", cmd.CommandPath(), name)
		}
		return atMostOneArg(name)(cmd, args)
	}
}

// atMostOneArg takes one argument, which the command's help calls name, or none.
func atMostOneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage("%s takes one argument, %s, and %d are given", cmd.CommandPath(), name, len(args))
		}
		if slices.Contains(args, "") {
			return usage("%s: the argument %s is empty", cmd.CommandPath(), name)
		}
		return nil
	}
}
