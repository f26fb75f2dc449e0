package directory

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore/directory/identifier"
	"infrabackup/internal/secret"
)

// fakeDC is a directory in memory that refuses as a controller was seen to: a link that is
// there costs the whole change, and so does one whose target is not there.
type fakeDC struct {
	mu      sync.Mutex
	objects map[string]*fakeObject // by GUID
	made    int
	log     []string
	answer  func(request string) uint16 // of changes, when not nil and not 0
}

type fakeObject struct {
	dn      string
	deleted bool
	values  map[string][]string // by name in lower case; links are GUIDs
}

var fakeLinks = []string{"member", "manager"}

const fakeHead = "aaaaaaaa-0000-4000-8000-000000000000"

func newFakeDC() *fakeDC {
	f := &fakeDC{objects: map[string]*fakeObject{}}
	f.objects[fakeHead] = &fakeObject{dn: corp, values: map[string][]string{"wellknownobjects": {deletedObjects + "CN=Deleted Objects," + corp}}}
	f.put("CN=Deleted Objects,"+corp, "objectClass", "container")
	f.put("CN=Partitions,CN=Configuration,"+corp, "objectClass", "crossRefContainer")
	for _, name := range []string{"description", "otherTelephone", "sAMAccountName", "userPrincipalName", "member", "manager", "userAccountControl", primaryGroupID, securityDescriptor, dnsRecord, tombstoned} {
		single := fmt.Sprint(!slices.Contains([]string{"description", "otherTelephone", "member", dnsRecord}, name))
		f.put("CN="+name+",CN=Schema,CN=Configuration,"+corp, "objectClass", "attributeSchema", "lDAPDisplayName", name, "isSingleValued", strings.ToUpper(single))
	}
	return f
}

// put makes an object and returns its GUID.
func (f *fakeDC) put(dn string, pairs ...string) string {
	f.made++
	guid := fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", f.made)
	o := &fakeObject{dn: dn, values: map[string][]string{}}
	for i := 0; i < len(pairs); i += 2 {
		o.values[strings.ToLower(pairs[i])] = append(o.values[strings.ToLower(pairs[i])], pairs[i+1])
	}
	f.objects[guid] = o
	return guid
}

func (f *fakeDC) find(dn string) (string, *fakeObject) {
	if guid := linkTarget([]byte(dn)); guid != "" {
		return guid, f.objects[guid]
	}
	if sid, ok := strings.CutPrefix(dn, "<SID="); ok {
		for guid, o := range f.objects {
			if have, _ := record.FormatSID([]byte(strings.Join(o.values["objectsid"], ""))); !o.deleted && strings.EqualFold(have+">", sid) {
				return guid, o
			}
		}
		return "", nil
	}
	for guid, o := range f.objects {
		if strings.EqualFold(o.dn, dn) {
			return guid, o
		}
	}
	return "", nil
}

// restorer is one of the fake.
func (f *fakeDC) restorer(t *testing.T) *Restorer {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	t.Cleanup(server.Close)
	r, err := New(Options{URL: "ldaps://example.com", CACertificates: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), Username: "svc@corp", Password: secret.New("x")})
	require.NoError(t, err)
	certificates := server.TLS.Certificates
	r.config.DialContext = func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go f.serve(tls.Server(there, &tls.Config{Certificates: certificates}))
		return here, nil
	}
	t.Cleanup(r.Close)
	return r
}

func (f *fakeDC) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		p, err := ber.ReadPacket(conn)
		if err != nil || len(p.Children) < 2 {
			return
		}
		for _, answer := range f.handle(p.Children[1], p) {
			m := ber.NewSequence("")
			m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, p.Children[0].Value, ""))
			m.AppendChild(answer)
			if answer.Tag == ldap.ApplicationSearchResultDone {
				controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
				controls.AppendChild(ldap.NewControlPaging(0).Encode())
				m.AppendChild(controls)
			}
			if _, err := conn.Write(m.Bytes()); err != nil {
				return
			}
		}
	}
}

func text(p *ber.Packet) string { return p.Data.String() }

func fakeResult(tag ber.Tag, code uint16) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "as the fake says", ""))
	return p
}

