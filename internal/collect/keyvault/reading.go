package keyvault

import (
	"context"
	"errors"
	"slices"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/edge"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
)

// maxHeld is how many bytes of one object wait for those before it; what is left of
// the object is read when its turn comes. One answer can be larger.
const maxHeld = 2 << 20

// reading is the capture of one object. It is begun beside others and finished in
// order.
type reading struct {
	v        *vault
	o        object
	left     []func(context.Context) error // what is still to read
	records  []record
	held     int
	vanished []string
	refused  []refusal // versions that are given to nobody
	blobbed  bool      // there is a backup blob
	gaps     []backup.Gap
	then     func(context.Context) error // instead of an object
	err      error
}

type record struct {
	kind     string
	resource resource.Resource
	extras   resource.Extras
}

type refusal struct{ code, path string }

// read reads an object until it is complete or enough is held.
func (v *vault) read(ctx context.Context, o object) *reading {
	r := &reading{v: v, o: o}
	r.left = append(r.left, func(ctx context.Context) error { return o.plan(r, ctx) })
	for r.held < maxHeld && r.next(ctx) {
	}
	return r
}

// next does one step. It reports false when there was none, or when it failed.
func (r *reading) next(ctx context.Context) bool {
	if r.err != nil || len(r.left) == 0 {
		return false
	}
	step := r.left[0]
	r.left = r.left[1:]
	r.err = step(ctx)
	return r.err == nil
}

// finish hands on what was read, and reads what is left.
func (r *reading) finish(ctx context.Context) error {
	if r.then != nil {
		return r.then(ctx)
	}
	for {
		for _, one := range r.records {
			if _, err := r.v.walk.Record(one.kind, one.resource, one.extras); err != nil {
				return err
			}
		}
		r.records = nil
		for _, id := range r.vanished {
			r.v.walk.Vanished(azure.Vault, id)
		}
		r.vanished = r.vanished[:0]
		if !r.next(ctx) && len(r.records)+len(r.vanished) == 0 {
			break
		}
	}
	if r.err != nil {
		return r.err
	}
	r.settle(r.o.path()) // what it has is accounted for by itself
	for _, one := range r.refused {
		r.gap(one.code, one.path, closedReasons[one.code]+r.elsewhere())
	}
	r.v.note(r.o.path(), r.gaps)
	return nil
}

// elsewhere says where a version is that is given to nobody.
func (r *reading) elsewhere() string {
	switch {
	case r.blobbed:
		return "; the object's backup blob holds it."
	case r.o.managed:
		return "; it belongs to a certificate, of which there is no backup blob."
	default:
		return "; it is not in this part."
	}
}

// gap names what is missing, and so accounts for it.
func (r *reading) gap(code, path, reason string) {
	r.settle(path)
	r.gaps = append(r.gaps, backup.Gap{Code: code, Object: r.v.id + path, Reason: reason})
}

func (r *reading) settle(path string) { r.v.walk.Settled(azure.Vault, r.v.id+path) }

// await notes what belongs to the object and stands in no list.
func (r *reading) await(path string) { r.v.walk.Named(azure.Vault, r.v.id+path) }

// add keeps a document for a path below the vault. What the document itself says that it
// is counts as captured.
func (r *reading) add(kind, segments, path string, document []byte) {
	r.held += len(document)
	fullType := "Microsoft.KeyVault/vaults/" + segments
	edges, further := edge.Of(fullType, r.v.id+path, document)
	r.records = append(r.records, record{
		kind: kind,
		resource: resource.Resource{
			Endpoint: azure.Vault, Type: fullType, ID: r.v.id + path, Version: r.v.version, Document: document,
		},
		extras: resource.Extras{Name: r.v.name + path, References: edge.References(edges), ReferencesLeftOut: int64(further), Address: r.v.addressIn(r.o.collection, path, document)},
	})
}

// missing notes that something is not there any more.
func (r *reading) missing(path string) { r.vanished = append(r.vanished, r.v.id+path) }

// versions plans an object that has versions: all of them, then the policy of a
// certificate, or the backup blob of what makes no part of a certificate.
func (r *reading) versions(ctx context.Context) error {
	all, err := r.v.versionsOf(ctx, r.o)
	if err != nil && !errors.Is(err, azure.ErrNotFound) {
		return r.v.denied(err, r.o.list, r.o.of)
	}
	path := r.o.path()
	if len(all) == 0 {
		there, err := r.v.there(ctx, path)
		if err == nil && there {
			return fault.Newf(fault.SourceIncomplete, "vault %s has %s and lists no version of it", r.v.name, path)
		}
		if err == nil {
			r.missing(path)
		}
		return err
	}
	for _, one := range all {
		r.left = append(r.left, func(ctx context.Context) error { return r.oneVersion(ctx, one) })
	}
	switch {
	case r.o.collection.path == "certificates":
		r.await(path + "/policy")
		r.left = append(r.left, r.policy)
	case r.o.blob && !r.o.managed:
		r.await(path + "/backup")
		r.left = append(r.left, r.backup)
	case r.o.collection.path == "keys":
		r.left = append(r.left, r.orphan)
	}
	return nil
}

// orphan asks for the blob of a key that the vault manages, when there is no certificate
// whose secret has its private half: an outside CA may still have to issue it. The vault
// may refuse the blob, which is a gap.
func (r *reading) orphan(ctx context.Context) error {
	answer, err := r.v.client.Get(ctx, "/certificates/"+r.o.name, r.v.version, nil)
	switch {
	case err == nil && gjson.GetBytes(scan.Trim(answer.Body), "cer").String() != "":
		return nil
	case err != nil && !errors.Is(err, azure.ErrNotFound) && !errors.Is(err, azure.ErrRefused) && !errors.Is(err, resource.ErrAnswer):
		return r.v.denied(err, "get", "certificates")
	}
	r.await(r.o.path() + "/backup")
	return r.backup(ctx)
}

