package access

import (
	"slices"
	"strconv"
	"strings"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/directory"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/diff/jsondiff"
)

// securityGroup is the bit of groupType that makes a group count for access (MS-ADTS 2.2.12).
const securityGroup = 1 << 31

// accountDisable is a bit of userAccountControl (MS-ADTS 2.2.16).
const accountDisable = 0x2

// Object is what matters of a security principal. It is not changed once it was made, so that
// both sides may have it.
type Object struct {
	guid, sid, name, class string
	group, security        bool
	disabled               bool
	primary                string   // SID of the primary group, empty for none
	members                []string // objectGUIDs
	unnamed                []string // names of members whose GUID is unknown, in small letters
}

// ObjectOf is what matters of a directory object. It is false for one that is no security
// principal, or was deleted.
func ObjectOf(r *record.Record) (*Object, bool) {
	sid, ok := record.FormatSID([]byte(r.Value("objectSid")))
	if r.Deleted || !ok {
		return nil, false
	}
	o := &Object{guid: r.GUID, sid: sid, name: r.DN, class: directory.Class(r), disabled: number(r.Value("userAccountControl"))&accountDisable != 0}
	if kind := r.Value("groupType"); kind != "" {
		o.group, o.security = true, uint32(number(kind))&securityGroup != 0
	}
	if rid := r.Value("primaryGroupID"); rid != "" {
		if at := strings.LastIndexByte(sid, '-'); at > 0 {
			o.primary = sid[:at+1] + rid
		}
	}
	if a := r.Attribute("member"); a != nil {
		for i, v := range a.Values {
			if i < len(a.Targets) && a.Targets[i] != "" {
				o.members = append(o.members, a.Targets[i])
			} else {
				o.unnamed = append(o.unnamed, strings.ToLower(string(v)))
			}
		}
	}
	return o, true
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Picture is who has access on one side, as far as it was told. It is used from one goroutine.
type Picture struct {
	identities  identity.Map // the zero value for the second side
	objects     []*Object
	roles       map[string]*role
	grants      map[grant]map[string]bool // principals, by SID or another ID
	assignments map[string]int64          // by role
}

// grant is something that principals have.
type grant struct {
	scope  string
	role   string // GUID of a role definition, empty for access policies
	action string // of an access policy, such as secrets/get
}

// role is what a role definition says. Permissions are such as "actions: Microsoft.Compute/*".
type role struct {
	name, kind string
	allows     map[string]bool
	forbids    map[string]bool
}

// NewPicture makes an empty picture. Identities translate the objects of the first side.
func NewPicture(identities identity.Map) *Picture {
	return &Picture{identities: identities, roles: map[string]*role{}, grants: map[grant]map[string]bool{}, assignments: map[string]int64{}}
}

// AddObject adds a security principal.
func (p *Picture) AddObject(o *Object) { p.objects = append(p.objects, o) }

// AddRole adds a role definition. One that several scopes list is added once.
func (p *Picture) AddRole(id string, document jsondiff.Value) {
	guid := lastSegment(id)
	properties := document.Member("properties")
	if p.roles[guid] == nil {
		p.roles[guid] = &role{allows: map[string]bool{}, forbids: map[string]bool{}}
	}
	r := p.roles[guid]
	r.name, r.kind = properties.Text("roleName"), properties.Text("type")
	for _, permission := range properties.Member("permissions").Elements() {
		for _, member := range []string{"actions", "dataActions"} {
			add(r.allows, member, permission)
		}
		for _, member := range []string{"notActions", "notDataActions"} {
			add(r.forbids, member, permission)
		}
	}
}

func add(to map[string]bool, member string, permission jsondiff.Value) {
	for _, action := range permission.Member(member).Elements() {
		to[member+": "+strings.ToLower(action.AsText())] = true
	}
}

func lastSegment(id string) string {
	id = strings.ToLower(strings.TrimRight(id, "/"))
	return id[strings.LastIndexByte(id, '/')+1:]
}

// scopeKey is the form in which scopes are compared.
func scopeKey(scope string) string {
	if scope = strings.TrimRight(strings.ToLower(scope), "/"); scope == "" {
		return "/"
	}
	return scope
}

// AddAssignment adds a role assignment.
func (p *Picture) AddAssignment(document jsondiff.Value) {
	properties := document.Member("properties")
	who, definition := properties.Text("principalId"), properties.Text("roleDefinitionId")
	if who == "" || definition == "" {
		return
	}
	g := grant{scope: scopeKey(properties.Text("scope")), role: lastSegment(definition)}
	if p.give(g, who) {
		p.assignments[g.role]++
	}
}

// give notes that a principal has something, and reports whether that is new.
func (p *Picture) give(g grant, who string) bool {
	who = p.principal(who)
	if p.grants[g] == nil {
		p.grants[g] = map[string]bool{}
	}
	known := p.grants[g][who]
	p.grants[g][who] = true
	return !known
}

// principal is what a principal is called on the second side.
func (p *Picture) principal(who string) string {
	return strings.ToLower(p.identities.Text(strings.TrimSpace(who)))
}

// AddVault adds the access policies of a vault.
func (p *Picture) AddVault(id string, document jsondiff.Value) {
	for _, policy := range document.Member("properties").Member("accessPolicies").Elements() {
		who := policy.Text("objectId")
		if who == "" {
			continue
		}
		suffix := ""
		if application := policy.Text("applicationId"); application != "" {
			suffix = " by application " + strings.ToLower(application)
		}
		for _, of := range []string{"keys", "secrets", "certificates", "storage"} {
			for _, permission := range policy.Member("permissions").Member(of).Elements() {
				p.give(grant{scope: scopeKey(id), action: of + "/" + strings.ToLower(permission.AsText()) + suffix}, who)
			}
		}
	}
}

// TranslateScopes gives scopes the names that they have on the other side. To is given them in
// small letters.
func (p *Picture) TranslateScopes(to func(scope string) string) {
	grants := make(map[grant]map[string]bool, len(p.grants))
	for g, principals := range p.grants {
		g.scope = scopeKey(to(g.scope))
		if grants[g] == nil {
			grants[g] = principals
			continue
		}
		for who := range principals {
			grants[g][who] = true
		}
	}
	p.grants = grants
}

// key is what an object is told by on both sides.
func (p *Picture) key(o *Object) string { return p.identities.SID(o.sid) }

// wellKnown are principals that no directory has as members of anything (MS-DTYP 2.4.2.4).
var wellKnown = map[string]string{
	"s-1-1-0": "Everyone", "s-1-3-0": "Creator Owner", "s-1-5-4": "Interactive", "s-1-5-7": "Anonymous", "s-1-5-9": "Enterprise Domain Controllers", "s-1-5-10": "Self",
	"s-1-5-11": "Authenticated Users", "s-1-5-15": "This Organization", "s-1-5-18": "Local System", "s-1-5-19": "Local Service", "s-1-5-20": "Network Service",
}

// sorted returns a list of numbers without repetitions.
func sorted(list []int32) []int32 {
	slices.Sort(list)
	return slices.Compact(list)
}

// Same reports whether two versions of an object give the same access. Either may be nil for
// an object that is not there.
func (o *Object) Same(other *Object) bool {
	if o == nil || other == nil {
		return o == other
	}
	return o.sid == other.sid && o.group == other.group && o.security == other.security && o.primary == other.primary &&
		sameMembers(o.members, other.members) && sameMembers(o.unnamed, other.unnamed)
}

func sameMembers(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
