package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/ui"
)

// whole makes the beginning of an ID the ID of the one backup that has it.
func (a *app) whole(ctx context.Context, c controller, id string) (string, error) {
	if operator.IsWhole(id) {
		return id, nil
	}
	listed, err := c.List(ctx, flow.MaxListed)
	if err != nil {
		return "", err
	}
	if listed.More {
		return "", fault.Usagef("there are more backups than one list takes; give the whole ID of the one that begins with %s", id)
	}
	found, err := operator.OnlyOne(id, listed.Backups)
	return string(found), err
}

// latestOr returns the command's argument, by default the newest backup.
func latestOr(args []string) (string, error) {
	if len(args) == 0 || args[0] == control.Latest {
		return control.Latest, nil
	}
	return operator.ParseName(args[0])
}

// completionTime bounds what the shell's completion may cost.
const completionTime = 3 * time.Second

// completeIDs offers the newest backups to the shell.
func (a *app) completeIDs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	ids := []string{control.Latest}
	c, err := a.controller(ctx)
	if err != nil {
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
	listed, err := c.List(ctx, 20)
	if err != nil {
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
	for _, b := range listed.Backups {
		ids = append(ids, string(b.BackupID)+"\t"+ui.Time(b.StartedAt)+" "+string(b.Status))
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