func (f *fakeDC) handle(op, whole *ber.Packet) []*ber.Packet {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := func(tag ber.Tag, name, dn string, do func() uint16) []*ber.Packet {
		f.log = append(f.log, name+" "+dn)
		if f.answer != nil {
			if code := f.answer(name + " " + dn); code != 0 {
				return []*ber.Packet{fakeResult(tag, code)}
			}
		}
		return []*ber.Packet{fakeResult(tag, do())}
	}
	switch op.Tag {
	case ldap.ApplicationBindRequest:
		return []*ber.Packet{fakeResult(ldap.ApplicationBindResponse, 0)}
	case ldap.ApplicationSearchRequest:
		return f.search(op, strings.Contains(string(whole.Bytes()), ldap.ControlTypeMicrosoftShowDeleted))
	case ldap.ApplicationAddRequest:
		return one(ldap.ApplicationAddResponse, "add", text(op.Children[0]), func() uint16 { return f.add(op) })
	case ldap.ApplicationModifyRequest:
		return one(ldap.ApplicationModifyResponse, "modify", text(op.Children[0]), func() uint16 { return f.modify(op) })
	case ldap.ApplicationDelRequest:
		return one(ldap.ApplicationDelResponse, "delete", text(op), func() uint16 { return f.remove(text(op)) })
	case ldap.ApplicationModifyDNRequest:
		return one(ldap.ApplicationModifyDNResponse, "rename", text(op.Children[0]), func() uint16 {
			_, o := f.find(text(op.Children[0]))
			if o == nil {
				return ldap.LDAPResultNoSuchObject
			}
			o.dn = text(op.Children[1]) + "," + text(op.Children[3])
			return 0
		})
	}
	return []*ber.Packet{fakeResult(ldap.ApplicationExtendedResponse, ldap.LDAPResultProtocolError)}
}

func (f *fakeDC) add(op *ber.Packet) uint16 {
	dn := text(op.Children[0])
	if _, o := f.find(dn); o != nil {
		return ldap.LDAPResultEntryAlreadyExists
	}
	if _, o := f.find(parent(dn)); o == nil {
		return ldap.LDAPResultNoSuchObject
	}
	o := f.objects[f.put(dn)]
	for _, a := range op.Children[1].Children {
		for _, v := range a.Children[1].Children {
			name := strings.ToLower(text(a.Children[0]))
			o.values[name] = append(o.values[name], text(v))
		}
	}
	return 0
}

func (f *fakeDC) remove(dn string) uint16 {
	guid, o := f.find(dn)
	if o == nil {
		return ldap.LDAPResultNoSuchObject
	}
	for _, other := range f.objects {
		if parent(other.dn) == o.dn {
			return ldap.LDAPResultNotAllowedOnNonLeaf
		}
		for _, name := range fakeLinks {
			other.values[name] = slices.DeleteFunc(other.values[name], func(v string) bool { return v == guid })
		}
	}
	o.dn, o.deleted = rdn(o.dn)+deletedMark+guid+",CN=Deleted Objects,"+corp, true
	for name := range o.values {
		if !slices.Contains([]string{"objectclass", "samaccountname", "useraccountcontrol"}, name) {
			delete(o.values, name)
		}
	}
	return 0
}

// moveFirst makes a group, of which the account has to be a member, its first one. It becomes a
// member of the one that was.
func (f *fakeDC) moveFirst(self string, o *fakeObject, rid string) bool {
	group := func(rid string) *fakeObject {
		_, g := f.find(identifier.DN(identifier.WithRID([]byte(o.values["objectsid"][0]), rid)))
		return g
	}
	to, from := group(rid), group(strings.Join(o.values["primarygroupid"], ""))
	if to == nil || !slices.Contains(to.values["member"], self) {
		return false
	}
	to.values["member"] = slices.DeleteFunc(to.values["member"], func(v string) bool { return v == self })
	if from != nil {
		from.values["member"] = append(from.values["member"], self)
	}
	return true
}

func (f *fakeDC) modify(op *ber.Packet) uint16 {
	self, o := f.find(text(op.Children[0]))
	if o == nil {
		return ldap.LDAPResultNoSuchObject
	}
	values, dn, undelete := map[string][]string{}, "", false
	for name, v := range o.values {
		values[name] = slices.Clone(v)
	}
	for _, c := range op.Children[1].Children {
		name := strings.ToLower(text(c.Children[1].Children[0]))
		var given []string
		for _, v := range c.Children[1].Children[1].Children {
			value := text(v)
			if slices.Contains(fakeLinks, name) {
				guid, target := f.find(value)
				if target == nil || target.deleted {
					return ldap.LDAPResultNoSuchObject
				}
				value = guid
			}
			given = append(given, value)
		}
		switch kind := c.Children[0].Value.(int64); {
		case name == "isdeleted":
			undelete = true
		case name == "distinguishedname":
			dn = given[0]
		case kind == ldap.ReplaceAttribute:
			values[name] = given
		case name == "primarygroupid" && kind == ldap.AddAttribute:
			if !f.moveFirst(self, o, given[0]) {
				return ldap.LDAPResultUnwillingToPerform
			}
			values[name] = given
		case kind == ldap.AddAttribute:
			for _, v := range given {
				if slices.Contains(values[name], v) {
					return ldap.LDAPResultEntryAlreadyExists
				}
				values[name] = append(values[name], v)
			}
		default:
			for _, v := range given {
				if !slices.Contains(values[name], v) {
					return ldap.LDAPResultNoSuchAttribute
				}
				values[name] = slices.DeleteFunc(values[name], func(have string) bool { return have == v })
			}
		}
	}
	if undelete != o.deleted || undelete && dn == "" {
		return ldap.LDAPResultOperationsError
	}
	if undelete {
		if _, taken := f.find(dn); taken != nil {
			return ldap.LDAPResultEntryAlreadyExists
		}
		o.dn, o.deleted = dn, false
	}
	o.values = values
	return 0
}

