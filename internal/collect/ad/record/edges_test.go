package record

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/edge"
)

const domain = "s-1-5-21-1004345052-1177238915-682003330"

// entry is an entry of an access control list (MS-DTYP 2.4.4).
func entry(t *testing.T, kind byte, guids int, sid string) []byte {
	body := binary.LittleEndian.AppendUint32(nil, 0x10)
	if guids >= 0 {
		body = binary.LittleEndian.AppendUint32(body, []uint32{0, 1, 3}[guids])
		body = append(body, make([]byte, 16*guids)...)
	}
	body = append(body, binarySID(t, sid)...)
	return append([]byte{kind, 0, byte(4 + len(body)), 0}, body...)
}

// descriptor is a self-relative security descriptor (MS-DTYP 2.4.6).
func descriptor(t *testing.T, owner, group string, entries ...[]byte) []byte {
	list := []byte{4, 0, 0, 0, byte(len(entries)), 0, 0, 0}
	for _, e := range entries {
		list = append(list, e...)
	}
	binary.LittleEndian.PutUint16(list[2:], uint16(len(list)))
	raw := append([]byte{1, 0, 0x04, 0x80}, make([]byte, 16)...)
	for at, part := range map[int][]byte{4: binarySID(t, owner), 8: binarySID(t, group), 16: list} {
		binary.LittleEndian.PutUint32(raw[at:], uint32(len(raw)))
		raw = append(raw, part...)
	}
	return raw
}

func links(t *testing.T) Links {
	links, err := LearnLinks(importFixture())
	require.NoError(t, err)
	require.Equal(t, Links{"member": 2, "memberof": 3}, links)
	return links
}

func need(relation, target, path string) edge.Edge {
	return edge.Edge{Relation: relation, Service: backup.AD, Target: target, Strength: edge.Soft, Path: path}
}

func TestEdges(t *testing.T) {
	sd := descriptor(t, domain+"-512", domain+"-513",
		entry(t, 0x00, -1, domain+"-1104"), entry(t, 0x01, -1, "s-1-1-0"), entry(t, 0x05, 0, domain+"-1105"), entry(t, 0x06, 1, domain+"-1106"),
		entry(t, 0x05, 2, domain+"-1107"), entry(t, 0x05, 2, domain+"-1104"), entry(t, 0x12, -1, domain+"-1108"), entry(t, 0x09, -1, domain+"-1109"), entry(t, 0x0b, 1, domain+"-1110"))
	r := &Record{DN: `CN=Doe\, Jane,OU=Staff,` + fakeDomain, GUID: fakeGUIDText(7), NamingContext: fakeDomain, Attributes: []Attribute{
		{Name: "description", Values: [][]byte{[]byte("CN=no,DC=name")}},
		{Name: "distinguishedName", Values: [][]byte{[]byte("CN=x")}, Targets: []string{fakeGUIDText(7)}},
		{Name: "manager", Values: [][]byte{[]byte("CN=m,DC=x")}, Targets: []string{fakeGUIDText(1)}},
		{Name: "member", Values: [][]byte{[]byte("CN=a"), []byte("CN=B,DC=x"), []byte(`CN=c\0ADEL:1,DC=x`), []byte("CN=me")}, Targets: []string{fakeGUIDText(2), "", fakeGUIDText(3), fakeGUIDText(7)}},
		{Name: "memberOf", Values: [][]byte{[]byte("CN=g,DC=x")}, Targets: []string{fakeGUIDText(4)}},
		{Name: "nTSecurityDescriptor", Values: [][]byte{sd}},
		{Name: "objectCategory", Values: [][]byte{[]byte("CN=Person,CN=Schema")}, Targets: []string{fakeGUIDText(5)}},
		{Name: "objectSid", Values: [][]byte{binarySID(t, domain+"-1200")}},
		{Name: "primaryGroupID", Values: [][]byte{[]byte("513")}},
	}}
	require.Equal(t, []edge.Edge{
		{Relation: edge.ParentRelation, Service: backup.AD, Target: "dn:ou=staff," + strings.ToLower(fakeDomain)},
		need("manager", fakeGUIDText(1), "manager"),
		need("member", fakeGUIDText(2), "member"), need("member", "dn:cn=b,dc=x", "member"),
		{Relation: "memberof", Service: backup.AD, Target: fakeGUIDText(4), Direction: edge.Back, Path: "memberOf"},
		need(RelationOwner, "sid:"+domain+"-512", "nTSecurityDescriptor"), need(RelationOwner, "sid:"+domain+"-513", "nTSecurityDescriptor"),
		need(RelationTrustee, "sid:"+domain+"-1104", "nTSecurityDescriptor"), need(RelationTrustee, "sid:"+domain+"-1105", "nTSecurityDescriptor"),
		need(RelationTrustee, "sid:"+domain+"-1106", "nTSecurityDescriptor"), need(RelationTrustee, "sid:"+domain+"-1107", "nTSecurityDescriptor"),
		need(RelationTrustee, "sid:"+domain+"-1109", "nTSecurityDescriptor"), need(RelationTrustee, "sid:"+domain+"-1110", "nTSecurityDescriptor"),
		need(RelationPrimaryGroup, "sid:"+domain+"-513", "primaryGroupID"),
	}, r.Edges(links(t)))

	head := &Record{DN: fakeDomain, GUID: fakeGUIDText(8), NamingContext: fakeDomain, Attributes: []Attribute{{Name: "gPLink", Values: [][]byte{
		[]byte("[LDAP://cn={A},cn=policies,cn=system,DC=corp,DC=test;0][ldap://CN={B},DC=test;2][http://x;1][LDAP://;0][LDAP://cn=x"),
	}}}}
	require.Equal(t, []edge.Edge{
		need(RelationPolicy, "dn:cn={a},cn=policies,cn=system,dc=corp,dc=test", "gPLink"), need(RelationPolicy, "dn:cn={b},dc=test", "gPLink"),
	}, head.Edges(nil))

	for value, want := range map[string]string{
		`\\corp.test\SysVol\corp.test\Policies\{A}`: "sysvol:corp.test/policies/{a}", `\\corp.test/sysvol/corp.test/Policies/{A}/`: "sysvol:corp.test/policies/{a}",
		`\\corp.test\c$\Windows`: "", `\\corp.test\sysvol`: "", `\\corp.test\sysvol\..\x`: "", `C:\x`: "", "": "",
	} {
		policy := makeRecord("CN={A},"+fakeDomain, map[string][]string{"gPCFileSysPath": {value}})
		all := policy.Edges(nil)[1:]
		if want == "" {
			require.Empty(t, all, value)
			continue
		}
		require.Equal(t, []edge.Edge{{Relation: RelationPolicyFiles, Service: backup.AD, Target: want, Path: "gPCFileSysPath"}}, all, "files come first")
	}

	gone := &Record{DN: `CN=x\0ADEL:1,CN=Deleted Objects,` + fakeDomain, GUID: fakeGUIDText(9), NamingContext: fakeDomain, Deleted: true,
		Attributes: []Attribute{{Name: "lastKnownParent", Values: [][]byte{[]byte("OU=Staff")}, Targets: []string{fakeGUIDText(3)}}}}
	require.Equal(t, edge.Edge{Relation: RelationLastParent, Service: backup.AD, Target: fakeGUIDText(3), Path: "lastKnownParent"}, gone.Edges(nil)[1])
}

