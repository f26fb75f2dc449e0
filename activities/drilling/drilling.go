package drilling

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/operator/drilling"
	"infrabackup/internal/repository"
	"infrabackup/internal/restore/drill"
)

// Activities answers for the activity. Fields are required.
type Activities struct {
	// Repository connects to the share, and names the instance whose drills are believed as its
	// backups do.
	Repository func(ctx context.Context) (*repository.Repository, backup.Instance, error)
	// Signers reads the list of keys that certificates are believed by; it is empty where this
	// worker has none.
	Signers func(ctx context.Context) ([]byte, error)
}

// maxOfOne bounds how many files are looked at that have the ID of one drill in their names. More of them
// hide it, which a holder of the share could do by removing it as well.
const maxOfOne = 10

// Look reads a page of the certificates, or one of them: that which is believed where files under the
// names of others have its ID too. ITEM_NOT_FOUND when there is no such drill.
func (a Activities) Look(ctx context.Context, in drills.Input) (out drills.Output, err error) {
	signers, err := a.Signers(ctx)
	if err != nil {
		return out, err
	}
	repo, instance, err := a.Repository(ctx)
	if err != nil {
		return out, err
	}
	names, err := repo.Drills().List(ctx)
	if err != nil {
		return out, err
	}
	out = drills.Output{Drills: []drill.Listed{}, Total: len(names), From: in.From}
	if in.DrillID != "" {
		var of []string
		for _, name := range names {
			if drill.IDOf(name) == in.DrillID && len(of) < maxOfOne {
				of = append(of, name)
			}
		}
		if names = of; len(names) == 0 {
			return out, fault.Newf(fault.ItemNotFound, "there is no certificate of drill %s beside the backups", in.DrillID)
		}
	} else {
		names = names[min(in.From, len(names)):]
		names = names[:min(in.Count, len(names))]
	}
	for _, name := range names {
		line, signature, err := repo.Drills().Read(ctx, name)
		if err != nil {
			return out, err
		}
		listed, certificate := drilling.Look(instance, name, line, signature, signers)
		if in.DrillID == "" {
			out.Drills = append(out.Drills, listed)
		} else if out.Certificate == nil && (len(out.Drills) == 0 || certificate != nil) {
			out.Drills, out.Certificate = []drill.Listed{listed}, certificate
		}
	}
	return out, nil
}
