package resource

import (
	"regexp"
	"strings"

	"github.com/tidwall/gjson"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/azure/scan"
	"infrabackup/internal/backup"
)

// Reference tells where in a document a reference stands.
type Reference struct {
	Relation string
	// Path names members, separated by dots; # stands for every element of an array.
	// Letters of members compare without case where the case that is given here is not
	// there.
	Path string
	// Resolve makes the reference from a value. It reports false for values that refer
	// to nothing that could be captured.
	Resolve func(value string) (backup.Service, string, bool)
	// If, when not nil, says whether the document's references count.
	If func(document []byte) bool
}

// To resolves ARM IDs to a service.
func To(s backup.Service) func(string) (backup.Service, string, bool) {
	return func(value string) (backup.Service, string, bool) {
		id, ok := reference(value)
		return s, id, ok
	}
}

// reference brings an ID into the form of items' IDs. It reports false for what is no ID
// of a resource manager.
func reference(value string) (string, bool) {
	id := resourceid.Key(value)
	for _, root := range []string{"/subscriptions/", "/providers/", "/tenants/"} {
		if strings.HasPrefix(id, root) {
			return id, true
		}
	}
	return "", false
}

// domainSID is a SID of a domain's own object; others, such as S-1-5-11, stand for
// something that every Windows knows (MS-DTYP 2.4.2.4).
var domainSID = regexp.MustCompile(`(?i)^S-1-5-21(-\d{1,10}){4}$`)

// ToPrincipal resolves SIDs of directory objects. IDs of another form, such as those
// of an Entra style directory, refer to nothing that is captured.
func ToPrincipal(value string) (backup.Service, string, bool) {
	value = strings.TrimSpace(value)
	return backup.AD, "sid:" + strings.ToLower(value), domainSID.MatchString(value)
}

// referencesIn finds what a document refers to.
func (t *Type) referencesIn(document []byte) []backup.Reference {
	if len(t.References) == 0 {
		return nil
	}
	var all []backup.Reference
	seen := map[backup.Reference]bool{}
	root := gjson.ParseBytes(scan.Trim(document))
	for _, r := range t.References {
		if r.If != nil && !r.If(document) {
			continue
		}
		follow(root, strings.Split(r.Path, "."), func(value string) {
			service, target, ok := r.Resolve(value)
			if !ok {
				return
			}
			found := backup.Reference{Relation: r.Relation, Service: service, Target: target}
			if !seen[found] {
				seen[found] = true
				all = append(all, found)
			}
		})
	}
	return all
}

// follow calls fn for every text at a path. An array at its end is gone through too.
func follow(value gjson.Result, path []string, fn func(string)) {
	switch {
	case len(path) > 0 && path[0] == "#":
		if value.IsArray() {
			value.ForEach(func(_, element gjson.Result) bool {
				follow(element, path[1:], fn)
				return true
			})
		}
	case len(path) > 0:
		if value.IsObject() {
			follow(jsondoc.Member(value, path[0]), path[1:], fn)
		}
	case value.IsArray():
		value.ForEach(func(_, element gjson.Result) bool {
			if element.Type == gjson.String && element.Str != "" {
				fn(element.Str)
			}
			return true
		})
	case value.Type == gjson.String && value.Str != "":
		fn(value.Str)
	}
}
