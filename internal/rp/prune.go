package rp

import (
	"slices"
	"strings"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/pruneoptions"
	"infrabackup/internal/rp/wire"
)

// prune removes what the retention no longer keeps, or tells what that is.
func (x *exchange) prune() error {
	data, err := jsonbody.Read(x.w, x.r, jsonbody.MaxBytes)
	if err != nil {
		return err
	}
	dryRun, err := pruneoptions.Parse(data)
	if err != nil {
		return err
	}
	if !dryRun {
		if err := x.may(actionPrune); err != nil {
			return err
		}
	}
	id, err := x.beginPrune(dryRun, false)
	if err != nil {
		return err
	}
	return x.accepted(id, x.version.beginSeconds)
}

func (x *exchange) beginPrune(dryRun, acrossHole bool) (string, error) {
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := x.loc.Control.BeginPrune(ctx, dryRun, acrossHole, x.by())
	if err != nil {
		return "", x.refused(err)
	}
	x.h.results.begin(x.loc, begun.ID, nil)
	return begun.ID, nil
}

// prunePathsOf are the paths that went, or would go: relative, in lower case, with slashes.
func prunePathsOf(result *operation.PruneResult) wire.PrunePaths {
	out := wire.PrunePaths{PathsToDelete: []string{}}
	if result == nil {
		return out
	}
	for _, d := range result.Decisions {
		goes := slices.Contains(result.Removed, d.BackupID)
		if len(result.Removed) == 0 && result.Hold == "" {
			goes = d.Remove
		}
		if goes {
			out.PathsToDelete = append(out.PathsToDelete, strings.ToLower(strings.ReplaceAll(d.Path, `\`, "/")))
		}
	}
	return out
}
