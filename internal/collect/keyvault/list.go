package keyvault

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure"
	"infrabackup/internal/fault"
)

// pageSize is how many elements a list of a vault is asked for; more is refused.
const pageSize = "25"

// maxVersions bounds how many versions of one object are remembered while it is read.
const maxVersions = 20_000

// collection is one list of a vault whose elements are captured.
type collection struct {
	path   string // of the list
	within string // below what the addresses of its elements lie
	id     string // member of an element with its address
	item   string // beginning of the kinds of items
	of     string // what access policies call it, and
	list   string // the permission to list it, and
	get    string // to read an element
	blob   bool   // the vault makes backup blobs of its elements
	// plan says what there is to read of an element, or reads it.
	plan func(*reading, context.Context) error
}

// collections are what a vault of api-version 2016-10-01 has. Whether it keeps deleted
// objects is its owner's choice.
var collections = []*collection{
	{path: "keys", within: "keys", id: "kid", item: "vault-key", of: "keys", list: "list", get: "get", blob: true, plan: (*reading).versions},
	{path: "secrets", within: "secrets", id: "id", item: "vault-secret", of: "secrets", list: "list", get: "get", blob: true, plan: (*reading).versions},
	{path: "certificates", within: "certificates", id: "id", item: "vault-certificate", of: "certificates", list: "list", get: "get", plan: (*reading).versions},
	{path: "certificates/issuers", within: "certificates/issuers", id: "id", item: "vault-certificate-issuer", of: "certificates", list: "listissuers", get: "getissuers", plan: (*reading).whole},
	{path: "deletedkeys", within: "keys", id: "kid", item: "vault-deleted-key", of: "keys", list: "list", plan: (*reading).element},
	{path: "deletedsecrets", within: "secrets", id: "id", item: "vault-deleted-secret", of: "secrets", list: "list", plan: (*reading).element},
	{path: "deletedcertificates", within: "certificates", id: "id", item: "vault-deleted-certificate", of: "certificates", list: "list", plan: (*reading).element},
}

// deleted reports whether it holds what was deleted and can be recovered.
func (c *collection) deleted() bool { return c.path != c.within }

// contacts are one document, which no list has.
var contacts = &collection{path: "certificates", within: "certificates", item: "vault-certificate-contacts", plan: (*reading).contacts}

// object is an element of a collection.
type object struct {
	*collection
	name     string
	managed  bool // it belongs to the certificate of the same name
	document []byte
}

// path is the object's place in the vault.
func (o object) path() string { return "/" + o.collection.path + "/" + o.name }

// version is an element of an object's list of versions.
type version struct {
	name       string
	attributes attributes
	listed     time.Time // by the vault's clock
}

// listing is a list of a vault with its first page, or the error that came instead.
type listing struct {
	path  string
	pages *azure.Pages
	page  *azure.Page // the next one, nil when it is still to be read
	err   error
}

// begin reads the first page of a list.
func (v *vault) begin(ctx context.Context, path string) *listing {
	l := &listing{path: path, pages: v.client.List(path, v.version, url.Values{"maxresults": {pageSize}})}
	l.page, l.err = l.pages.Next(ctx)
	return l
}

// next is the page behind the one before, and io.EOF behind the last.
func (l *listing) next(ctx context.Context) (*azure.Page, error) {
	page, err := l.page, l.err
	if page == nil && err == nil {
		return l.pages.Next(ctx)
	}
	l.page = nil
	return page, err
}

// held is the size of the page that waits.
func (l *listing) held() int {
	size := 0
	for _, item := range l.page.Items {
		size += len(item)
	}
	return size
}

// list reads a list to its end: pages is how many pages there were, and with an error
// how many came before it. It ends without an error when use returns false. A page may
// have elements of the one before, which moved meanwhile; one that has all elements of
// an earlier page and no others means that the list does not go on.
func (v *vault) list(ctx context.Context, l *listing, id string, use func(item []byte, date time.Time) (bool, error)) (pages int, err error) {
	seen := map[uint64]bool{}
	for {
		page, err := l.next(ctx)
		if errors.Is(err, io.EOF) {
			return l.pages.Number(), nil
		}
		if err != nil {
			return l.pages.Number(), err
		}
		if len(page.Items) == 0 {
			continue // vaults have empty pages before full ones
		}
		var ids maphash.Hash
		ids.SetSeed(v.seed)
		for _, item := range page.Items {
			maphash.WriteComparable(&ids, gjson.GetBytes(item, id).String())
		}
		if sum := ids.Sum64(); !seen[sum] {
			seen[sum] = true
		} else {
			return l.pages.Number(), fault.Newf(fault.SourceIncomplete, "page %d of vault %s %s repeats an earlier one, so others are missing", l.pages.Number(), v.name, l.path)
		}
		date := page.Date
		if date.IsZero() {
			date = time.Now() // the vault's clock is better, and this one does
		}
		for _, item := range page.Items {
			if more, err := use(item, date); err != nil || !more {
				return l.pages.Number(), err
			}
		}
	}
}

