package resource

import (
	"context"
	"errors"
	"hash/maphash"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource/manager"
)

// fuller decides between two documents of one resource: the one that the part has and
// the one that an answer gives now. A document that was read by its ID counts. Of lists
// that disagree within one look, and of a list that has less than what is known, the
// resource itself is asked; what it answers counts unless the list's has all of that and
// more. It reports true when what the part has stays.
func (w *Walk) fuller(ctx context.Context, t *Type, at key, r Resource) (Resource, bool, error) {
	known, ok := w.items.get(at)
	weight := jsondoc.Weight(r.Document)
	sameLook := ok && known.round == w.round
	if !sameLook {
		known.most, known.confirmed = weight, false
	}
	known.most = max(known.most, weight)
	if !ok {
		return r, false, nil
	}
	w.items.put(at, known)
	switch {
	case maphash.Bytes(w.seed, r.Document) == known.sum, r.read, t.Single, !w.checks(checkFuller), known.endpoint() != r.Endpoint:
		return r, false, nil
	case sameLook && known.confirmed:
		return r, true, nil // the resource itself has decided
	case !sameLook && weight >= known.weight:
		return r, false, nil // it changed
	}
	own, err := w.get(ctx, w.managerOf(r.Endpoint), r.Type, r.ID, r.Version)
	switch {
	case err == nil:
	case refused(err), errors.Is(err, ErrAnswer), errors.Is(err, azure.ErrForbidden):
		w.differ(r)
		return r, weight <= known.weight, nil
	default:
		return r, false, err
	}
	best, stays := own, false
	if weight > jsondoc.Weight(own.Document) && jsondoc.Covers(r.Document, own.Document) {
		best = r
	}
	if sameLook && jsondoc.Weight(best.Document) < known.weight {
		w.differ(r)
		stays = true
	}
	known.confirmed = true
	w.items.put(at, known)
	return best, stays, nil
}

// differ names a resource about which answers disagree.
func (w *Walk) differ(r Resource) {
	w.Gap(backup.Gap{Code: GapDocumentsDiffer, Object: resourceid.Normal(r.ID), Reason: "Two lists gave different documents of it, and the resource itself did not settle which is right; the fuller one is kept."})
}

func (w *Walk) managerOf(endpoint azure.Endpoint) *manager.Manager {
	for _, m := range w.managers {
		if m.Client.Endpoint() == endpoint {
			return m
		}
	}
	return w.managers[0]
}
