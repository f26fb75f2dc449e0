package manual

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// commands are some with everything that roff could take for its own.
func commands() *cobra.Command {
	run := func(*cobra.Command, []string) {}
	root := &cobra.Command{Use: "thing", Short: "Does a thing", Run: run, Long: "First line\n.br of text\n'quoted' \\fBslash.\n\n  thing at '\\\\fs.example.com\\Share' --now\n\nThe end-of-it."}
	root.PersistentFlags().StringP("output", "o", "table", "`FORMAT` of what is printed")
	sub := &cobra.Command{Use: "do NAME", Short: `Does "it"`, Run: run, Example: "  thing do a\\b\n  .thing"}
	sub.Flags().Bool("secretly", false, "")
	_ = sub.Flags().MarkHidden("secretly")
	root.AddCommand(sub, &cobra.Command{Use: "hidden", Hidden: true, Run: run}, Command(root))
	return root
}

func TestPagesOfEveryListedCommand(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Write(commands(), dir, time.Time{}))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"thing-do.1", "thing.1"}, names)
	again := t.TempDir()
	require.NoError(t, Write(commands(), again, time.Time{}))
	for _, name := range names {
		first, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		second, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
		require.NotContains(t, string(first), "secretly")
	}
	require.Error(t, Write(commands(), filepath.Join(dir, "missing"), time.Time{}))
}

// TestPagesAreRead lets groff read the pages, which knows nothing of how they are written.
func TestPagesAreRead(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("groff is not installed")
	}
	read := func(cmd *cobra.Command) string {
		var out, errs bytes.Buffer
		c := exec.Command(groff, "-man", "-Kutf8", "-Tascii", "-ww", "-P-cbou")
		c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(Page(cmd, time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))), &out, &errs
		require.NoError(t, c.Run())
		require.Empty(t, errs.String())
		return out.String()
	}
	root := commands()
	text := read(root)
	for _, want := range []string{"thing - Does a thing", "First line .br of text 'quoted' \\fBslash.", "  thing at '\\\\fs.example.com\\Share' --now", "-o, --output FORMAT", "thing-do(1)", "2026-11-30"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "hidden")
	text = read(root.Commands()[0])
	for _, want := range []string{`thing-do - Does "it"`, "thing do NAME", "thing do a\\b\n", "  .thing", "thing(1)"} {
		require.True(t, strings.Contains(text, want), "%s\n%s", want, text)
	}
}
