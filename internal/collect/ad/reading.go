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
	"infrabackup/internal/collect/ad/directory"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/compact"
	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

const (
	// maxPlace bounds a place that is named in a gap.
	maxPlace = 300
	// maxObjects bounds the directory: about 45 bytes an object are all that grows
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

// reading is one capture while it lasts. It is used by one goroutine, the one that
// writes to the sink.
type reading struct {
	asking
	root       *rootDSE // as it was in the beginning
	invocation string
	sink       collect.Sink
	// emit hands on an object; again says that it was handed on before.
	emit func(o *object, again bool) error

	seen   compact.Table[compact.Digest, sighting] // by the digest of the objectGUID
	seed   maphash.Seed
	search uint32 // number of the current search
	buffer []byte
	cursor map[string]string
	// lifetimes are those that the forest sets, by their names in the cursor.
	lifetimes map[string]string

	accounts, undescribed int64
	policies              map[string]string // versions of group policies in the directory
	elsewhere             map[string]bool
	// owed are objects that a page had and whose values were to be read by themselves. What
	// is still owed at the end was neither read nor seen to be deleted.
	owed map[[16]byte]struct{}
	// heads are the naming contexts, in lower case, and whether the object of that name, which
	// every naming context has, was read: an empty one is no answer.
	heads map[string]bool
}

var _ receiver = (*reading)(nil)

func newReading(c *Collector, conn *directory.Conn, root *rootDSE, sink collect.Sink) *reading {
	r := &reading{
		asking: asking{Collector: c, conn: conn, controls: append(readingControls(), root.deletedControls()...)},
		root:   root, sink: sink,
		seed:     maphash.MakeSeed(),
		policies: map[string]string{}, elsewhere: map[string]bool{}, owed: map[[16]byte]struct{}{}, heads: map[string]bool{},
	}
	for _, dn := range root.contexts {
		r.heads[strings.ToLower(dn)] = false
	}
	r.emit = r.record
	return r
}

// close ends the connection.
func (r *reading) close() {
	if r.conn != nil {
		r.conn.Close()
	}
}

// readTree reads what a filter finds in a naming context, or below a place in it.
func (r *reading) readTree(ctx context.Context, base, namingContext, filter string) error {
	r.search++
	return r.asking.readTree(ctx, base, namingContext, filter, r)
}

// listed implements [receiver].
func (r *reading) listed(guid [16]byte) (fresh bool, err error) {
	r.owed[guid] = struct{}{}
	return r.fresh(guid), nil
}

// sighted finds what is remembered of an object. A GUID need not be random, and its digest
// is as good as that.
func (r *reading) sighted(guid [16]byte) (sighting, bool) {
	return r.seen.Get(compact.DigestOf(string(guid[:])))
}

// fresh reports whether the current search did not give an object before.
func (r *reading) fresh(guid [16]byte) bool {
	s, known := r.sighted(guid)
	return !known || s.search != r.search
}

// take implements [receiver].
func (r *reading) take(f *found) (fresh bool, err error) {
	if cap(r.buffer) > keptBuffer {
		r.buffer = nil
	}
	o, err := newObject(f, slices.Grow(r.buffer[:0], f.record.Size()))
	if err != nil {
		return false, err
	}
	r.buffer = o.document
	fresh = r.fresh(o.guid)
	return fresh, r.arrive(o)
}

// pageEnd implements [receiver].
func (r *reading) pageEnd(bool) error { return nil }

// arrive remembers an object and hands it on.
func (r *reading) arrive(o *object) error {
	_, again := r.sighted(o.guid)
	if !again && r.seen.Len() == maxObjects {
		return fault.Newf(fault.LimitExceeded, "the directory has more than %d objects", maxObjects)
	}
	r.seen.Put(compact.DigestOf(string(o.guid[:])), sighting{name: r.hash(o.name), search: r.search})
	delete(r.owed, o.guid)
	if _, is := r.heads[strings.ToLower(o.name)]; is {
		r.heads[strings.ToLower(o.name)] = true
	}
	return r.emit(o, again)
}

func (r *reading) hash(dn string) uint64 { return maphash.String(r.seed, dn) }

// record hands an object to the sink.
func (r *reading) record(o *object, again bool) error {
	r.note(o, again)
	return r.sink.Record(backup.Item{
		Kind: record.Kind, ID: o.id, Name: o.name, Supersedes: again, Aliases: o.aliases,
	}, o.document)
}

// refer implements [receiver]: it notes a naming context that the controller does not
// hold. It refers to those that it holds as well.
func (r *reading) refer(url string) error {
	dn := referredDN(url)
	if dn == "" {
		dn = "a place that cannot be determined: " + printable.Text(printable.Clip(url, maxPlace))
	}
	if len(r.elsewhere) >= maxContexts && !r.elsewhere[dn] {
		dn = "further places"
	}
	if !slices.ContainsFunc(r.root.contexts, func(held string) bool { return strings.EqualFold(held, dn) }) {
		r.elsewhere[dn] = true
	}
	return nil
}

// object is a found object on its way to the sink.
type object struct {
	guid     [16]byte
	id, name string // GUID and distinguished name as text
	deleted  bool
	aliases  []string
	document []byte // its record in JSON
	remarks
}

// newObject encodes an object behind the end of buffer.
func newObject(f *found, buffer []byte) (*object, error) {
	document := f.record.AppendJSON(buffer)
	if len(document) > record.MaxBytes {
		return nil, fault.Newf(fault.LimitExceeded, "%s needs a record of more than %d bytes", f.record.DN, record.MaxBytes)
	}
	return &object{
		guid: f.guid, id: f.record.GUID, name: f.record.DN, deleted: f.record.Deleted,
		aliases: f.record.Aliases(), document: document, remarks: remarksOf(&f.record),
	}, nil
}

// asking is how objects are asked for, on one connection.
type asking struct {
	*Collector
	conn     *directory.Conn
	names    nameAttributes
	controls []ldap.Control
}

// receiver gets what a search finds, in the order in which it comes.
type receiver interface {
	// take gets an object with all its values. Fresh says that this search did not give
	// it before.
	take(f *found) (fresh bool, err error)
	// listed gets an object that take will get when the rest of its values was read.
	listed(guid [16]byte) (fresh bool, err error)
	// refer gets a place that the server refers to.
	refer(url string) error
	// pageEnd is called when all of a page was handed over.
	pageEnd(last bool) error
}

// attributes are what is asked of each object.
func (a *asking) attributes() []string {
	if a.rangeStep == 0 {
		return wholeObject
	}
	return append(slices.Clone(wholeObject), fmt.Sprintf("member;range=0-%d", a.rangeStep-1))
}

// readTree reads what a filter finds in a naming context, or below a place in it.
func (a *asking) readTree(ctx context.Context, base, namingContext, filter string, to receiver) error {
	var cut []string // objects of this page that have more values
	return a.conn.Run(ctx, directory.Search{
		What: "cannot read " + base + " from " + a.conn.Host,
		Base: base, Scope: ldap.ScopeWholeSubtree, Filter: filter,
		Attributes: a.attributes(), Controls: a.controls, PageSize: a.config.PageSize,
		Referral: to.refer,
		Entry: func(e *directory.Entry) (bool, error) {
			f, err := newFound(e, namingContext, a.names)
			if err != nil {
				return false, err
			}
			if len(f.cut) == 0 {
				return to.take(f)
			}
			// The rest takes further requests, for which this page must end first. The
			// object is read again then, so that large values are not kept until that.
			if len(cut) == maxPageSize {
				return false, fault.Newf(fault.SourceInvalid, "%s: a page has more than %d objects", base, maxPageSize)
			}
			if !slices.Contains(cut, f.record.GUID) {
				cut = append(cut, f.record.GUID)
			}
			return to.listed(f.guid)
		},
		Page: func(last bool) error {
			for _, guid := range cut {
				if err := a.takeWhole(ctx, guid, namingContext, to); err != nil {
					return err
				}
			}
			cut = cut[:0]
			return to.pageEnd(last)
		},
	})
}

// takeWhole reads one object by its GUID. One that is gone has a higher USN, where
// it still exists as deleted, and comes in the next round.
func (a *asking) takeWhole(ctx context.Context, guid, namingContext string, to receiver) error {
	f, err := a.readWhole(ctx, guid, namingContext)
	if err != nil || f == nil {
		return err
	}
	_, err = to.take(f)
	return err
}
