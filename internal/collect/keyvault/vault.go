package keyvault

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
)

// dataVersions are the api-versions of the data plane that are known; a stamp has no
// list of those that it offers.
var dataVersions = []string{"2016-10-01", "7.0"}

// maxRounds bounds how often a list of a vault is read.
const maxRounds = 3

// vault is the capture of one vault. Its lists are read by one goroutine, objects by
// others, and what was read is handed on by a third.
type vault struct {
	walk       *resource.Walk
	client     *azure.Client
	resource   resource.Resource // without its document
	id         string            // of its resource
	name       string
	version    string // of the data plane
	softDelete bool   // its resource says that it keeps deleted objects
	seed       maphash.Seed

	// Of who reads the lists.
	known  map[*collection]map[string]mark // by name
	hidden map[*collection]bool            // lists that the vault refuses
	named  bool                            // a list named something
	gone   bool                            // the vault is not there any more

	// What is remembered of the versions of each object, by path. Objects are read by
	// several goroutines, and some more than once.
	mu       sync.Mutex
	versions map[string]int

	// Of who hands on. It also has the marks of lists that were read to their ends.
	gaps    map[string][]backup.Gap // by path of the object
	gapped  []string                // paths with gaps, in the order of their first
	changed int                     // objects that the present round read or missed
}

// mark is what is remembered of an element of a list.
type mark struct {
	sum   uint64
	round int // that saw it last
}

// remember counts what is remembered of the versions of an object, however often they are
// read.
func (v *vault) remember(path string, size int) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if size <= v.versions[path] {
		return nil
	}
	if err := v.walk.Remember(size - v.versions[path]); err != nil {
		return err
	}
	v.versions[path] = size
	return nil
}

// probe reads the beginning of a vault's lists.
func probe(ctx context.Context, w *resource.Walk, parent resource.Resource) error {
	v, err := newVault(w, parent)
	if v == nil {
		return err
	}
	for _, c := range collections {
		if c.deleted() {
			continue
		}
		if l := v.start(ctx, c); l.err != nil {
			return v.denied(l.err, c.list, c.of)
		}
	}
	return nil
}

// newVault takes a vault from its resource, nil when that says no address. Nothing is
// sent yet.
func newVault(w *resource.Walk, parent resource.Resource) (*vault, error) {
	properties := jsondoc.Member(gjson.ParseBytes(scan.Trim(parent.Document)), "properties")
	uri := strings.TrimSpace(jsondoc.Member(properties, "vaultUri").String())
	if uri == "" {
		return nil, nil
	}
	client, err := w.Stamp().Vault(strings.Clone(uri)) // not with the document that it is a part of
	if err != nil {
		return nil, err
	}
	parent.Document = nil
	id := w.ItemID("vault", parent.Endpoint, parent.ID)
	v := &vault{
		walk: w, client: client, resource: parent, id: id, name: id[strings.LastIndexByte(id, '/')+1:], seed: maphash.MakeSeed(),
		softDelete: jsondoc.Member(properties, "enableSoftDelete").Bool(),
		versions:   map[string]int{},
		known:      map[*collection]map[string]mark{}, hidden: map[*collection]bool{}, gaps: map[string][]backup.Gap{},
	}
	for _, c := range collections {
		v.known[c] = map[string]mark{}
	}
	return v, nil
}

// mayHaveGone reports whether an error of a list may be that of a vault that was deleted.
// One of which something was named already has to give it, or the service fails.
func (v *vault) mayHaveGone(err error) bool {
	return !v.named && (errors.Is(err, azure.ErrNotFound) || errors.Is(err, fault.SourceUnreachable))
}

// start reads the first page of a collection. The first one that is read finds the
// api-version with which the vault can be read.
func (v *vault) start(ctx context.Context, c *collection) *listing {
	if v.version != "" {
		return v.begin(ctx, "/"+c.path)
	}
	var l *listing
	for _, v.version = range dataVersions {
		l = v.begin(ctx, "/"+c.path)
		if !errors.Is(l.err, azure.ErrVersionRefused) && !errors.Is(l.err, azure.ErrRefused) {
			break
		}
	}
	return l
}

// denied says which permission is missing. Other errors stay as they are.
func (v *vault) denied(err error, permission, of string) error {
	if !errors.Is(err, azure.ErrForbidden) {
		return err
	}
	return fault.New(fault.SourceAccessDenied, fmt.Sprintf("vault %s: client %s lacks the permission %s of %s, which an access policy of the vault has to allow",
		v.name, v.walk.Stamp().ClientID(), permission, of), err)
}

// absent looks for what a list had before and has no more. It may have been skipped
// while pages moved.
func (v *vault) absent(ctx context.Context, c *collection, round int) error {
	var names []string
	for name, m := range v.known[c] {
		if m.round != round {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		path := object{collection: c, name: name}.path()
		there, err := v.there(ctx, path)
		if err != nil {
			return err
		}
		if !there {
			delete(v.known[c], name)
			v.walk.Vanished(azure.Vault, v.id+path)
			v.changed++
		}
	}
	return nil
}

// there asks for one object. One that the vault refuses to give is there.
func (v *vault) there(ctx context.Context, path string) (bool, error) {
	_, err := v.client.Get(ctx, path, v.version, nil)
	switch {
	case errors.Is(err, azure.ErrNotFound):
		return false, nil
	case errors.Is(err, azure.ErrForbidden), errors.Is(err, azure.ErrRefused):
		return true, nil
	}
	return err == nil, err
}

// unlisted reports whether a vault has no such list, or does not show it.
func unlisted(err error) bool {
	return errors.Is(err, azure.ErrNotFound) || errors.Is(err, azure.ErrRefused) || errors.Is(err, azure.ErrForbidden)
}

// hide remembers that a vault does not list its deleted objects. One that keeps none
// refuses all three lists.
func (v *vault) hide(c *collection) {
	for _, other := range collections {
		if other == c || !v.softDelete && other.deleted() {
			v.hidden[other] = true
		}
	}
}

// handGaps hands on the gaps that are left when the vault was read.
func (v *vault) handGaps() {
	for _, path := range v.gapped {
		for _, g := range v.gaps[path] {
			v.walk.Gap(g)
		}
	}
	for _, c := range collections {
		if v.softDelete && v.hidden[c] {
			v.walk.Gap(backup.Gap{Code: GapDeletedHidden, Object: v.id + "/" + c.path, Reason: "The vault keeps deleted objects and does not list them to the client; no object in use is missing by that."})
		}
	}
}

// note replaces the gaps of an object: those of an earlier reading may be filled now.
func (v *vault) note(path string, gaps []backup.Gap) {
	if _, ok := v.gaps[path]; !ok {
		if len(gaps) == 0 {
			return
		}
		v.gapped = append(v.gapped, path)
	}
	v.gaps[path] = gaps
}
