package rp

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/board"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/operations"
	"infrabackup/internal/rp/address"
	"infrabackup/internal/rp/wire"
	"infrabackup/internal/schedule"
)

// nothingDone is the id of the operation that has changed nothing: its result is always the
// location as it is, also after a restart.
const nothingDone = "00000000-0000-0000-0000-000000000000"

// asyncMark asks for the status of an operation instead of its result.
const asyncMark = "IsAsyncOperation"

// resultURL is where the result of an operation is found. It begins with the configured
// address; of the request only names are in it that were found to be ours.
func (x *exchange) resultURL(id string) string {
	return x.h.base + "/subscriptions/" + url.PathEscape(x.params.Subscription) + "/resourceGroups/" + url.PathEscape(strings.ToLower(x.loc.Group)) +
		"/providers/" + wire.LocationType + "/" + url.PathEscape(x.spelled()) + "/operationResults/" + url.PathEscape(id) + "?api-version=" + x.version.name
}

// pointers sets the headers that say where to ask on.
func (x *exchange) pointers(id string, both bool, seconds int) {
	at := x.resultURL(id)
	x.w.Header().Set("Location", at)
	if both {
		x.w.Header().Set("Azure-AsyncOperation", at+"&"+asyncMark+"=1")
	}
	x.waiting(seconds)
}

// accepted answers that an operation was begun.
func (x *exchange) accepted(id string, seconds int) error {
	x.pointers(id, x.version.bothHeaders || x.op.name == "BackupLocations_PruneExternalStore", seconds)
	return x.empty(http.StatusAccepted)
}

// operationResult tells how far an operation is, or what came of it.
func (x *exchange) operationResult() error {
	if !address.IsGUID(x.params.Operation) {
		return x.noOperation()
	}
	id := strings.ToLower(x.params.Operation)
	o, err := x.look(id)
	mark, _ := queryValue(x.r.URL.Query(), asyncMark)
	async := mark == "1" || strings.EqualFold(mark, "true")
	switch {
	case operations.Unknown(err):
		return x.noOperation()
	case apierror.Away(err), err == nil && o.Running:
		// What cannot be found out at the moment is not at its end either, as far as is known:
		// pollers go on, and get the truth later.
		return x.pending(id, async)
	case err != nil:
		return x.ended(apierror.OfOperation(err), false, async)
	case o.Fault != nil:
		return x.ended(apierror.OfOperation(o.Fault), errors.Is(o.Fault, fault.Cancelled), async)
	}
	return x.result(id, o, async)
}

func (x *exchange) noOperation() error {
	return apierror.NotFound("The operation " + apierror.Quoted(x.params.Operation) + " could not be found; results are kept for some days.")
}

// look finds an operation on the board, and asks control for any other.
func (x *exchange) look(id string) (operation.Operation, error) {
	if id == nothingDone {
		return operation.Operation{ID: id, Kind: operation.Change}, nil
	}
	if x.snap.Change != nil && x.snap.Change.ID == id && !x.snap.AsOf.IsZero() {
		if o, err := x.h.results.of(x.r.Context(), x.by(), x.loc, id); err == nil {
			return o, nil // the board may not know its end yet
		}
		return operation.Operation{ID: id, Kind: operation.Change, Running: true}, nil
	}
	b, ok := lookUp(x.snap, backup.ID(id))
	if !ok {
		return x.h.results.of(x.r.Context(), x.by(), x.loc, id)
	}
	o := operation.Operation{ID: id, Kind: operation.Backup, StartedAt: b.StartedAt, EndedAt: b.FinishedAt, Backup: &b.Overview}
	if !b.Status.Final() {
		o.Running = true
	}
	return o, nil
}

// pending answers that an operation goes on.
func (x *exchange) pending(id string, async bool) error {
	x.pointers(id, x.version.bothHeaders || async, x.version.pollSeconds)
	if !async {
		return x.empty(http.StatusAccepted)
	}
	status := wire.Async{Status: wire.Accepted, ID: x.locationID(x.spelled()), Name: x.spelled()}
	if x.version.bit == v2021 {
		status.Properties = wire.Provisioning{ProvisioningState: wire.Accepted}
	}
	return x.answer(http.StatusOK, jsonPlain, status)
}

