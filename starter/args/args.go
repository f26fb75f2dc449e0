package args

import (
	"slices"

	"github.com/spf13/cobra"

	"infrabackup/internal/fault"
)

// One wants one argument, which the command's help calls name.
func One(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fault.Usagef("%s needs an argument: %s", cmd.CommandPath(), name)
		}
		return AtMostOne(name)(cmd, args)
	}
}

// AtMostOne takes one argument, which the command's help calls name, or none.
func AtMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fault.Usagef("%s takes one argument, %s, and %d are given", cmd.CommandPath(), name, len(args))
		}
		if slices.Contains(args, "") {
			return fault.Usagef("%s: the argument %s is empty", cmd.CommandPath(), name)
		}
		return nil
	}
}

// Two wants two arguments, which the command's help calls by these names.
func Two(first, second string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < 2:
			return fault.Usagef("%s needs two arguments: %s and %s", cmd.CommandPath(), first, second)
		case len(args) > 2:
			return fault.Usagef("%s takes two arguments, %s and %s, and %d are given", cmd.CommandPath(), first, second, len(args))
		case args[0] == "" || args[1] == "":
			return fault.Usagef("%s: an argument is empty", cmd.CommandPath())
		}
		return nil
	}
}
