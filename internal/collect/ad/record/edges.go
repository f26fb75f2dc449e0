package record

import (
	"strconv"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/edge"
)

// Relations of edges that are not called as their attribute.
const (
	RelationPrimaryGroup = "primary-group"
	RelationOwner        = "owner"   // owner or group of a security descriptor
	RelationTrustee      = "trustee" // of an entry of its access control list
	RelationPolicy       = "policy"  // that is linked to a domain, OU or site
	RelationPolicyFiles  = "policy-files"
	RelationLastParent   = "last-known-parent"
)

// Prefixes of targets that are neither the GUID of an object nor its alias.
const (
	// NamedPrefix stands before a distinguished name, in lower case: the name of the
	// object's item. Names do not survive a rename, and stand only where the directory
	// gave nothing else.
	NamedPrefix = "dn:"
	// FilesPrefix stands before the path of a folder in SYSVOL, in lower case: the ID of
	// its item. All that lies in the folder belongs to the target.
	FilesPrefix = "sysvol:"
)

// Links are the linkIDs of attributes, by lDAPDisplayName in lower case: even ones are of
// forward links, odd ones of back links (MS-ADTS 3.1.1.1.6).
type Links map[string]int

// LearnLinks takes the links from the schema in records. Without a schema they are empty.
func LearnLinks(records Records) (Links, error) {
	links := Links{}
	err := records(func(r *Record) error {
		if id := number(r.Value("linkID")); id > 0 && !r.Deleted && r.Has("objectClass", "attributeSchema") && len(links) < maxSchemaDefinitions {
			links[strings.ToLower(r.Value("lDAPDisplayName"))] = int(id)
		}
		return nil
	})
	return links, err
}

// ownNames are attributes with names of objects that the directory sets by itself.
var ownNames = lower("distinguishedName", "objectCategory", "lastKnownParent")

// Edges are what an object refers to and what refers to it, each once, in the order: its
// parent, then its attributes. Targets are objectGUIDs, which are IDs of items; SIDs as
// aliases; or begin with one of the prefixes above.
//
// Only the parent, and the files of a group policy, have to be there before the object:
// links, permissions and policies are written when all objects are there, since groups
// contain each other. Without links no attribute is a link, and no edge is a back
// reference: those that hold names are soft needs all the same.
//
// SIDs count when they are of a domain: others stand for what every Windows knows.
// What cannot be read, such as a security descriptor of another form, has no edges. Memory
// grows with the record, which [MaxBytes] bounds.
func (r *Record) Edges(links Links) []edge.Edge {
	e := edges{seen: map[edge.Edge]bool{}, own: r.GUID}
	r.place(&e)
	for i := range r.Attributes {
		a := &r.Attributes[i]
		switch base, _, _ := strings.Cut(strings.ToLower(a.Name), ";"); base {
		case "ntsecuritydescriptor", "msds-groupmsamembership", "msds-allowedtoactonbehalfofotheridentity":
			for _, value := range a.Values {
				securityDescriptor(value, func(relation string, sid []byte) { e.sid(relation, a.Name, sid) })
			}
		case "primarygroupid":
			if sid := []byte(r.Value("objectSid")); len(sid) > sidHead && !r.Deleted {
				e.sid(RelationPrimaryGroup, a.Name, withRID(sid, r.Value(a.Name)))
			}
		case "ms-ds-creatorsid":
			e.sid("creator", a.Name, []byte(r.Value(a.Name)))
		case "gplink":
			for _, dn := range linkedPolicies(r.Value(a.Name)) {
				e.add(edge.Edge{Relation: RelationPolicy, Target: NamedPrefix + strings.ToLower(dn), Strength: edge.Soft, Path: a.Name})
			}
		case "gpcfilesyspath":
			if path, ok := sysvolPath(r.Value(a.Name)); ok {
				e.add(edge.Edge{Relation: RelationPolicyFiles, Target: FilesPrefix + path, Path: a.Name})
			}
		default:
			e.names(a, base, links)
		}
	}
	return e.all
}