// objects hands on the elements of a collection's list, and says how many.
func (v *vault) objects(ctx context.Context, c *collection, l *listing, use func(object) bool) (handed int, err error) {
	_, err = v.list(ctx, l, c.id, func(item []byte, _ time.Time) (bool, error) {
		name, _, err := v.address(c, item)
		if err != nil {
			return false, err
		}
		v.named = true
		v.walk.Named(azure.Vault, v.id+object{collection: c, name: name}.path())
		if _, known := v.known[c][strings.ToLower(name)]; !known {
			if err := v.walk.Remember(len(name) + 96); err != nil {
				return false, err
			}
		}
		handed++
		return use(object{collection: c, name: name, managed: gjson.GetBytes(item, "managed").Bool(), document: item}), nil
	})
	return handed, err
}

// versionsOf are the versions of an object in the order of the vault's list. A list of
// several pages is read again until it has no other versions, since pages may move.
func (v *vault) versionsOf(ctx context.Context, o object) ([]version, error) {
	var all []version
	size := 0
	index := map[string]int{}
	for range maxRounds {
		before := len(all)
		pages, err := v.list(ctx, v.begin(ctx, o.path()+"/versions"), o.id, func(item []byte, date time.Time) (bool, error) {
			name, own, err := v.address(o.collection, item)
			if err != nil {
				return false, err
			}
			if own == "" || !strings.EqualFold(name, o.name) {
				return false, fault.Newf(fault.SourceInvalid, "vault %s lists %s among the versions of %s", v.name, name, o.path())
			}
			v.walk.Named(azure.Vault, v.id+o.path()+"/"+own)
			found := version{own, attributesOf(item), date}
			if at, ok := index[own]; ok {
				all[at] = found
				return true, nil
			}
			if len(all) == maxVersions {
				return false, fault.Newf(fault.LimitExceeded, "vault %s %s has more than %d versions", v.name, o.path(), maxVersions)
			}
			size += 2*(len(v.id)+len(o.path())+len(own)) + 300 // in the pending set, and perhaps in a gap
			if err := v.remember(o.path(), size); err != nil {
				return false, err
			}
			index[own] = len(all)
			all = append(all, found)
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		if pages < 2 || before == len(all) {
			break
		}
	}
	return all, nil
}

// address is the name, and the version if there is one, that an element has. The rest
// of its address must be this vault's, and nothing is ever sent to it.
func (v *vault) address(c *collection, item []byte) (name, version string, err error) {
	name, version, err = splitID(gjson.GetBytes(item, c.id).String(), v.client.Host(), c.within)
	if err != nil {
		return "", "", fault.New(fault.SourceInvalid, "vault "+v.name+" lists what is not its own", err)
	}
	return name, version, nil
}

// Names by the definition of the data plane. Versions are 32 hexadecimal digits in
// practice.
var (
	namePattern    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`) })
	versionPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-zA-Z]{1,64}$`) })
)

// splitID takes https://<host>/<within>/<name>[/<version>] apart. The host may be
// written with the port that it has anyway.
func splitID(id, host, within string) (name, version string, err error) {
	path, ok := azure.PathAt(id, host)
	if !ok {
		return "", "", fmt.Errorf("%.200q is not an address of %s", id, host)
	}
	prefix := "/" + within + "/"
	if len(path) < len(prefix) || !strings.EqualFold(path[:len(prefix)], prefix) {
		return "", "", fmt.Errorf("%.200q is not one of %s", id, within)
	}
	name, version, versioned := strings.Cut(strings.TrimSuffix(path[len(prefix):], "/"), "/")
	if !namePattern().MatchString(name) || (versioned && !versionPattern().MatchString(version)) {
		return "", "", fmt.Errorf("%.200q has no name or version of %s", id, within)
	}
	return name, version, nil
}
