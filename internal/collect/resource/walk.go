package resource

import (
	"context"
	"errors"
	"hash/maphash"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

// Codes of gaps.
const (
	GapVanished          = "VANISHED"                // deleted while it was captured
	GapWriteOnly         = "WRITE_ONLY"              // a property that no answer gives
	GapTypeUnknown       = "TYPE_UNKNOWN"            // offered, and no row knows it
	GapTypeNotOffered    = "TYPE_NOT_OFFERED"        // a row's type that this stamp does not have
	GapVersionUntested   = "API_VERSION_UNTESTED"    // captured with a version that no row knows
	GapCollectionRefused = "COLLECTION_REFUSED"      // the stamp offers the type and refuses its list
	GapSubscription      = "SUBSCRIPTION_UNREADABLE" // the client does not see it
)

// maxItems bounds one capture: what is remembered of each item lies in memory.
const maxItems = 4_000_000

// mark is what is remembered of an item.
type mark struct {
	sum     uint64 // of its document
	tracked bool
	round   uint8 // the look that saw it last
}

// key names an item within a service.
type key struct{ kind, id string }

// Walk is one capture of one service. It is used from one goroutine.
type Walk struct {
	stamp *azure.Stamp
	table *Table
	sink  collect.Sink
	now   func() time.Time
	seed  maphash.Seed

	managers []*manager
	parents  map[string][]*Type // rows by the kind of their parent
	items    map[key]mark
	waiting  []list               // collections below resources, to be read
	parted   map[*Type][]Resource // with contents elsewhere, to be descended to
	listed   map[*Type]int        // documents that a row's lists had
	verified map[*Type]bool       // rows whose lists had nothing that an earlier row had not
	gaps     []backup.Gap
	gapIndex map[key]int
	round    uint8
	changed  int64 // items that later looks found new, changed or gone
	buffer   []byte
}

// Stamp is what is captured.
func (w *Walk) Stamp() *azure.Stamp { return w.stamp }

// Record adds a document. A document that was recorded before with the same bytes is
// not added again; with other bytes it supersedes the earlier one. It reports whether
// it was added.
func (w *Walk) Record(kind string, r Resource, x Extras) (bool, error) {
	id := x.ID
	if id == "" {
		id = r.ID
	}
	if id == "" {
		return false, fault.Newf(fault.SourceInvalid, "a document of type %s has no id", r.Type)
	}
	id = strings.ToLower(id)
	at := key{kind, id}
	sum := maphash.Bytes(w.seed, r.Document)
	known, again := w.items[at]
	if again && known.sum == sum {
		known.round = w.round
		w.items[at] = known
		return false, nil
	}
	if !again && len(w.items) == maxItems {
		return false, fault.Newf(fault.LimitExceeded, "the service has more than %d items", maxItems)
	}
	name := x.Name
	if name == "" {
		name = nameOf(id, r.ID)
	}
	w.buffer = appendEnvelope(w.buffer[:0], r)
	err := w.sink.Record(backup.Item{Kind: kind, ID: id, Name: name, Supersedes: again, Aliases: x.Aliases, References: x.References}, w.buffer)
	if err != nil {
		return false, err
	}
	if cap(w.buffer) > 4<<20 {
		w.buffer = nil // one huge document does not stay
	}
	if w.round > 1 || (w.round == 1 && kind != otherKind) { // types that no row knows are first found by the first later look
		w.changed++
	}
	known.sum, known.round = sum, w.round
	w.items[at] = known
	return true, nil
}

// Gap notes what is missing. Gaps with the same code and object are added up, and
// reach the sink when the capture ends.
func (w *Walk) Gap(g backup.Gap) {
	at := key{g.Code, g.Object}
	if i, ok := w.gapIndex[at]; ok {
		w.gaps[i].Count += g.Count
		return
	}
	w.gapIndex[at] = len(w.gaps)
	w.gaps = append(w.gaps, g)
}

// Vanished notes that something was deleted while it was captured. What was read of
// it stays.
func (w *Walk) Vanished(id string) {
	w.Gap(backup.Gap{Code: GapVanished, Object: id, Reason: "It was deleted while the service was captured."})
	if w.round > 0 {
		w.changed++
	}
}

// take records a document of a row.
func (w *Walk) take(t *Type, r Resource) (bool, error) {
	fresh, err := w.Record(t.Kind, r, Extras{References: t.referencesIn(r.Document), Aliases: t.aliasesOf(r.Document)})
	if err != nil || !fresh {
		return fresh, err
	}
	at := key{t.Kind, strings.ToLower(r.ID)}
	m := w.items[at]
	m.tracked = t.tracked()
	w.items[at] = m
	for _, property := range t.WriteOnly {
		if gjson.GetBytes(r.Document, property.When).Exists() && w.round == 0 {
			w.Gap(backup.Gap{Code: GapWriteOnly, Object: t.Type + " " + property.Property, Count: 1,
				Reason: "The stamp takes this property and gives it to nobody; supply it again after a restore."})
		}
	}
	return true, nil
}

func (t *Type) aliasesOf(document []byte) []string {
	if t.Aliases == nil {
		return nil
	}
	return t.Aliases(document)
}

func (t *Type) tracked() bool { return !t.Untracked && t.Scope != InParent && !t.Single }

// nameOf is what an operator calls a resource: group and name, or the last parts.
func nameOf(id, original string) string {
	if original == "" || !strings.EqualFold(id, original) {
		original = id
	}
	parts := strings.Split(strings.Trim(original, "/"), "/")
	for i, part := range parts {
		if strings.EqualFold(part, "providers") && i+2 < len(parts) {
			var names []string
			if i >= 2 && strings.EqualFold(parts[i-2], "resourceGroups") {
				names = append(names, parts[i-1])
			}
			for j := i + 3; j < len(parts); j += 2 {
				names = append(names, parts[j])
			}
			if len(names) > 0 {
				return strings.Join(names, "/")
			}
		}
	}
	return parts[len(parts)-1]
}

// get reads one document by its ID.
func (w *Walk) get(ctx context.Context, m *manager, fullType, id, version string) (Resource, error) {
	answer, err := m.client.Get(ctx, id, version, nil)
	if err != nil {
		return Resource{}, err
	}
	if own := gjson.GetBytes(answer.Body, "id").String(); strings.EqualFold(own, id) {
		id = own // with the case that its creator chose
	}
	return Resource{Endpoint: m.client.Endpoint(), Type: fullType, ID: id, Version: version, Document: answer.Body}, nil
}

// gone reports whether a fault says that something is not there.
func gone(err error) bool { return errors.Is(err, azure.ErrNotFound) }

// refused reports whether a fault says that a collection cannot be listed.
func refused(err error) bool {
	return errors.Is(err, azure.ErrNotFound) || errors.Is(err, azure.ErrRefused) || errors.Is(err, azure.ErrVersionRefused)
}
