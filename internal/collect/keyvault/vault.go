package keyvault

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/fault"
)

// dataVersions are the api-versions of the data plane that are known; a stamp has no
// list of those that it offers.
var dataVersions = []string{"2016-10-01", "7.0"}

// pageSize is how many elements a list of a vault is asked for; more is refused.
const pageSize = "25"

// maxRounds bounds how often the lists of a vault are read again.
const maxRounds = 3

// vault is the capture of one vault.
type vault struct {
	walk    *resource.Walk
	client  *azure.Client
	id      string // of its resource
	name    string
	version string // of the data plane
	seed    maphash.Seed
}

// descend captures what a vault holds.
func descend(ctx context.Context, w *resource.Walk, parent resource.Resource) error {
	v, err := openVault(ctx, w, parent)
	if err != nil {
		return err
	}
	known := map[string]uint64{}
	for round := range maxRounds {
		changed, err := v.look(ctx, known, round > 0)
		if err != nil {
			return err
		}
		if changed == 0 {
			break
		}
	}
	if err := v.issuers(ctx); err != nil {
		return err
	}
	if gjson.GetBytes(parent.Document, "properties.enableSoftDelete").Bool() {
		return v.deleted(ctx)
	}
	return nil
}

// probe reads the beginning of a vault's lists.
func probe(ctx context.Context, w *resource.Walk, parent resource.Resource) error {
	v, err := openVault(ctx, w, parent)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if _, err := v.client.List("/"+k.collection, v.version, url.Values{"maxresults": {"1"}}).Next(ctx); err != nil {
			return v.denied(err, "list", k.collection)
		}
	}
	return nil
}

func openVault(ctx context.Context, w *resource.Walk, parent resource.Resource) (*vault, error) {
	id := strings.ToLower(parent.ID)
	v := &vault{walk: w, id: id, name: id[strings.LastIndexByte(id, '/')+1:], seed: maphash.MakeSeed()}
	var err error
	if v.client, err = w.Stamp().Vault(gjson.GetBytes(parent.Document, "properties.vaultUri").String()); err != nil {
		return nil, err
	}
	for _, v.version = range dataVersions {
		_, err = v.client.List("/secrets", v.version, url.Values{"maxresults": {"1"}}).Next(ctx)
		if !errors.Is(err, azure.ErrVersionRefused) {
			break
		}
	}
	return v, v.denied(err, "list", "secrets")
}

// denied says which permission is missing.
func (v *vault) denied(err error, permission, of string) error {
	if !errors.Is(err, azure.ErrForbidden) {
		return err
	}
	return fault.New(fault.SourceAccessDenied, fmt.Sprintf("vault %s does not let client %s %s its %s: an access policy of the vault has to allow it",
		v.name, v.walk.Stamp().ClientID(), permission, of), err)
}

// kind is one of the three collections of a vault.
type kind struct {
	collection string // in paths
	item       string // beginning of the kinds of items
	id         string // member of a document with its address
	backup     bool   // the vault makes backup blobs
}

var kinds = []kind{
	{collection: "keys", item: "vault-key", id: "kid", backup: true},
	{collection: "secrets", item: "vault-secret", id: "id", backup: true},
	{collection: "certificates", item: "vault-certificate", id: "id"},
}

// object is an element of a list: a key, a secret or a certificate.
type object struct {
	kind
	name     string
	managed  bool // it belongs to the certificate of the same name
	document []byte
	listed   time.Time // when, by the vault's clock
}

// path is the object's place in the vault.
func (o object) path() string { return "/" + o.collection + "/" + o.name }

// look lists everything and captures what known does not have as it is now. It
// returns how many objects it captured or missed.
func (v *vault) look(ctx context.Context, known map[string]uint64, again bool) (changed int, err error) {
	for _, k := range kinds {
		present := map[string]bool{}
		objects := func(yield func(object, error) bool) {
			err := v.list(ctx, k, "/"+k.collection, func(o object) bool {
				path := o.path()
				sum := maphash.Bytes(v.seed, o.document)
				present[path] = true
				if before, ok := known[path]; ok && before == sum {
					return true
				}
				known[path] = sum
				changed++
				return yield(o, nil)
			})
			if err != nil {
				yield(object{}, v.denied(err, "list", k.collection))
			}
		}
		if err := resource.InOrder(ctx, objects, v.capture, v.record); err != nil {
			return changed, err
		}
		for path := range known {
			if again && strings.HasPrefix(path, "/"+k.collection+"/") && !present[path] {
				delete(known, path)
				v.walk.Vanished(v.id + path)
				changed++
			}
		}
	}
	return changed, nil
}

// list reads a list of objects, or of versions, completely. It stops when use returns
// false.
func (v *vault) list(ctx context.Context, k kind, path string, use func(object) bool) error {
	pages := v.client.List(path, v.version, url.Values{"maxresults": {pageSize}})
	seen := map[string]bool{}
	for {
		page, err := pages.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		repeated := 0
		for _, item := range page.Items {
			o, err := v.parse(k, item)
			if err != nil {
				return err
			}
			o.listed = page.Date
			id := gjson.GetBytes(item, k.id).String()
			if seen[id] {
				repeated++
				continue
			}
			seen[id] = true
			if !use(o) {
				return nil
			}
		}
		if repeated == len(page.Items) && repeated > 0 {
			return fault.Newf(fault.SourceIncomplete, "page %d of vault %s %s repeats earlier ones, so others are missing", pages.Number(), v.name, path)
		}
	}
}

// parse reads an element of a list. Its address must be one of this vault: of it, only
// name and version are used.
func (v *vault) parse(k kind, item []byte) (object, error) {
	name, _, err := splitID(gjson.GetBytes(item, k.id).String(), v.client.Host(), k.collection)
	if err != nil {
		return object{}, fault.New(fault.SourceInvalid, "vault "+v.name+" lists what is not its own", err)
	}
	return object{kind: k, name: name, managed: gjson.GetBytes(item, "managed").Bool(), document: item}, nil
}

// splitID takes https://<host>/<collection>/<name>[/<version>] apart.
func splitID(id, host, collection string) (name, version string, err error) {
	u, err := url.Parse(id)
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, host) {
		return "", "", fmt.Errorf("%.200q is not an address of %s", id, host)
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 || len(parts) > 3 || !strings.EqualFold(parts[0], collection) || !namePattern.MatchString(parts[1]) {
		return "", "", fmt.Errorf("%.200q does not name one of %s", id, collection)
	}
	if len(parts) == 3 {
		if !versionPattern.MatchString(parts[2]) {
			return "", "", fmt.Errorf("%.200q has a malformed version", id)
		}
		version = parts[2]
	}
	return parts[1], version, nil
}

// gap is a gap about one object.
func (v *vault) gap(code, path, reason string) backup.Gap {
	return backup.Gap{Code: code, Object: v.id + path, Reason: reason, Count: 1}
}
