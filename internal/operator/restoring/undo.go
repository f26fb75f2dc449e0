package restoring

import (
	"context"
	"errors"
	"slices"
	"time"

	"infrabackup/internal/build"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// Undo is a restore that is taken back.
type Undo struct {
	// Plan is what is going to be done. Begun says that an earlier try was ended, and that
	// this one goes on.
	Plan  *restore.Plan
	Begun bool

	done *statedir.Dir // journal of the restore
	dir  *statedir.Dir // journal of the undo
}

// Close releases both journals.
func (u *Undo) Close() error {
	var errs []error
	for _, d := range []*statedir.Dir{u.done, u.dir} {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// PrepareUndo makes the plan that takes a restore back, or finds the one that was begun.
// Of a restore that was ended in between it finds out first what came about, for which the
// backup is opened; nothing else needs it. Nothing is written to the target. PLAN_APPLIED
// when the restore was undone before.
func PrepareUndo(ctx context.Context, id string, identities []seal.Identity, t *Target, open Opener, a Application) (u *Undo, err error) {
	u = &Undo{}
	defer func() {
		if err != nil {
			err = errors.Join(err, u.Close())
			u = nil
		}
	}()
	var plan *restore.Plan
	if u.done, plan, err = statedir.Open(ctx, a.State, id, identities); err != nil {
		return u, err
	}
	if err := u.find(ctx, plan.Header.PlanID, identities, a); err != nil || u.dir != nil {
		return u, err
	}
	if err := u.settle(ctx, plan, t, open, a); err != nil {
		return u, err
	}
	undo, err := restore.UndoPlan(ctx, plan, u.done, "infrabackup "+build.Version(), time.Now())
	if err != nil {
		return u, err
	}
	others := a.Recipients
	if own := u.done.Key(); !slices.ContainsFunc(identities, func(i seal.Identity) bool { return i.Public() == own.Public() }) {
		// Who can read the plan of the restore can go on with its undo, also when the backup is gone.
		others = append(slices.Clone(others), own.Recipient())
	}
	file, err := Seal(undo, identities, others...)
	if err != nil {
		return u, err
	}
	u.dir, u.Plan, err = statedir.Create(ctx, a.State, file, identities)
	return u, err
}

// find looks for an undo of the restore that was begun. One that was planned and not begun
// is out of date, and is passed over.
func (u *Undo) find(ctx context.Context, id string, identities []seal.Identity, a Application) error {
	all, err := statedir.List(ctx, a.State)
	if err != nil {
		return err
	}
	for _, name := range all {
		if name == id {
			continue
		}
		dir, plan, err := statedir.Open(ctx, a.State, name, identities)
		switch fault.CodeOf(err) {
		case fault.KeyDoesNotFit, fault.ItemNotFound:
			continue // somebody else's, and so not of this restore; or never planned to the end
		}
		if err != nil {
			return err
		}
		if plan.Header.Undoes == id {
			begun, err := (&restore.Run{Plan: plan, Journal: dir}).Begun(ctx)
			if err != nil || begun {
				u.dir, u.Plan, u.Begun = dir, plan, true
				return err
			}
		}
		if err := dir.Close(); err != nil {
			return err
		}
	}
	return nil
}

// settle finds out what came about of a restore that was ended in between.
func (u *Undo) settle(ctx context.Context, plan *restore.Plan, t *Target, open Opener, a Application) error {
	for _, b := range plan.Batches() {
		_, ended, err := u.done.Outcome(ctx, b.Number)
		if err != nil {
			return err
		}
		if ended {
			continue
		}
		run, err := newRun(plan, t, u.done, a)
		if err != nil {
			return err
		}
		if err := run.from(ctx, open); err != nil {
			return err
		}
		run.Consent = consentOf(plan) // it was given, or nothing was begun
		_, err = restore.Settle(ctx, run.Run)
		return err
	}
	return nil
}

// consentOf is the consent that a plan asks for, for looking at what became of it.
func consentOf(plan *restore.Plan) restore.Consent {
	return restore.Consent{Production: plan.Header.Target.ID(), Irreversible: []string{restore.AllIrreversible}}
}

// Apply does it. Totals that are not whole are no error.
func (u *Undo) Apply(ctx context.Context, t *Target, a Application) (restore.Totals, error) {
	run, err := newRun(u.Plan, t, u.dir, a)
	if err != nil {
		return restore.Totals{}, err
	}
	run.Undone = u.done
	return restore.Apply(ctx, run.Run)
}
