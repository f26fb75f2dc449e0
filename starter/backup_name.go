package main

import (
	"context"

	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
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
		return "", usage("there are more backups than one list takes; give the whole ID of the one that begins with %s", id)
	}
	found, err := operator.OnlyOne(id, listed.Backups)
	return string(found), err
}