// ended answers that an operation has failed. A client that asks for the status reads that
// from a body; one that asks for the result gets the error, also when it was cancelled.
func (x *exchange) ended(f *apierror.Error, cancelled, async bool) error {
	if !async {
		return f
	}
	detail := f.Detail()
	status := wire.Async{Status: wire.Failed, ID: x.locationID(x.spelled()), Name: x.spelled(), Error: &detail}
	if cancelled {
		status.Status = wire.Canceled
	}
	return x.answer(http.StatusOK, jsonPlain, status)
}

// result answers what a synchronous operation would have.
func (x *exchange) result(id string, o operation.Operation, async bool) error {
	var body any
	switch o.Kind {
	case operation.Backup:
		if x.unread(o) {
			return x.pending(id, async)
		}
		b, found := x.backupOf(o)
		if !found {
			return x.noOperation()
		}
		if b.Status == backup.Failed {
			code := fault.Code(b.Code)
			if code == "" {
				code = fault.BackupFailed
			}
			message := b.Message
			if message == "" {
				message = "the backup " + string(b.BackupID) + " has failed"
			}
			return x.ended(apierror.OfOperation(fault.Newf(code, "%s", message)), code == fault.Cancelled, async)
		}
		body = x.backupBody(x.snap, b)
	case operation.Prune:
		name := x.spelled()
		body = wire.PruneResult{Resource: wire.Resource{ID: x.locationID(name), Name: name, Type: wire.LocationType, Location: x.loc.name, Tags: map[string]string{}}, Properties: prunePathsOf(o.Prune)}
	case operation.Change:
		body = x.locationBody(x.changed(id, o))
	case operation.Restore:
		if !async {
			return x.empty(http.StatusOK)
		}
	default: // of /api/v1, whose results this API has no form for
		return x.noOperation()
	}
	if !async {
		return x.answer(http.StatusOK, jsonPlain, body)
	}
	return x.answer(http.StatusOK, jsonPlain, wire.Async{Status: wire.Succeeded, ID: x.locationID(x.spelled()), Name: x.spelled(), Properties: x.propertiesOf(o, body)})
}

// propertiesOf are the properties of a result.
func (x *exchange) propertiesOf(o operation.Operation, body any) any {
	switch b := body.(type) {
	case wire.PruneResult:
		return b.Properties
	case wire.LocationBody21:
		return b.Properties
	}
	if x.version.bit == v2021 {
		return wire.Provisioning{ProvisioningState: wire.Succeeded}
	}
	return nil
}

// backupOf is the backup of an operation, as the board knows it or as control told.
func (x *exchange) backupOf(o operation.Operation) (board.Backup, bool) {
	if o.Backup == nil {
		return lookUp(x.snap, backup.ID(o.ID))
	}
	if b, ok := lookUp(x.snap, o.Backup.BackupID); ok && b.Status.Final() {
		return b, true
	}
	return board.Backup{Overview: *o.Backup, Thumbprint: x.snap.Settings.Certificate(o.Backup.StartedAt)}, true
}

// settling bounds how long a result waits for the first reading after a start.
const settling = time.Minute

// unread reports that this process was started while an operation ran, and has not read yet
// what belongs to the result. A share that is away keeps no result back for longer.
func (x *exchange) unread(o operation.Operation) bool {
	return x.snap.AsOf.IsZero() && !x.snap.Enabled && x.h.options.Now().Sub(o.EndedAt) < settling
}

// changed is the snapshot after a change, also where the board has not seen it yet. It goes
// onto the board, so that the reads that follow agree.
func (x *exchange) changed(id string, o operation.Operation) *board.Snapshot {
	var next *schedule.Setting
	if id != nothingDone && !x.snap.AsOf.After(o.EndedAt) {
		next = x.h.results.scheduleOf(x.loc, id)
	}
	change := func(s *board.Snapshot) {
		if o.Settings != nil && o.Settings.Revision > s.Settings.Revision {
			s.Settings, s.Enabled = *o.Settings, true
		}
		if next != nil && !s.AsOf.After(o.EndedAt) {
			s.Schedule.Setting = *next
		}
		if s.Change != nil && s.Change.ID == id {
			s.Change = nil
		}
	}
	seen := *x.snap
	change(&seen)
	if id != nothingDone && (o.Settings != nil && o.Settings.Revision > x.snap.Settings.Revision || next != nil || x.snap.Change != nil && x.snap.Change.ID == id) {
		x.loc.Board.Apply(change)
	}
	return &seen
}
