package diagnosing

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (s Surroundings) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: args.None,
		RunE: func(*cobra.Command, []string) error { return s.PrintVersion() },
	}
}

// PrintVersion prints which build the program is.
func (s Surroundings) PrintVersion() error {
	version := build.Version()
	return s.Print(map[string]any{"version": version, "format": backup.FormatVersion}, func(w *tabwriter.Writer) {
		table.Line(w, "infrabackup "+version+", format "+fmt.Sprint(backup.FormatVersion))
	})
}
