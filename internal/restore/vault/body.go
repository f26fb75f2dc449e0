package vault

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// dataVersions are the api-versions of the data plane, of which a stamp offers one.
var dataVersions = []string{"2016-10-01", "7.0"}

// Names and versions by the definition of the data plane.
var (
	namePattern    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`) })
	versionPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-zA-Z]{1,64}$`) })
)

// object is the canonical form of what is wanted of one object. It has no values.
type object struct {
	Vault      string `json:"vault"`           // ID of its resource
	Admin      bool   `json:"admin,omitempty"` // the operator's endpoint has it
	Collection string `json:"collection"`
	Name       string `json:"name,omitempty"`
	API        string `json:"apiVersion"` // that it was captured with
	// Versions are oldest first. A key or secret may have none that could be read.
	Versions []version `json:"versions,omitempty"`
	// Policy is a certificate's. Settings are an issuer's, and Contacts a vault's.
	Policy   json.RawMessage `json:"policy,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
	Contacts []contact       `json:"contacts,omitempty"`
	// Foreign says that the vault takes no blob.
	Foreign bool `json:"foreign,omitempty"`
	// Undo says that this takes a restore back: Versions are those that were changed, and no
	// other is looked at; of contacts none but these are to be there.
	Undo bool `json:"undo,omitempty"`
	// Current is the version whose value is to be the current one again, and Retired are
	// those that are to be disabled. Only an undo has them.
	Current string   `json:"current,omitempty"`
	Retired []string `json:"retired,omitempty"`
}

// path is the object's place in its vault.
func (o object) path() string {
	if o.Name == "" {
		return "/" + o.Collection
	}
	return "/" + o.Collection + "/" + o.Name
}

// id is the object's in the way of items of a backup.
func (o object) id() string {
	id := o.Vault + strings.ToLower(o.path())
	if o.Admin {
		return "/admin" + id
	}
	return id
}

// version is what is said of one version.
type version struct {
	ID          string            `json:"id"`
	Enabled     bool              `json:"enabled"`
	NotBefore   int64             `json:"nbf,omitempty"` // Unix seconds, 0 for always
	Expires     int64             `json:"exp,omitempty"` // 0 for never
	ContentType string            `json:"contentType,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Public names the public half of a key, and Print a certificate.
	Public     string   `json:"public,omitempty"`
	Operations []string `json:"operations,omitempty"` // of a key, sorted
	Print      string   `json:"print,omitempty"`
	created    int64
}

// same reports whether two versions say the same besides their content.
func (v version) same(w version) bool {
	return v.Enabled == w.Enabled && v.NotBefore == w.NotBefore && v.Expires == w.Expires && v.ContentType == w.ContentType &&
		maps.Equal(v.Tags, w.Tags) && (v.Operations == nil || w.Operations == nil || slices.Equal(v.Operations, w.Operations))
}

// timesStay reports whether w has a time that no request takes away and v does not have.
func (v version) timesStay(w version) bool {
	return v.NotBefore == 0 && w.NotBefore != 0 || v.Expires == 0 && w.Expires != 0
}

// differs names what is said otherwise.
func (v version) differs(w version) (fields []string) {
	for name, same := range map[string]bool{
		"attributes.enabled": v.Enabled == w.Enabled, "attributes.nbf": v.NotBefore == w.NotBefore, "attributes.exp": v.Expires == w.Expires, "contentType": v.ContentType == w.ContentType,
		"tags": maps.Equal(v.Tags, w.Tags), "key_ops": v.Operations == nil || w.Operations == nil || slices.Equal(v.Operations, w.Operations),
	} {
		if !same {
			fields = append(fields, name)
		}
	}
	return fields
}

// contact is one whom a vault tells about its certificates.
type contact struct {
	Email string `json:"email,omitempty"`
	Name  string `json:"name,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// values are what the payload of a want holds.
type values struct {
	Values map[string]string `json:"values,omitempty"` // by version; of a certificate its secret's
	Blob   string            `json:"blob,omitempty"`
}

func encode(what string, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return data, nil
}

// decode reads the body and the payload of a want.
func decode(body, payload []byte) (o object, v values, err error) {
	if err := json.Unmarshal(body, &o); err != nil {
		return o, v, fmt.Errorf("decode what is wanted: %w", err)
	}
	if len(payload) > 0 {
		if json.Unmarshal(payload, &v) != nil { // its error could quote a value
			return o, v, fmt.Errorf("decode the values of %s", o.path())
		}
	}
	return o, v, nil
}

// found is what a target holds in the place of an object: the document of a state.
type found struct {
	Versions []foundVersion `json:"versions,omitempty"`
	// Current is the version that is given to who names none, "" when that is unknown.
	Current  string          `json:"current,omitempty"`
	Policy   json.RawMessage `json:"policy,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
	Contacts []contact       `json:"contacts,omitempty"`
	// Missing is a permission that the restore does not have.
	Missing string `json:"missing,omitempty"`
	// Taken says that a key or secret of a certificate's name belongs to none.
	Taken bool `json:"taken,omitempty"`
	// Large says that it has more than is read.
	Large bool `json:"large,omitempty"`
}

// foundVersion is a version of a target.
type foundVersion struct {
	version
	// Value is nil where it was not read, or is given to no caller.
	Value *string `json:"value,omitempty"`
}

// at finds a version by its ID, -1 for none.
func (f found) at(id string) int {
	return slices.IndexFunc(f.Versions, func(v foundVersion) bool { return strings.EqualFold(v.ID, id) })
}

// canonical is what makes a plan stale: everything but values, which cannot change in a
// version, and which version is the current one, which can change by time.
func (f found) canonical() ([]byte, error) {
	plain := f
	plain.Current, plain.Versions = "", nil
	for _, v := range f.Versions {
		v.Value = nil
		plain.Versions = append(plain.Versions, v)
	}
	slices.SortFunc(plain.Versions, func(a, b foundVersion) int { return strings.Compare(a.ID, b.ID) })
	return encode("a state", plain)
}
