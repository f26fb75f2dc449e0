package ad

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/fault"
)

const (
	// maxObjects bounds the directory: about 60 bytes an object are all that grows
	// with it.
	maxObjects = 2_000_000
	// keptBuffer is how large a record's buffer may be to be used again.
	keptBuffer = 1 << 20
)

// sighting is what is remembered of an object that was read.
type sighting struct {
	name   uint64 // hash of its distinguished name
	search uint32 // last search that gave it
}

// reading is one capture while it lasts.
type reading struct {
	conn *connection
	*Collector
	root       *rootDSE // as it was in the beginning
	invocation string
	names      nameAttributes
	controls   []ldap.Control
	sink       collect.Sink
	// emit hands on an object; again says that it was handed on before.
	emit func(f *found, again bool) error

	seen   map[[16]byte]sighting
	seed   maphash.Seed
	search uint32 // number of the current search
	buffer []byte
	cursor map[string]string

	accounts, undescribed int64
	policies              map[string]policy
	elsewhere             map[string]bool
}

func newReading(c *Collector, conn *connection, root *rootDSE, sink collect.Sink) *reading {
	r := &reading{
		Collector: c, conn: conn, root: root, sink: sink,
		controls: append(readingControls(), root.deletedControls()...),
		seen:     map[[16]byte]sighting{}, seed: maphash.MakeSeed(),
		policies: map[string]policy{}, elsewhere: map[string]bool{},
	}
	r.emit = r.record
	return r
}

// attributes are what is asked of each object.
func (r *reading) attributes() []string {
	if r.rangeStep == 0 {
		return wholeObject
	}
	return append(slices.Clone(wholeObject), fmt.Sprintf("member;range=0-%d", r.rangeStep-1))
}

// readTree reads what a filter finds in a naming context, or below a place in it.
func (r *reading) readTree(ctx context.Context, base, namingContext, filter string) error {
	r.search++
	var cut []string // objects of this page that have more values
	return r.conn.run(ctx, search{
		what: "cannot read " + base + " from " + r.conn.host,
		base: base, scope: ldap.ScopeWholeSubtree, filter: filter,
		attributes: r.attributes(), controls: r.controls, pageSize: r.config.PageSize,
		referral: r.refer,
		entry: func(e *ldapEntry) (bool, error) {
			f, err := newFound(e, namingContext, r.names)
			if err != nil {
				return false, err
			}
			s, known := r.seen[f.guid]
			fresh := !known || s.search != r.search
			if len(f.cut) == 0 {
				return fresh, r.take(f)
			}
			// The rest takes further requests, for which this page must end first. The
			// object is read anew then, so that large values are not kept until that.
			if len(cut) < maxPageSize && !slices.Contains(cut, f.record.GUID) {
				cut = append(cut, f.record.GUID)
			}
			return fresh, nil
		},
		page: func() error {
			for _, guid := range cut {
				if err := r.takeWhole(ctx, guid, namingContext); err != nil {
					return err
				}
			}
			cut = cut[:0]
			return nil
		},
	})
}

// takeWhole reads one object by its GUID. One that is gone has a higher USN, where
// it still exists as deleted, and comes in the next round.
func (r *reading) takeWhole(ctx context.Context, guid, namingContext string) error {
	f, err := r.readWhole(ctx, guid, namingContext)
	if err != nil || f == nil {
		return err
	}
	return r.take(f)
}

// take remembers an object and hands it on.
func (r *reading) take(f *found) error {
	_, again := r.seen[f.guid]
	if !again && len(r.seen) == maxObjects {
		return fault.Newf(fault.LimitExceeded, "the directory has more than %d objects", maxObjects)
	}
	r.seen[f.guid] = sighting{name: r.hash(f.record.DN), search: r.search}
	return r.emit(f, again)
}

func (r *reading) hash(dn string) uint64 { return maphash.String(r.seed, dn) }

// record hands an object to the sink.
func (r *reading) record(f *found, again bool) error {
	r.note(&f.record, again)
	document, err := r.encode(f)
	if err != nil {
		return err
	}
	return r.sink.Record(backup.Item{
		Kind: KindObject, ID: f.record.GUID, Name: f.record.DN, Supersedes: again, Aliases: f.record.aliases(),
	}, document)
}

// encode returns the record's JSON, valid until the next call.
func (r *reading) encode(f *found) ([]byte, error) {
	if cap(r.buffer) > keptBuffer {
		r.buffer = nil
	}
	r.buffer = f.record.AppendJSON(slices.Grow(r.buffer[:0], f.record.size()))
	if len(r.buffer) > MaxRecordBytes {
		return nil, fault.Newf(fault.LimitExceeded, "%s needs a record of more than %d bytes", f.record.DN, MaxRecordBytes)
	}
	return r.buffer, nil
}

// refer notes a naming context that the controller does not hold. It refers to
// those that it holds as well.
func (r *reading) refer(url string) {
	dn := referredDN(url)
	if dn == "" || len(r.elsewhere) == maxContexts {
		return
	}
	if !slices.ContainsFunc(r.root.contexts, func(held string) bool { return strings.EqualFold(held, dn) }) {
		r.elsewhere[dn] = true
	}
}
