package diff

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/access"
	"infrabackup/internal/diff/directory"
	"infrabackup/internal/diff/document"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

// Options say what is compared, and how.
type Options struct {
	// Services are compared; empty for all.
	Services []backup.Service
	// Identities say which objects of A are those of B, when a restore gave them other SIDs
	// and GUIDs. The zero value translates nothing.
	Identities identity.Map
	// Random gives the key for fingerprints of secrets, 32 bytes of it.
	Random io.Reader
	// Progress, when not nil, is told how many of the bytes that differ were read of a
	// service.
	Progress func(service string, done, total int64)
	// Listed bounds the changes of each service that are listed, 200,000 when zero, and DetailBytes what is
	// kept of their details in all; no bound when zero. What is left out is counted.
	Listed      int
	DetailBytes int
}

// accessServices are those that the view of access is made from.
var accessServices = []backup.Service{backup.AD, backup.RBAC, backup.KeyVault}

// Compare finds out what differs between A and B. Errors are those of the sources, and
// LIMIT_EXCEEDED.
func Compare(ctx context.Context, a, b Source, o Options) (*result.Report, error) {
	key, err := redact.NewKey(o.Random)
	if err != nil {
		return nil, err
	}
	c := &comparison{
		options: o, key: key, a: &side{source: a, identities: o.Identities}, b: &side{source: b},
		works: map[backup.Service]*work{}, documents: document.New(key), directory: &directory.Comparer{Identities: o.Identities, Key: key},
		before: access.NewPicture(o.Identities), after: access.NewPicture(identity.Map{}), moved: map[string]string{},
	}
	return c.run(ctx)
}

// comparison is one run.
type comparison struct {
	details   int // bytes of details that are kept
	options   Options
	key       *redact.Key
	a, b      *side
	works     map[backup.Service]*work
	order     []*work // those that are compared
	documents *document.Comparer
	directory *directory.Comparer
	warnings  []string

	moved map[string]string // IDs of resources in B by those in A, both in small letters

	// Access.
	before, after *access.Picture
	accessChanged bool
	held          []held // equal items that the view of access needs
}

// work is what is done about one service.
type work struct {
	c        *comparison
	service  backup.Service
	reported bool // it was asked for, and not only needed for the view of access
	result.Service
	ignored result.Reasons
	pairs   []pair
	onlyA   []*item
	onlyB   []*item
	aloneA  []lone // what was not found again
	aloneB  []lone
	settled []settling // directory objects that wait for others
	names   []string   // of directory objects that only B has
}

// held is an equal item.
type held struct {
	service backup.Service
	item
}

func lower(s string) string { return strings.ToLower(s) }

func (c *comparison) run(ctx context.Context) (*result.Report, error) {
	c.plan()
	wanted := map[backup.Service]bool{}
	for _, w := range c.order {
		wanted[w.service] = true
	}
	for _, s := range []*side{c.a, c.b} {
		s.readGaps()
		if err := s.index(ctx, wanted); err != nil {
			return nil, err
		}
	}
	equals := match(c.a, c.b)
	for _, w := range c.order {
		w.ItemsA, w.ItemsB, w.Equal = c.a.count[w.service], c.b.count[w.service], equals[w.service]
	}
	if err := c.collect(ctx, wanted); err != nil {
		return nil, err
	}
	for _, w := range c.order {
		if err := c.lookAgain(ctx, w); err != nil {
			return nil, err
		}
	}
	for _, w := range c.order {
		c.pairUp(w)
	}
	c.documents.Translate = c.translator()
	for _, w := range c.order {
		if err := c.compare(ctx, w); err != nil {
			return nil, err
		}
	}
	return c.report(ctx)
}

// plan finds out which services are compared.
func (c *comparison) plan() {
	there := func(s *side, service backup.Service) (asked bool, missing string) {
		for _, one := range s.source.Services() {
			if one.Service == service {
				return true, one.Missing
			}
		}
		return false, "it was not asked for"
	}
	selected := func(service backup.Service) bool {
		return len(c.options.Services) == 0 || slices.Contains(c.options.Services, service)
	}
	needsAccess := slices.ContainsFunc(accessServices, selected)
	for _, service := range backup.Services() {
		if !selected(service) && !(needsAccess && slices.Contains(accessServices, service)) {
			continue
		}
		askedA, missingA := there(c.a, service)
		askedB, missingB := there(c.b, service)
		if !askedA && !askedB && len(c.options.Services) == 0 {
			continue
		}
		w := &work{c: c, service: service, reported: selected(service), ignored: result.Reasons{}}
		w.Service = result.Service{Service: service, Compared: missingA == "" && missingB == "", Changes: []result.Change{}, Kinds: []result.Kind{}}
		switch {
		case missingA != "" && missingB != "":
			w.Reason = "neither side has it: " + missingA
		case missingA != "":
			w.Reason = "A does not have it: " + missingA
		case missingB != "":
			w.Reason = "B does not have it: " + missingB
		}
		c.works[service] = w
		if w.Compared {
			c.order = append(c.order, w)
		}
	}
}