// TestDescriptorOfWindows reads a descriptor whose bytes follow from the tables of MS-DTYP
// 2.4 alone, list first, owner last.
func TestDescriptorOfWindows(t *testing.T) {
	raw, err := hex.DecodeString("01000484" + "30000000" + "40000000" + "00000000" + "14000000" + // control, owner, group, SACL, DACL
		"04001c0001000000" + "0000140094000200" + "0101000000000005" + "12000000" + // the list; allowed, 0x20094, S-1-5-18
		"0102000000000005" + "20000000" + "20020000" + // S-1-5-32-544
		"0102000000000005" + "20000000" + "25020000") // S-1-5-32-549
	require.NoError(t, err)
	var got []string
	securityDescriptor(raw, func(relation string, sid []byte) {
		text, ok := FormatSID(sid)
		require.True(t, ok)
		got = append(got, relation+" "+text)
	})
	require.Equal(t, []string{"owner s-1-5-32-544", "owner s-1-5-32-549", "trustee s-1-5-18"}, got)
}

// FuzzEdges: no attribute ends the program, and all that is found is in the object's bytes.
func FuzzEdges(f *testing.F) {
	f.Add("nTSecurityDescriptor", []byte("\x01\x00\x04\x80\x14\x00\x00\x00\x14\x00\x00\x00\x00\x00\x00\x00\x14\x00\x00\x00\x04\x00\xff\xff\xff\xff\x00\x00\x05\x00\xff\xff"), "CN=a,DC=b")
	f.Add("gPLink", []byte("[LDAP://cn=a;0][;]["), `CN=a\,`)
	f.Add("gPCFileSysPath", []byte(`\\a\sysvol\b`), ",,")
	f.Add("member", []byte("B:8:0001:CN=x"), "x")
	f.Add("primaryGroupID", []byte("4294967295"), "x,y")
	f.Fuzz(func(t *testing.T, attribute string, value []byte, dn string) {
		r := &Record{DN: dn, GUID: fakeGUIDText(1), NamingContext: "DC=b", Attributes: []Attribute{
			{Name: attribute, Values: [][]byte{value, value}}, {Name: "objectSid", Values: [][]byte{value}},
		}}
		seen := map[edge.Edge]bool{}
		for _, e := range r.Edges(Links{strings.ToLower(attribute): len(value)}) {
			require.False(t, seen[e])
			seen[e] = true
			require.NotEmpty(t, e.Target)
			require.Equal(t, backup.AD, e.Service)
			require.True(t, e.Path != "" || e.Relation == edge.ParentRelation)
		}
	})
}
