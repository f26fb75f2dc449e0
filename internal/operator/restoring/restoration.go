package restoring

import (
	"context"
	"errors"

	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// Restoration is a restore or an undo whose plan lies in a store already, open to be applied
// step by step by callers that have to survive a crash in between. Each step is one of
// [restore.Run]'s methods.
type Restoration struct {
	*restore.Run
	dirs []*statedir.Dir
}

// OpenRestoration opens the restore of an ID, or what goes by the beginning of one, to be
// applied or gone on with. Opener is asked only for the backup of a plan that restores one;
// it stays the caller's. Errors are those of [statedir.Open] and [restore.Run.Open], and
// PLAN_DIFFERS for a backup that is not as it was.
func OpenRestoration(ctx context.Context, id string, identities []seal.Identity, t *Target, open Opener, a Application) (r *Restoration, err error) {
	r = &Restoration{}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
			r = nil
		}
	}()
	dir, plan, err := r.open(ctx, id, identities, a)
	if err != nil {
		return r, err
	}
	run, err := newRun(plan, t, dir, a)
	if err != nil {
		return r, err
	}
	r.Run = run.Run
	if plan.Header.Kind == restore.OfUndo {
		if run.Undone, _, err = r.open(ctx, plan.Header.Undoes, identities, a); err != nil {
			return r, err
		}
	} else if err := run.from(ctx, open); err != nil {
		return r, err
	}
	return r, run.Open(ctx)
}

func (r *Restoration) open(ctx context.Context, id string, identities []seal.Identity, a Application) (*statedir.Dir, *restore.Plan, error) {
	dir, plan, err := statedir.Open(ctx, a.State, id, identities)
	if err == nil {
		r.dirs = append(r.dirs, dir)
	}
	return dir, plan, err
}

// Close gives up the journals.
func (r *Restoration) Close() error {
	var errs []error
	for _, d := range r.dirs {
		errs = append(errs, d.Close())
	}
	return errors.Join(errs...)
}
