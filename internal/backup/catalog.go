package backup

import (
	"errors"
	"fmt"
	"regexp"
	"sync"
	"unicode/utf8"
)

// Limits of what an item says about other items. They keep a line of the catalog
// within its 256 KiB.
const (
	// MaxAliases is how many aliases an item can have, MaxAliasBytes how long each of
	// them can be.
	MaxAliases    = 512
	MaxAliasBytes = 200
	// MaxReferences is how many references of an item are recorded, MaxReferenceBytes
	// how many bytes they can have together, as JSON. Items that refer to more, such as
	// a vault with thousands of access policies, are captured like others; what is left
	// out is counted in ReferencesLeftOut.
	MaxReferences     = 1024
	MaxReferenceBytes = 128 << 10
	// MaxTargetBytes is how long a reference's target can be. Longer ones are left out.
	MaxTargetBytes = 1024
)

// Item is the smallest thing that is captured and restored: a directory object,
// a certificate, a resource, a secret, a role assignment.
type Item struct {
	Kind string `json:"kind"` // lower-case words with dashes, such as directory-object
	ID   string `json:"id"`   // stable within service and kind
	Name string `json:"name"` // what an operator calls it
	// Supersedes says that an earlier record of the same kind and ID was captured
	// in this part and that this one replaces it.
	Supersedes bool `json:"supersedes,omitempty"`
	// Aliases are further names under which other items refer to this one, such as
	// sid:s-1-5-21-…; lower case.
	Aliases []string `json:"aliases,omitempty"`
	// References are the items without which this one is of no use, each of them once: needs
	// that stand in its bytes, not what follows from its ID.
	References []Reference `json:"references,omitempty"`
	// ReferencesLeftOut counts the references that the item has beyond the limits
	// above. Nobody checks them.
	ReferencesLeftOut int64 `json:"referencesLeftOut,omitempty"`
}

// Reference is one item's need of another.
type Reference struct {
	Relation string  `json:"relation"` // what the target is to the item, such as subnet
	Service  Service `json:"service"`  // that captures the target
	Target   string  `json:"target"`   // ID or alias of the target, in lower case
}

// CatalogEntry is one line of the catalog: an item and its place.
type CatalogEntry struct {
	Service Service `json:"service"`
	Item
	SHA256 string `json:"sha256"` // digest of the item's bytes
	Path   string `json:"path"`   // tar entry that holds it
	Offset int64  `json:"offset"` // of the first byte, in the part's uncompressed tar stream
	Length int64  `json:"length"` // in bytes
}

var relationPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) })

// CheckRelation makes sure that a relation is a word such as network-interface.
func CheckRelation(relation string) error {
	if !relationPattern().MatchString(relation) {
		return fmt.Errorf("%.70q is not a relation", relation)
	}
	return nil
}

// CheckLinks makes sure that aliases and references are well-formed and within their
// limits. The case of letters is not looked at: whoever compares folds it.
func (i *Item) CheckLinks() error {
	if len(i.Aliases) > MaxAliases {
		return fmt.Errorf("it has %d aliases, at most %d are possible", len(i.Aliases), MaxAliases)
	}
	for _, alias := range i.Aliases {
		if alias == "" || len(alias) > MaxAliasBytes || !utf8.ValidString(alias) {
			return fmt.Errorf("%.70q is not an alias", alias)
		}
	}
	if i.ReferencesLeftOut < 0 {
		return errors.New("it leaves out a negative number of references")
	}
	if len(i.References) > MaxReferences {
		return fmt.Errorf("it has %d references, at most %d are possible", len(i.References), MaxReferences)
	}
	for _, r := range i.References {
		if err := CheckRelation(r.Relation); err != nil {
			return err
		}
		if s, err := ParseService(string(r.Service)); err != nil || s != r.Service {
			return fmt.Errorf("it refers to the unknown service %.70q", r.Service)
		}
		if r.Target == "" || len(r.Target) > MaxTargetBytes || !utf8.ValidString(r.Target) {
			return fmt.Errorf("%.70q is not the target of a reference", r.Target)
		}
	}
	return nil
}
