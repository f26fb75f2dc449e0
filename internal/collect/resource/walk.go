package resource

import (
	"context"
	"hash/maphash"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/edge"
	"infrabackup/internal/collect/resource/manager"
	"infrabackup/internal/collect/resource/pending"
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
	GapUnlisted          = "SUBSCRIPTION_UNLISTED"   // users see it, and the operator's list does not name it
	GapListedNotFound    = "LISTED_NOT_FOUND"        // a list names it, and it is not there when it is read
	GapResourceRefused   = "RESOURCE_REFUSED"        // the stamp refuses to give one resource
	GapAnswer            = "ANSWER_INVALID"          // the answer is not the document that was asked for
	GapNotRegistered     = "NOT_REGISTERED"          // a subscription that is not registered for a provider
	GapNowhere           = "LIST_EMPTY"              // a list that says where to look, or is never empty, has nothing
	GapUnconfirmed       = "NO_LONGER_LISTED"        // a later list does not name it, and it cannot be asked for
	GapDocumentsDiffer   = "DOCUMENTS_DIFFER"        // two answers disagree about one resource
	GapScopesNotAsked    = "SCOPES_NOT_ASKED"        // scopes below the subscription that were not asked themselves
	GapLate              = "CAME_LATE"               // a resource group that came at the end of the capture
	GapChildren          = "CHILDREN_NOT_ASKED"      // what may lie below resources of an unknown type
)

// maxGaps bounds how many gaps are told apart. Further ones are counted by code.
const maxGaps = 20_000

// Walk is one capture of one service. It is used from one goroutine.
type Walk struct {
	stamp *azure.Stamp
	table *Table
	sink  collect.Sink
	now   func() time.Time
	seed  maphash.Seed

	managers     []*manager.Manager
	parents      map[string][]*Type // rows by the kind of their parent
	items        items
	waiting      []list               // collections below resources, to be read
	toDescend    map[*Type][]Resource // with contents elsewhere, to be descended to
	gaps         []backup.Gap
	gapIndex     map[[2]string]int // by code and object
	pending      *pending.Set
	lost         map[key]lost     // what a list names and the stamp does not find
	claims       []claim          // what is said to be gone
	unknownTypes map[string]int64 // resources of types that no row knows
	groups       groups           // resource groups that something lies in
	userless     map[string]bool  // operator's subscriptions that refuse the list of users
	lastGroup    string           // the address that was looked up last
	without      check
	round        uint8
	changed      int64 // items that later looks found new, changed or gone
	buffer       []byte

	memory *azure.Memory
	extra  int // bytes that are remembered in the other maps and lists above
	taken  int // bytes that memory knows of
}

// weigh counts what is remembered: LIMIT_EXCEEDED when it is too much. It is called for
// each part of a page, so that no more than such a part is remembered in excess.
func (w *Walk) weigh() error {
	now := w.extra + w.items.index.Bytes() + w.groups.bytes() + w.pending.Bytes()
	err := w.memory.Take(now - w.taken)
	if err == nil {
		w.taken = now
	}
	return err
}

// Remember counts bytes that a collector remembers besides, until the capture ends. It
// may be called from any goroutine.
func (w *Walk) Remember(n int) error { return w.memory.Take(n) }

// Stamp is what is captured.
func (w *Walk) Stamp() *azure.Stamp { return w.stamp }

// keyOf is the key of an item.
func (w *Walk) keyOf(endpoint azure.Endpoint, kind, id string) key {
	if !w.checks(checkEndpoint) {
		endpoint = ""
	}
	return key{endpoint, kind, resourceid.Key(id)}
}

// ItemID is the ID of an item: that of its resource, in the form of [resourceid.Key]. When the
// other resource manager has an item of the same kind and ID, and had it first, the
// endpoint's name stands in front, as in /admin/subscriptions/….
func (w *Walk) ItemID(kind string, endpoint azure.Endpoint, id string) string {
	at := w.keyOf(endpoint, kind, id)
	if w.qualified(at) {
		return "/" + string(endpoint) + at.id
	}
	return at.id
}

