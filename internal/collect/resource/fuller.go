package resource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/maphash"
	"math"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/backup"
)

// fuller decides between two documents of one resource: the one that the part has and
// the one that an answer gives now. A document that was read by its ID counts. Of lists
// that disagree within one look, and of a list that has less than what is known, the
// resource itself is asked; what it answers counts unless the list's has all of that and
// more. It reports true when what the part has stays.
func (w *Walk) fuller(ctx context.Context, t *Type, at key, r Resource) (Resource, bool, error) {
	known, ok := w.items[at]
	weight := weightOf(r.Document)
	sameLook := ok && known.round == w.round
	if !sameLook {
		known.most, known.confirmed = weight, false
	}
	known.most = max(known.most, weight)
	if !ok {
		return r, false, nil
	}
	w.items[at] = known
	switch {
	case maphash.Bytes(w.seed, r.Document) == known.sum, r.read, t.Single, !w.checks(checkFuller), known.endpoint != r.Endpoint:
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
	if weight > weightOf(own.Document) && covers(r.Document, own.Document) {
		best = r
	}
	if sameLook && weightOf(best.Document) < known.weight {
		w.differ(r)
		stays = true
	}
	known.confirmed = true
	w.items[at] = known
	return best, stays, nil
}

// differ names a resource about which answers disagree.
func (w *Walk) differ(r Resource) {
	w.Gap(backup.Gap{Code: GapDocumentsDiffer, Object: PathOf(r.ID), Reason: "Two lists gave different documents of it, and the resource itself did not settle which is right; the fuller one is kept."})
}

func (w *Walk) managerOf(endpoint azure.Endpoint) *manager {
	for _, m := range w.managers {
		if m.client.Endpoint() == endpoint {
			return m
		}
	}
	return w.managers[0]
}

// weightOf is how much a document says: the number of its members and elements. It is
// one pass without recursion.
func weightOf(document []byte) uint32 {
	weight, inText := uint64(1), false
	for i := 0; i < len(document); i++ {
		switch c := document[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case !inText && (c == ':' || c == ','):
			weight++
		}
	}
	return uint32(min(weight, math.MaxUint32))
}

// covers reports whether a document has all that another says, and says it likewise.
func covers(full, short []byte) bool {
	a, b := valueOf(full), valueOf(short)
	if a == nil || b == nil {
		return false
	}
	return has(a, b)
}

// valueOf decodes a document, nil for one that is none.
func valueOf(document []byte) any {
	d := json.NewDecoder(bytes.NewReader(scan.Trim(document)))
	d.UseNumber()
	var value any
	if d.Decode(&value) != nil {
		return nil
	}
	return value
}

func has(a, b any) bool {
	switch b := b.(type) {
	case nil:
		return true // null says nothing
	case map[string]any:
		of, ok := a.(map[string]any)
		if !ok {
			return false
		}
		for name, value := range b {
			if other, there := of[name]; value != nil && (!there || !has(other, value)) {
				return false
			}
		}
		return true
	case []any:
		of, ok := a.([]any)
		if !ok || len(of) < len(b) {
			return false
		}
		for i := range b {
			if !has(of[i], b[i]) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}
