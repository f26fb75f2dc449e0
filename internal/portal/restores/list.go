package restores

import (
	"context"
	"net/http"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operations"
	"infrabackup/internal/restore"
)

type listData struct {
	All     []restore.Listed
	More    bool
	Running *flow.RestoreAt // nil when none runs, or no worker tells
	Problem string          // why the list is not known while one runs, empty when it is
}

// List shows the restores, and the one that runs.
func List(v *View) {
	ctx, done, ok := v.Asking()
	if !ok {
		return
	}
	defer done()
	var d listData
	if at, err := v.Running.Restoring(ctx); err == nil {
		d.Running = &at
	}
	var err error
	if d.All, d.More, err = v.Plans.List(ctx, v.By); err != nil {
		if d.Running == nil {
			v.Failed(err)
			return
		}
		d.Problem = fault.As(err).Message() // the share is away, say: what runs can be stopped still
	}
	v.Show(http.StatusOK, "restores", "Restores", d)
}

// Current shows how far the restore is that runs.
func Current(v *View) {
	ctx, done, ok := v.Asking()
	if !ok {
		return
	}
	defer done()
	at, err := v.Running.Restoring(ctx)
	if fault.CodeOf(err) == fault.ItemNotFound {
		v.To("restores")
		return
	}
	if err != nil {
		v.Failed(err)
		return
	}
	v.Show(http.StatusOK, "restore-current", "Restore", at)
}

// Cancel asks the restore that runs to stop.
func Cancel(v *View) {
	if _, err := v.Running.StopRestore(v.Context); err != nil && fault.CodeOf(err) != fault.ItemNotFound {
		v.Failed(err)
		return
	}
	v.To("restores")
}

// RunningID is what the restore that runs is called where operations are remembered. No operation
// has it as its ID.
const RunningID = "restores/current"

// Progress asks how far the restore is that runs, in the form in which operations are asked for.
func Progress(r Running) operations.Ask {
	return func(ctx context.Context, id string) (operation.Operation, error) {
		at, err := r.Restoring(ctx)
		return operation.Operation{ID: id, Kind: operation.Restore, Running: true, RestoreAt: &at}, err
	}
}
