package args_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/starter/args"
)

func TestArguments(t *testing.T) {
	cmd := &cobra.Command{Use: "show"}
	for name, row := range map[string]struct {
		check cobra.PositionalArgs
		given []string
		want  string
	}{
		"none":          {args.None, nil, ""},
		"one too many":  {args.None, []string{"a\x1b"}, `show takes no argument, and "a\x1b" is given`},
		"one":           {args.One("ID"), []string{"a"}, ""},
		"one too few":   {args.One("ID"), nil, "show needs an argument: ID"},
		"at most one":   {args.AtMostOne("ID"), nil, ""},
		"two":           {args.AtMostOne("ID"), []string{"a", "b"}, "show takes one argument, ID, and 2 are given"},
		"an empty one":  {args.One("ID"), []string{""}, "show: the argument ID is empty"},
		"both":          {args.Two("A", "B"), []string{"a", "b"}, ""},
		"two too few":   {args.Two("A", "B"), []string{"a"}, "show needs two arguments: A and B"},
		"two too many":  {args.Two("A", "B"), []string{"a", "b", "c"}, "show takes two arguments, A and B, and 3 are given"},
		"one is empty":  {args.Two("A", "B"), []string{"a", ""}, "show: an argument is empty"},
		"another empty": {args.AtMostOne("ID"), []string{""}, "show: the argument ID is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			err := row.check(cmd, row.given)
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fault.Usage)
			require.ErrorContains(t, err, row.want)
		})
	}
}

func TestFlags(t *testing.T) {
	for value, want := range map[string]string{"x": "", "": "--name is given without a value", strings.Repeat("x", 8<<10+1): "--name is longer than 8192 bytes"} {
		cmd := &cobra.Command{Use: "set"}
		cmd.Flags().String("name", "", "")
		cmd.Flags().StringArray("names", nil, "")
		require.NoError(t, cmd.Flags().Set("name", value))
		err := args.CheckFlags(cmd)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
		require.NoError(t, cmd.Flags().Set("name", "x"))
		require.NoError(t, cmd.Flags().Set("names", "x"))
		require.NoError(t, cmd.Flags().Set("names", value))
		require.ErrorIs(t, args.CheckFlags(cmd), fault.Usage)
	}
}
