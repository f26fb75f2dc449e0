package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/ui/table"
	"infrabackup/starter/args"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: args.None,
		RunE: func(*cobra.Command, []string) error { return a.printVersion() },
	}
}

func (a *app) printVersion() error {
	version := build.Version()
	return a.print(map[string]any{"version": version, "format": backup.FormatVersion}, func(w *tabwriter.Writer) {
		table.Line(w, "infrabackup "+version+", format "+fmt.Sprint(backup.FormatVersion))
	})
}