// place adds what an object lies in, and a deleted one where it lay.
func (r *Record) place(e *edges) {
	if parent, ok := parentName(r.DN); ok && !strings.EqualFold(r.DN, r.NamingContext) {
		e.add(edge.Edge{Relation: edge.ParentRelation, Target: NamedPrefix + strings.ToLower(parent)})
	}
	if a := r.Attribute("lastKnownParent"); a != nil && r.Deleted && len(a.Values) > 0 {
		e.add(edge.Edge{Relation: RelationLastParent, Target: a.target(0), Path: a.Name})
	}
}

// edges collects, each once and none to the object itself.
type edges struct {
	all  []edge.Edge
	seen map[edge.Edge]bool
	own  string
}

func (e *edges) add(one edge.Edge) {
	one.Service = backup.AD
	if one.Target == "" || one.Target == e.own || e.seen[one] {
		return
	}
	e.seen[one] = true
	e.all = append(e.all, one)
}

// sid adds a soft need of the object with a SID, when it is one of a domain.
func (e *edges) sid(relation, attribute string, raw []byte) {
	text, ok := FormatSID(raw)
	if !ok {
		return
	}
	if _, target, ok := edge.ToPrincipal("", text); ok {
		e.add(edge.Edge{Relation: relation, Target: target, Strength: edge.Soft, Path: attribute})
	}
}

// names adds the targets of an attribute that holds names of objects.
func (e *edges) names(a *Attribute, base string, links Links) {
	id, link := links[base]
	if ownNames[base] || !link && len(a.Targets) == 0 {
		return
	}
	one := edge.Edge{Relation: base, Strength: edge.Soft, Path: a.Name}
	if link && id%2 != 0 {
		one.Direction, one.Strength = edge.Back, edge.Hard
	}
	for i, value := range a.Values {
		if !strings.Contains(string(value), deletedMark) { // no link leads to what is deleted
			one.Target = a.target(i)
			e.add(one)
		}
	}
}

// target is the object that a value names.
func (a *Attribute) target(i int) string {
	if i < len(a.Targets) && a.Targets[i] != "" {
		return a.Targets[i]
	}
	if dn := linkedName(a.Values[i]); strings.Contains(dn, "=") {
		return NamedPrefix + strings.ToLower(dn)
	}
	return ""
}

// parentName is a distinguished name without its first element.
func parentName(dn string) (string, bool) {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return dn[i+1:], i+1 < len(dn)
		}
	}
	return "", false
}

// withRID is a SID with another relative identifier at its end.
func withRID(sid []byte, rid string) []byte {
	n, err := strconv.ParseUint(rid, 10, 32)
	if err != nil || len(sid) < 4 {
		return nil
	}
	out := append([]byte(nil), sid[:len(sid)-4]...)
	return append(out, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

// linkedPolicies are the distinguished names in a gPLink: [LDAP://<name>;<options>] for
// each policy (MS-GPOL 2.2.2).
func linkedPolicies(value string) []string {
	var all []string
	for _, one := range strings.Split(value, "]") {
		_, one, found := strings.Cut(one, "[")
		end := strings.LastIndexByte(one, ';')
		const scheme = "ldap://"
		if !found || end < len(scheme) || !strings.EqualFold(one[:len(scheme)], scheme) {
			continue
		}
		if dn := one[len(scheme):end]; strings.Contains(dn, "=") {
			all = append(all, dn)
		}
	}
	return all
}

// sysvolPath is the path in the share SYSVOL, in lower case, of a UNC path to it
// (MS-GPOL 2.2.4).
func sysvolPath(unc string) (string, bool) {
	parts := strings.Split(strings.ToLower(strings.TrimRight(strings.ReplaceAll(unc, "/", `\`), `\`)), `\`)
	if len(parts) < 5 || parts[0] != "" || parts[1] != "" || parts[2] == "" || parts[3] != "sysvol" {
		return "", false
	}
	for _, part := range parts[4:] {
		if part == "" || part == "." || part == ".." {
			return "", false
		}
	}
	return strings.Join(parts[4:], "/"), true
}
