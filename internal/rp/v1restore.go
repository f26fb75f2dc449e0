package rp

import (
	"context"
	"net/http"

	"infrabackup/internal/apierror"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/flow"
	"infrabackup/internal/operations"
	"infrabackup/internal/restore"
)

// currentRestore is what the restore that runs is called where operations are asked for. No
// operation has it as its ID.
const currentRestore = "restores/current"

// v1RestoreBody is how far a restore is.
type v1RestoreBody struct {
	PlanID   string         `json:"planId"` // empty while the plan is made
	BackupID string         `json:"backupId"`
	Target   string         `json:"target"`
	Step     string         `json:"step"`    // in words
	Batches  int            `json:"batches"` // of the plan
	Ended    int            `json:"ended"`   // of these
	Totals   restore.Totals `json:"totals"`
}

func v1RestoreOf(at flow.RestoreAt) v1RestoreBody {
	return v1RestoreBody{at.PlanID, string(at.BackupID), at.Target, at.Step, at.Batches, at.Ended, at.Totals}
}

// v1Restoring tells how far the restore is that runs. It costs a worker a question, so it counts
// as one about an operation.
func (x *exchange) v1Restoring() error {
	ask := func(ctx context.Context, id string) (operation.Operation, error) {
		at, err := x.loc.Control.Restoring(ctx)
		if operations.Unknown(err) { // which another caller may change at any time
			return operation.Operation{ID: id, Kind: operation.Restore, Running: true}, nil
		}
		return operation.Operation{ID: id, Kind: operation.Restore, Running: true, RestoreAt: &at}, err
	}
	o, err := x.h.results.asked.Get(x.r.Context(), x.loc.name, currentRestore, x.by(), ask)
	switch {
	case err != nil:
		return x.refused(err)
	case o.RestoreAt == nil:
		return x.noRestore()
	}
	return x.answer(http.StatusOK, apierror.MediaType, v1RestoreOf(*o.RestoreAt))
}

// v1StopRestore asks the restore that runs to stop, and tells how far it was.
func (x *exchange) v1StopRestore() error {
	if err := x.noBody(); err != nil {
		return err
	}
	ctx, cancel := x.beginning()
	defer cancel()
	at, err := x.loc.Control.StopRestore(ctx)
	switch {
	case operations.Unknown(err):
		return x.noRestore()
	case err != nil:
		return x.refused(err)
	}
	x.h.results.asked.Forget(x.loc.name, currentRestore)
	return x.answer(http.StatusOK, apierror.MediaType, v1RestoreOf(at))
}

func (x *exchange) noRestore() error {
	return apierror.NotFound("No restore runs at the location " + apierror.Quoted(x.params.Location) + ".")
}
