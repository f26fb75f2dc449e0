package restoring

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/operator"
	"infrabackup/internal/operator/extract"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/statedir"
	"infrabackup/internal/seal"
)

// OnShare are the restores of workers, whose plans and journals lie beside the backups.
func OnShare(place *operator.LocalRepo) statedir.Store { return place.Repo.Restores() }

// BackupKey is the key of one backup, for a worker that restores it: the operator's own key
// stays here. Name is what [operator.ParseName] returns. A backup that no trusted key signed is
// refused.
func BackupKey(ctx context.Context, place *operator.LocalRepo, name string, identities []seal.Identity) (backup.ID, seal.Identity, error) {
	ref, err := place.Resolve(ctx, name, place.Latest)
	if err != nil {
		return "", seal.Identity{}, err
	}
	b, err := place.Backup(ctx, ref, false)
	if err != nil {
		return "", seal.Identity{}, err
	}
	key, err := extract.Unlock(ctx, b, identities)
	return b.Manifest().BackupID, key, err
}

// ReadPlan reads the plan of a restore that a store has, and the key that a worker needs to go
// on with it, or to undo it: that of its backup, or, to undo where the backup is gone, that of the
// plan itself.
func ReadPlan(ctx context.Context, place *operator.LocalRepo, id string, identities []seal.Identity) (*restore.Plan, seal.Identity, error) {
	store := OnShare(place)
	dir, plan, err := statedir.Open(ctx, store, id, identities)
	if err != nil {
		return nil, seal.Identity{}, err
	}
	own := dir.Key()
	if err := dir.Close(); err != nil {
		return nil, seal.Identity{}, err
	}
	_, key, err := BackupKey(ctx, place, string(plan.Header.Origin.BackupID), identities)
	if fault.CodeOf(err) != fault.BackupNotFound {
		return plan, key, err
	}
	if plan.Header.Kind != restore.OfUndo {
		return plan, own, nil
	}
	done, _, err := statedir.Open(ctx, store, plan.Header.Undoes, identities)
	if err != nil {
		return nil, seal.Identity{}, err
	}
	return plan, done.Key(), done.Close()
}

// Listed is one restore of a store.
type Listed = restore.Listed

// List lists the restores of a store, and says how far each is.
func List(ctx context.Context, store statedir.Store, identities []seal.Identity) ([]Listed, error) {
	ids, err := statedir.List(ctx, store)
	if err != nil {
		return nil, err
	}
	all := []Listed{}
	for _, id := range ids {
		dir, plan, err := statedir.Open(ctx, store, id, identities)
		row := Listed{PlanID: id}
		switch fault.CodeOf(err) {
		case "":
			row = Listed{PlanID: id, Kind: plan.Header.Kind, BackupID: plan.Header.Origin.BackupID, Target: plan.Header.Target.Name}
			row.State, err = stateOf(ctx, plan, dir)
			err = errors.Join(err, dir.Close())
		case fault.RestoreRunning:
			row.State, err = "open elsewhere", nil
		case fault.KeyDoesNotFit:
			row.State, err = forAnotherKey, nil
		case fault.ItemNotFound:
			row.State, err = "not planned", nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, nil
}

// Look reads the plan of a restore that a store has with the key of its backup, and says how far
// the restore is. Errors are those of [statedir.Open].
func Look(ctx context.Context, store statedir.Store, id string, key seal.Identity) (*restore.Plan, string, error) {
	dir, plan, err := statedir.Open(ctx, store, id, []seal.Identity{key})
	if err != nil {
		return nil, "", err
	}
	state, err := stateOf(ctx, plan, dir)
	return plan, state, errors.Join(err, dir.Close())
}

// ListKeyed is [List] for callers with the keys of some plans, by ID: no other plan is opened, and
// at most limit restores are told. More says that there are others.
func ListKeyed(ctx context.Context, store statedir.Store, keys map[string]seal.Identity, limit int) (all []Listed, more bool, err error) {
	ids, err := statedir.List(ctx, store)
	if err != nil {
		return nil, false, err
	}
	slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(unkeyed(keys, a), unkeyed(keys, b)) })
	for _, id := range ids[:min(limit, len(ids))] {
		row := Listed{PlanID: id, State: forAnotherKey}
		if key, ok := keys[id]; ok {
			plan, state, err := Look(ctx, store, id, key)
			switch fault.CodeOf(err) {
			case "":
				row = Listed{PlanID: id, Kind: plan.Header.Kind, BackupID: plan.Header.Origin.BackupID, Target: plan.Header.Target.Name, State: state}
			case fault.KeyDoesNotFit, fault.ItemNotFound:
			case fault.PlanInvalid, fault.JournalInvalid, fault.FormatUnknown:
				row.State = "damaged"
			default:
				return nil, false, err
			}
		}
		all = append(all, row)
	}
	return all, len(ids) > limit, nil
}

// unkeyed orders restores of which there is a key before the others.
func unkeyed(keys map[string]seal.Identity, id string) int {
	if _, ok := keys[id]; ok {
		return 0
	}
	return 1
}

// forAnotherKey is the state of a restore whose plan cannot be opened.
const forAnotherKey = "for another key"

// stateOf says how far a restore is.
func stateOf(ctx context.Context, plan *restore.Plan, journal restore.Journal) (string, error) {
	begun, err := (&restore.Run{Plan: plan, Journal: journal}).Begun(ctx)
	if err != nil || !begun {
		return "planned", err
	}
	for _, b := range plan.Batches() {
		_, ended, err := journal.Outcome(ctx, b.Number)
		if err != nil || !ended {
			return "unfinished", err
		}
	}
	return "ended", nil
}
