package backup

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
	// References are the items without which this one is of no use.
	References []Reference `json:"references,omitempty"`
}

// Reference is one item's need of another.
type Reference struct {
	Relation string  `json:"relation"` // what the target is to the item, such as subnet
	Service  Service `json:"service"`  // that captures the target
	Target   string  `json:"target"`   // ID or alias of the target, in lower case
}

// CatalogEntry is one line of the catalogue: an item and its place.
type CatalogEntry struct {
	Service Service `json:"service"`
	Item
	SHA256 string `json:"sha256"` // digest of the item's bytes
	Path   string `json:"path"`   // tar entry that holds it
	Offset int64  `json:"offset"` // of the first byte, in the part's uncompressed tar stream
	Length int64  `json:"length"` // in bytes
}