func (w *Walk) qualified(at key) bool {
	if known, ok := w.items.get(at); ok {
		return known.qualified
	}
	var other azure.Endpoint
	switch at.endpoint {
	case azure.Tenant:
		other = azure.Admin
	case azure.Admin:
		other = azure.Tenant
	default:
		return false
	}
	_, taken := w.items.get(key{other, at.kind, at.id})
	return taken
}

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
	at := w.keyOf(r.Endpoint, kind, id)
	sum := maphash.Bytes(w.seed, r.Document)
	known, again := w.items.get(at)
	w.captured(r, x)
	if again && known.sum == sum {
		known.round = w.round
		w.items.put(at, known)
		return false, nil
	}
	if !again {
		if err := w.weigh(); err != nil {
			return false, err
		}
	}
	known.qualified = w.qualified(at)
	id = w.ItemID(kind, r.Endpoint, id)
	name := x.Name
	if name == "" {
		name = resourceid.Name(at.id, resourceid.Normal(r.ID))
	}
	w.buffer = appendEnvelope(w.buffer[:0], r)
	err := w.sink.Record(backup.Item{Kind: kind, ID: id, Name: name, Supersedes: again, Aliases: x.Aliases, References: x.References, ReferencesLeftOut: x.ReferencesLeftOut}, w.buffer)
	if err != nil {
		return false, sinkError{err}
	}
	if cap(w.buffer) > 4<<20 {
		w.buffer = nil // one huge document does not stay
	}
	if w.round > 1 || (w.round == 1 && kind != otherKind) { // types that no row knows are first found by the first later look
		w.changed++
	}
	if again && known.endpoint() != r.Endpoint {
		w.pending.Reopen(address(known.endpoint(), at.id)) // its document is no more in the part
	}
	known.gave(r.Endpoint)
	known.sum, known.round, known.weight = sum, w.round, jsondoc.Weight(r.Document)
	w.items.put(at, known)
	return true, nil
}

// captured settles what a document itself says that it is.
func (w *Walk) captured(r Resource, x Extras) {
	own := x.Address
	if own == "" && r.Endpoint != azure.Vault {
		own = jsondoc.Text(r.Document, "id")
		if own == "" && !r.read {
			own = r.ID // of the few types whose documents have no id
		}
	}
	if own != "" {
		w.pending.Settle(address(r.Endpoint, own))
	}
}

// Named notes that a list of an endpoint has an element.
func (w *Walk) Named(endpoint azure.Endpoint, id string) { w.pending.Name(address(endpoint, id)) }

// Settled notes that what a list named is accounted for by a gap.
func (w *Walk) Settled(endpoint azure.Endpoint, id string) { w.pending.Settle(address(endpoint, id)) }

// Gap notes what is missing. Gaps with the same code and object are added up, and
// reach the sink when the capture ends. Beyond a limit only their number is kept.
func (w *Walk) Gap(g backup.Gap) {
	at := [2]string{g.Code, g.Object}
	i, ok := w.gapIndex[at]
	if !ok && len(w.gaps) >= maxGaps {
		g.Count = max(g.Count, 1)
		g.Object = backup.FurtherObjects
		at[1] = g.Object
		i, ok = w.gapIndex[at]
	}
	if ok {
		w.gaps[i].Count += g.Count
		return
	}
	w.extra += len(g.Object) + len(g.Reason) + 160
	w.gapIndex[at] = len(w.gaps)
	w.gaps = append(w.gaps, g)
}

// Vanished notes that something is not there any more: it was named or read, and
// answered 404 when it was asked for. What was read of it stays.
func (w *Walk) Vanished(endpoint azure.Endpoint, id string) {
	w.Gap(backup.Gap{Code: GapVanished, Object: resourceid.Normal(id), Reason: "It was there when the capture began, and not found (404) when it was asked for later; what was read of it before is kept."})
	w.Settled(endpoint, id)
	if w.round > 0 {
		w.changed++
	}
}

// take records a document of a row.
func (w *Walk) take(ctx context.Context, t *Type, r Resource) (bool, error) {
	at := w.keyOf(r.Endpoint, t.Kind, r.ID)
	r, stays, err := w.fuller(ctx, t, at, r)
	if err != nil || stays {
		return false, err
	}
	edges, further := edge.Of(t.Type, r.ID, r.Document)
	fresh, err := w.Record(t.Kind, r, Extras{References: edge.References(edges), ReferencesLeftOut: int64(further), Aliases: t.aliasesOf(r.Document)})
	if err != nil {
		return false, err
	}
	m, _ := w.items.get(at)
	m.confirmed = m.confirmed || r.read
	m.most = max(m.most, m.weight)
	if fresh {
		m.tracked = t.tracked()
	}
	w.items.put(at, m)
	if !fresh {
		return false, nil
	}
	for _, property := range t.WriteOnly {
		if gjson.GetBytes(r.Document, property.When).Exists() && w.round == 0 {
			w.Gap(backup.Gap{Code: GapWriteOnly, Object: t.Type + " " + property.Property, Count: 1,
				Reason: "The stamp takes this property and gives it to no caller; supply it again after a restore."})
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