func rawGUID(guid string) string {
	var raw []byte
	for _, part := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(guidFilter(guid), "(objectGUID="), ")"), `\`)[1:] {
		b, _ := hex.DecodeString(part)
		raw = append(raw, b...)
	}
	return string(raw)
}

func (f *fakeDC) matches(guid string, o *fakeObject, filter *ber.Packet) bool {
	switch filter.Tag {
	case ldap.FilterOr:
		return slices.ContainsFunc(filter.Children, func(p *ber.Packet) bool { return f.matches(guid, o, p) })
	case ldap.FilterAnd:
		return !slices.ContainsFunc(filter.Children, func(p *ber.Packet) bool { return !f.matches(guid, o, p) })
	case ldap.FilterPresent:
		return true
	}
	name, value := strings.ToLower(text(filter.Children[0])), text(filter.Children[1])
	switch {
	case name == "objectguid":
		return value == rawGUID(guid)
	case slices.Contains(fakeLinks, name):
		target, _ := f.find(value)
		return slices.Contains(o.values[name], target)
	}
	return slices.ContainsFunc(o.values[name], func(v string) bool { return strings.EqualFold(v, value) })
}

func (f *fakeDC) search(op *ber.Packet, deleted bool) (answers []*ber.Packet) {
	base, scope := text(op.Children[0]), op.Children[1].Value.(int64)
	if base == "" {
		return []*ber.Packet{fakeEntry("", map[string][]string{"defaultNamingContext": {corp}, "schemaNamingContext": {"CN=Schema,CN=Configuration," + corp},
			"configurationNamingContext": {"CN=Configuration," + corp}, "vendorName": {"Samba"}, "namingContexts": {corp, "CN=Configuration," + corp, "DC=DomainDnsZones," + corp}}), fakeResult(ldap.ApplicationSearchResultDone, 0)}
	}
	at, found := f.find(base)
	if found == nil && scope == ldap.ScopeBaseObject || found != nil && found.deleted && !deleted {
		return []*ber.Packet{fakeResult(ldap.ApplicationSearchResultDone, ldap.LDAPResultNoSuchObject)}
	}
	for guid, o := range f.objects {
		if scope == ldap.ScopeBaseObject && guid != at || scope != ldap.ScopeBaseObject && !strings.HasSuffix(o.dn, base) || o.deleted && !deleted || !f.matches(guid, o, op.Children[6]) {
			continue
		}
		attributes := map[string][]string{"objectGUID": {rawGUID(guid)}}
		if o.deleted {
			attributes["isDeleted"] = []string{"TRUE"}
		}
		if above, p := f.find(parent(o.dn)); p != nil {
			attributes["parentGUID"] = []string{rawGUID(above)}
		}
		for name, values := range o.values {
			for _, v := range values {
				if slices.Contains(fakeLinks, name) {
					v = "<GUID=" + v + ">;" + f.objects[v].dn
				}
				attributes[name] = append(attributes[name], v)
			}
		}
		answers = append(answers, fakeEntry(o.dn, attributes))
	}
	return append(answers, fakeResult(ldap.ApplicationSearchResultDone, 0))
}

func fakeEntry(dn string, attributes map[string][]string) *ber.Packet {
	octets := func(s string) *ber.Packet {
		return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
	}
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	p.AppendChild(octets(dn))
	list := ber.NewSequence("")
	for name, values := range attributes {
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		one := ber.NewSequence("")
		one.AppendChild(octets(name))
		one.AppendChild(set)
		list.AppendChild(one)
	}
	p.AppendChild(list)
	return p
}