// collect gives every service the items that differ.
func (c *comparison) collect(ctx context.Context, wanted map[backup.Service]bool) error {
	if !c.a.anyDiffers() && !c.b.anyDiffers() {
		return nil
	}
	if err := c.a.collect(ctx, wanted, nil); err != nil {
		return err
	}
	if err := c.b.collect(ctx, wanted, c.hold); err != nil {
		return err
	}
	services := backup.Services()
	for i := range c.a.slots {
		slot := &c.a.slots[i]
		w := c.works[services[slot.service]]
		switch {
		case slot.state == equal:
		case slot.state == alone:
			w.onlyA = append(w.onlyA, &c.a.items[slot.ref])
		default:
			w.pairs = append(w.pairs, pair{a: &c.a.items[slot.ref], b: &c.b.items[c.b.find(slot.key).ref]})
		}
	}
	for i := range c.b.slots {
		if slot := &c.b.slots[i]; slot.state == alone {
			w := c.works[services[slot.service]]
			w.onlyB = append(w.onlyB, &c.b.items[slot.ref])
		}
	}
	return nil
}

func (s *side) anyDiffers() bool {
	return slices.ContainsFunc(s.slots, func(one slot) bool { return one.state != equal })
}

// hold keeps where an equal item lies that the view of access may need.
func (c *comparison) hold(e backup.CatalogEntry) {
	switch {
	case e.Service == backup.AD && len(e.Aliases) > 0, e.Service == backup.RBAC, e.Service == backup.KeyVault && e.Kind == vaultKind:
		slot := c.b.find(c.b.key(&e))
		c.held = append(c.held, held{e.Service, item{kind: e.Kind, id: e.ID, digest: slot.digest, offset: e.Offset, length: e.Length}})
	}
}

// compare compares the pairs of a service.
func (c *comparison) compare(ctx context.Context, w *work) (err error) {
	r := c.reader(w)
	defer func() {
		if failed := r.close(); err == nil {
			err = failed
		}
	}()
	var total, done int64
	read := make([]pair, 0, len(w.pairs))
	for _, p := range w.pairs {
		if c.unread(w, p) {
			continue
		}
		read = append(read, p)
		total += p.length()
	}
	r.progress = func(bytes int64) {
		if done += bytes; c.options.Progress != nil {
			c.options.Progress(string(w.service), done, total)
		}
	}
	w.pairs = nil
	if err := r.each(ctx, read, func(p pair, a, b []byte) error { return c.pair(w, p, a, b) }); err != nil {
		return err
	}
	c.settle(w)
	return nil
}

func (c *comparison) reader(w *work) *reader {
	return &reader{service: w.service, a: c.a, b: c.b}
}

// unread handles pairs whose contents are not needed, and reports whether this is one.
func (c *comparison) unread(w *work, p pair) bool {
	var d result.Details
	reason := document.Derived(w.service, p.a.kind)
	switch {
	case reason != "":
		d.Ignore(reason)
	case p.moved && p.a.digest == p.b.digest:
	case p.a.length > maxCompared || p.b.length > maxCompared || !needsContent(w.service, p.a.kind, p.b.id, max(p.a.length, p.b.length)):
		d.Change("content", fmt.Sprintf("%d bytes", p.a.length), fmt.Sprintf("%d bytes", p.b.length))
	default:
		return false
	}
	c.finish(w, p, result.Changed, "", "", &d)
	return true
}

// finish enters what became of a pair.
func (c *comparison) finish(w *work, p pair, how result.How, class, note string, d *result.Details) {
	w.ignored.AddAll(d.Ignored)
	if how == result.Changed && p.moved {
		how = movedHow(p.a.id, p.b.id)
	}
	if how == result.Changed && !d.Found() {
		w.Alike++
		if len(d.Ignored) == 0 {
			w.ignored.Add(ReasonSpelling, 1)
		}
		return
	}
	one := result.Change{Kind: p.b.kind, ID: p.b.id, Name: p.b.name, How: how, Class: class, Note: note, Details: d.List, More: d.More}
	if p.a.id != p.b.id {
		one.FromID = p.a.id
	}
	if p.a.name != p.b.name {
		one.FromName = p.a.name
	}
	if how == result.Removed {
		one.ID, one.Name = p.a.id, p.a.name
	}
	if how == result.Added || how == result.Removed {
		one.FromID, one.FromName = "", ""
	}
	w.add(one)
}

// movedHow tells a new name from a new place.
func movedHow(from, to string) result.How {
	if from[:strings.LastIndexByte(from, '/')+1] == to[:strings.LastIndexByte(to, '/')+1] {
		return result.Renamed
	}
	return result.Moved
}

// maxListed is how many changes of a service are listed.
const maxListed = 200_000

// sizeOf is about what details take in memory.
func sizeOf(all []result.Detail) (bytes int) {
	for _, d := range all {
		bytes += 100 + len(d.Path)
		for _, value := range []*string{d.Before, d.After} {
			if value != nil {
				bytes += len(*value)
			}
		}
	}
	return bytes
}

// add counts a change, and lists it when there is room.
func (w *work) add(one result.Change) {
	w.Count(one.Kind, one.How)
	if len(w.Changes) >= cmp.Or(w.c.options.Listed, maxListed) {
		w.NotListed++
		return
	}
	if size := sizeOf(one.Details); w.c.options.DetailBytes > 0 {
		if w.c.details += size; w.c.details > w.c.options.DetailBytes {
			w.c.details -= size
			one.More += int64(len(one.Details))
			one.Details = nil
		}
	}
	if one.Details == nil {
		one.Details = []result.Detail{}
	}
	w.Changes = append(w.Changes, one)
}
