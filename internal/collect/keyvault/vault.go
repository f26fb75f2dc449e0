package keyvault

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
)

// dataVersions are the api-versions of the data plane that are known; a stamp has no
// list of those that it offers.
var dataVersions = []string{"2016-10-01", "7.0"}

// maxRounds bounds how often a list of a vault is read.
const maxRounds = 3

// vault is the capture of one vault.
type vault struct {
	walk       *resource.Walk
	client     *azure.Client
	id         string // of its resource
	name       string
	version    string // of the data plane
	softDelete bool   // its resource says that it keeps deleted objects
	seed       maphash.Seed

	known   map[*collection]map[string]mark // by name
	hidden  map[*collection]bool            // lists that the vault refuses
	gaps    map[string][]backup.Gap         // by path of the object
	gapped  []string                        // paths with gaps, in the order of their first
	changed int                             // objects that the present round read or missed
}

// mark is what is remembered of an element of a list.
type mark struct {
	sum   uint64
	round int // that saw it last
}

// descend captures what a vault holds. Its lists are read until they do not change.
func descend(ctx context.Context, w *resource.Walk, parent resource.Resource) error {
	v, err := openVault(ctx, w, parent)
	if err != nil {
		return err
	}
	for round := range maxRounds {
		v.changed = 0
		for _, c := range collections {
			if err := v.look(ctx, c, round); err != nil {
				return err
			}
		}
		if v.changed == 0 {
			break
		}
	}
	if err := v.contacts(ctx); err != nil {
		return err
	}
	for _, path := range v.gapped {
		for _, g := range v.gaps[path] {
			w.Gap(g)
		}
	}
	return nil
}

// probe reads the beginning of a vault's lists.
func probe(ctx context.Context, w *resource.Walk, parent resource.Resource) error {
	v, err := openVault(ctx, w, parent)
	if err != nil {
		return err
	}
	for _, c := range collections {
		if c.deleted() {
			continue
		}
		if err := v.first(ctx, c); err != nil {
			return v.denied(err, c.list, c.of)
		}
	}
	return nil
}

// openVault finds the api-version with which a vault can be read.
func openVault(ctx context.Context, w *resource.Walk, parent resource.Resource) (*vault, error) {
	id := strings.ToLower(parent.ID)
	v := &vault{
		walk: w, id: id, name: id[strings.LastIndexByte(id, '/')+1:], seed: maphash.MakeSeed(),
		softDelete: gjson.GetBytes(parent.Document, "properties.enableSoftDelete").Bool(),
		known:      map[*collection]map[string]mark{}, hidden: map[*collection]bool{}, gaps: map[string][]backup.Gap{},
	}
	var err error
	if v.client, err = w.Stamp().Vault(gjson.GetBytes(parent.Document, "properties.vaultUri").String()); err != nil {
		return nil, err
	}
	c := collections[0]
	for _, v.version = range dataVersions {
		err = v.first(ctx, c)
		if !errors.Is(err, azure.ErrVersionRefused) && !errors.Is(err, azure.ErrRefused) {
			break
		}
	}
	return v, v.denied(err, c.list, c.of)
}

// first reads the beginning of a collection.
func (v *vault) first(ctx context.Context, c *collection) error {
	_, err := v.client.List("/"+c.path, v.version, url.Values{"maxresults": {"1"}}).Next(ctx)
	return err
}

// denied says which permission is missing. Other errors stay as they are.
func (v *vault) denied(err error, permission, of string) error {
	if !errors.Is(err, azure.ErrForbidden) {
		return err
	}
	return fault.New(fault.SourceAccessDenied, fmt.Sprintf("vault %s: client %s lacks the permission %s of %s, which an access policy of the vault has to allow",
		v.name, v.walk.Stamp().ClientID(), permission, of), err)
}

// look lists a collection and reads what is not known as it is now.
func (v *vault) look(ctx context.Context, c *collection, round int) error {
	if v.hidden[c] {
		return nil
	}
	known := v.known[c]
	if known == nil {
		known = map[string]mark{}
		v.known[c] = known
	}
	// The list is not waited for when an object cannot be handed on.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed, hidden := 0, false
	objects := func(yield func(object, error) bool) {
		pages, err := v.objects(ctx, c, func(o object) bool {
			name, now := strings.ToLower(o.name), mark{maphash.Bytes(v.seed, o.document), round}
			before, ok := known[name]
			known[name] = now
			if ok && before.sum == now.sum {
				return true
			}
			changed++
			return yield(o, nil)
		})
		if hidden = pages == 0 && c.deleted() && unlisted(err); err != nil && !hidden {
			yield(object{}, v.denied(err, c.list, c.of))
		}
	}
	err := resource.InOrder(ctx, objects, v.begin, func(r *reading) error {
		err := r.finish(ctx)
		if err != nil {
			cancel()
		}
		return err
	})
	v.changed += changed
	switch {
	case err != nil:
		return err
	case hidden:
		v.hide(c)
		return nil
	}
	return v.absent(ctx, c, round)
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
			v.walk.Vanished(v.id + path)
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
	v.hidden[c] = true
	if v.softDelete {
		path := "/" + c.path
		v.note(path, []backup.Gap{{Code: GapDeletedHidden, Object: v.id + path, Reason: "The vault keeps deleted objects and does not list them to the client; no object in use is missing by that."}})
		return
	}
	for _, other := range collections {
		v.hidden[other] = v.hidden[other] || other.deleted()
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

// contacts captures whom the vault tells about its certificates. The permission to
// read them also changes them, so a client without it is no failure.
func (v *vault) contacts(ctx context.Context) error {
	const path = "/certificates/contacts"
	answer, err := v.client.Get(ctx, path, v.version, nil)
	switch {
	case errors.Is(err, azure.ErrNotFound):
		return nil // there are none
	case errors.Is(err, azure.ErrForbidden):
		v.note(path, []backup.Gap{{Code: GapContacts, Object: v.id + path, Reason: "Reading the contacts of certificates needs the permission managecontacts of certificates, which can also change them."}})
		return nil
	case err != nil:
		return err
	}
	r := reading{v: v}
	r.add("vault-certificate-contacts", "certificates/contacts", path, answer.Body)
	one := r.records[0]
	_, err = v.walk.Record(one.kind, one.resource, one.extras)
	return err
}
