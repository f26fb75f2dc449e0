package drilling

import (
	"context"
	"slices"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/operator/drilling"
	"infrabackup/internal/repository"
	"infrabackup/internal/restore/drill"
)

// Activities answers for the activity. Fields are required.
type Activities struct {
	// Repository connects to the share.
	Repository func(ctx context.Context) (*repository.Repository, error)
	// Signers reads the list of keys that certificates are believed by; it is empty where this
	// worker has none.
	Signers func(ctx context.Context) ([]byte, error)
}

// Look reads a page of the certificates, or one of them. ITEM_NOT_FOUND when there is no such drill.
func (a Activities) Look(ctx context.Context, in drills.Input) (out drills.Output, err error) {
	signers, err := a.Signers(ctx)
	if err != nil {
		return out, err
	}
	repo, err := a.Repository(ctx)
	if err != nil {
		return out, err
	}
	names, err := repo.Drills().List(ctx)
	if err != nil {
		return out, err
	}
	out = drills.Output{Drills: []drill.Listed{}, Total: len(names), From: in.From}
	if in.DrillID != "" {
		at := slices.IndexFunc(names, func(name string) bool { return drill.IDOf(name) == in.DrillID })
		if at < 0 {
			return out, fault.Newf(fault.ItemNotFound, "there is no certificate of drill %s beside the backups", in.DrillID)
		}
		names = names[at : at+1]
	} else {
		names = names[min(in.From, len(names)):]
		names = names[:min(in.Count, len(names))]
	}
	for _, name := range names {
		line, signature, err := repo.Drills().Read(ctx, name)
		if err != nil {
			return out, err
		}
		listed, certificate := drilling.Look(name, line, signature, signers)
		out.Drills = append(out.Drills, listed)
		if in.DrillID != "" {
			out.Certificate = certificate
		}
	}
	return out, nil
}