// oneVersion reads a version. The values of disabled secrets are not asked for; other
// versions are, whatever their attributes say, since vaults differ.
func (r *reading) oneVersion(ctx context.Context, one version) error {
	path := r.o.path() + "/" + one.name
	closed := one.attributes.closed(one.listed)
	if closed == GapDisabled && r.o.collection.path == "secrets" {
		r.refused = append(r.refused, refusal{closed, path})
		return nil
	}
	answer, err := r.get(ctx, path)
	if errors.Is(err, azure.ErrNotFound) || (errors.Is(err, azure.ErrForbidden) && closed == "" && !byPolicy(err)) {
		// It may have gone, been disabled, or have expired, since it was listed.
		again, listErr := r.v.versionsOf(ctx, r.o)
		if listErr != nil && !errors.Is(listErr, azure.ErrNotFound) {
			return r.v.denied(listErr, r.o.list, r.o.of)
		}
		at := slices.IndexFunc(again, func(o version) bool { return o.name == one.name })
		if at < 0 {
			r.missing(path)
			return nil
		}
		closed = again[at].attributes.closed(again[at].listed)
	}
	switch {
	case errors.Is(err, azure.ErrNotFound):
		r.gap(resource.GapListedNotFound, path, "The vault lists this version, before and after it was requested, and answered 404 (not found).")
		return nil
	case r.costs(path, err):
		return nil
	case errors.Is(err, azure.ErrForbidden) && closed != "" && !byPolicy(err):
		r.refused = append(r.refused, refusal{closed, path})
		return nil
	case err != nil:
		return r.v.denied(err, r.o.get, r.o.of)
	}
	r.add(r.o.item+"-version", r.o.collection.path+"/versions", path, answer.Body)
	return nil
}

// policy reads the policy of a certificate.
func (r *reading) policy(ctx context.Context) error {
	path := r.o.path() + "/policy"
	answer, err := r.get(ctx, path)
	if errors.Is(err, azure.ErrNotFound) {
		r.missing(path)
		return nil
	}
	if r.costs(path, err) {
		return nil
	}
	if err != nil {
		return r.v.denied(err, r.o.get, r.o.of)
	}
	r.add(r.o.item+"-policy", r.o.collection.path+"/policy", path, answer.Body)
	if exportable := gjson.GetBytes(answer.Body, "key_props.exportable"); exportable.Type == gjson.False {
		r.gap(GapNotExportable, r.o.path(), "The certificate's policy keeps its private key in the vault; the certificate alone was captured.")
	}
	return nil
}

// backup asks for the protected backup of an object.
func (r *reading) backup(ctx context.Context) error {
	path := r.o.path()
	answer, err := r.blob(ctx, path+"/backup")
	switch {
	case errors.Is(err, azure.ErrNotFound):
		r.missing(path + "/backup")
		return nil
	case errors.Is(err, resource.ErrAnswer):
		r.settle(path + "/backup")
		r.gap(GapBlobRefused, path, "The vault answered the request for a backup blob, each time, with none; what can be exported was.")
		return nil
	case errors.Is(err, azure.ErrTooLarge): // an object is no more than its blob costs
		r.settle(path + "/backup")
		r.gap(GapBlobRefused, path, "Its backup blob is larger than the product takes; what can be exported was. Delete old versions.")
		return nil
	case errors.Is(err, azure.ErrRefused), errors.Is(err, azure.ErrForbidden) && byState(err):
		r.settle(path + "/backup")
		r.gap(GapBlobRefused, path, "The vault creates no backup blob of it, for example because it has too many versions; what can be exported was.")
		return nil
	case err != nil:
		return r.v.denied(err, "backup", r.o.of)
	}
	r.blobbed = true
	r.add(r.o.item+"-backup", r.o.collection.path+"/backup", path+"/backup", answer.Body)
	return nil
}

// whole reads an issuer, which is one document.
func (r *reading) whole(ctx context.Context) error {
	path := r.o.path()
	answer, err := r.get(ctx, path)
	if errors.Is(err, azure.ErrNotFound) {
		r.missing(path)
		return nil
	}
	if r.costs(path, err) {
		return nil
	}
	if err != nil {
		return r.v.denied(err, r.o.get, r.o.of)
	}
	r.add(r.o.item, r.o.collection.path, path, answer.Body)
	if gjson.GetBytes(answer.Body, "credentials.account_id").Exists() && gjson.GetBytes(answer.Body, "credentials.pwd").String() == "" {
		r.gap(resource.GapWriteOnly, path+" credentials.pwd", "The vault takes the password of an issuer's account and gives it to no caller; supply it again after a restore.")
	}
	return nil
}

// element takes a deleted object from its list, which says all that is given of it.
func (r *reading) element(context.Context) error {
	r.add(r.o.item, r.o.collection.path, r.o.path(), r.o.document)
	return nil
}

// contacts reads whom a vault tells about its certificates. The permission to read them
// also changes them, so a client without it is no failure.
func (r *reading) contacts(ctx context.Context) error {
	path := r.o.path()
	answer, err := r.get(ctx, path)
	switch {
	case errors.Is(err, azure.ErrNotFound):
		return nil // there are none
	case r.costs(path, err):
		return nil
	case errors.Is(err, azure.ErrForbidden):
		r.gap(GapContacts, path, "Reading the contacts of certificates needs the permission managecontacts of certificates, which can also change them.")
		return nil
	case err != nil:
		return err
	}
	r.add(r.o.item, r.o.collection.path+"/contacts", path, answer.Body)
	return nil
}
