package rp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/diff/diffpage"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/operations"
	"infrabackup/internal/rp/compared"
	"infrabackup/internal/rp/drilled"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/restoreplans"
)

// plans reads a request about plans of restores.
func (x *exchange) plans() (c restoreplans.Call, err error) {
	c = restoreplans.Call{Plans: x.loc.Plans, By: x.by(), PlanID: strings.ToLower(x.params.Plan), Newest: func() (backup.ID, error) {
		if b, ok := x.snap.NewestGood(); ok {
			return b.BackupID, nil
		}
		return "", cmp.Or(unread(x.snap), error(apierror.NotFound("The location has no finished backup.")))
	}}
	if x.params.Plan != "" && !restores.IsPlanID(c.PlanID) {
		return c, apierror.NotFound("The plan " + apierror.Quoted(x.params.Plan) + " could not be found.")
	}
	if x.r.Method == http.MethodPost {
		c.Body, err = jsonbody.Read(x.w, x.r, jsonbody.MaxRestoreBytes)
	}
	return c, err
}

// v1Begin answers for what begins an operation of plans.
func (x *exchange) v1Begin(begin func(restoreplans.Call, context.Context) (control.Begun, error)) error {
	c, err := x.plans()
	if err != nil {
		return err
	}
	return x.v1Started(func(ctx context.Context) (control.Begun, error) { return begin(c, ctx) }, c.PlanID)
}

// v1Started begins an operation, and answers with its address. The audit names what it is about, the
// operation itself where that is empty.
func (x *exchange) v1Started(begin func(context.Context) (control.Begun, error), about string) error {
	ctx, cancel := x.beginning()
	defer cancel()
	begun, err := begin(ctx)
	if err != nil {
		return x.refusedPlan(err)
	}
	x.h.results.begin(x.loc, begun.ID, nil)
	x.caller.NoteObject(cmp.Or(about, begun.ID))
	return x.v1Accepted(begun.ID)
}

// refusedPlan is why a request about plans is refused, which may have the form of the API already.
func (x *exchange) refusedPlan(err error) error {
	var shaped *apierror.Error
	if errors.As(err, &shaped) {
		return shaped
	}
	return x.refused(err)
}

func (x *exchange) v1Plan() error     { return x.v1Begin(restoreplans.Call.Make) }
func (x *exchange) v1Apply() error    { return x.v1Begin(restoreplans.Call.Apply) }
func (x *exchange) v1Undo() error     { return x.v1Begin(restoreplans.Call.Undo) }
func (x *exchange) v1ReadPlan() error { return v1Look(x, x.readPlan) }
func (x *exchange) v1OpenPlan() error { return v1Look(x, restoreplans.Call.Open) }
func (x *exchange) v1Restores() error { return v1Look(x, restoreplans.Call.List) }

func (x *exchange) readPlan(c restoreplans.Call, ctx context.Context) (any, error) {
	return c.Read(ctx, x.r.URL.Query())
}

// v1Look answers for what is read of plans.
func v1Look[Body any](x *exchange, look func(restoreplans.Call, context.Context) (Body, error)) error {
	c, err := x.plans()
	if err != nil {
		return err
	}
	return v1Ask(x, func(ctx context.Context) (Body, error) { return look(c, ctx) })
}

// v1Ask answers for what a worker reads: so it counts as a question.
func v1Ask[Body any](x *exchange, ask func(context.Context) (Body, error)) error {
	leave, ok := x.h.results.asked.Enter(x.by())
	if !ok {
		return x.refused(operations.ErrBusy)
	}
	defer leave()
	ctx, cancel := x.beginning()
	defer cancel()
	body, err := ask(ctx)
	if err != nil {
		return x.refusedPlan(err)
	}
	return x.answer(http.StatusOK, apierror.MediaType, body)
}

func (x *exchange) v1Drills() error {
	return v1Ask(x, func(ctx context.Context) (drilled.List, error) {
		return drilled.Read(ctx, x.loc.Control, x.r.URL.Query())
	})
}

func (x *exchange) v1Drill() error {
	return v1Ask(x, func(ctx context.Context) (drilled.Drill, error) {
		return drilled.ReadOne(ctx, x.loc.Control, x.params.Drill, x.mayPlan())
	})
}

// mayPlan reports whether the caller may read plans of restores, without that the audit takes it for
// what was asked for.
func (x *exchange) mayPlan() bool {
	_, covered := x.caller.Covers("operator")
	return covered
}

// comparing reads a request about comparisons.
func (x *exchange) comparing() compared.Call {
	return compared.Call{Diffs: x.loc.Diffs, By: x.by(), Back: func(n int) (backup.ID, error) {
		for _, b := range x.snap.Backups {
			if !b.Good() {
				continue
			}
			if n == 0 {
				return b.BackupID, nil
			}
			n--
		}
		return "", cmp.Or(unread(x.snap), error(apierror.NotFound("The location has no backup that is so many before the newest.")))
	}}
}

func (x *exchange) v1Compare() (err error) {
	c := x.comparing()
	if c.Body, err = jsonbody.Read(x.w, x.r, jsonbody.MaxRestoreBytes); err != nil {
		return err
	}
	return x.v1Started(c.Begin, "")
}

func (x *exchange) v1Diff() error {
	return v1Ask(x, func(ctx context.Context) (diffpage.Page, error) {
		return x.comparing().Read(ctx, x.params.Diff, x.r.URL.Query())
	})
}
