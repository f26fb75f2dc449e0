package diff_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff"
)

const domain = "DC=corp,DC=test"

// entry is a directory object that a test makes.
type entry struct {
	number  int
	dn      string
	class   string
	rid     uint32 // 0 for one that is no security principal
	values  map[string][]string
	links   map[string][][2]string // objectGUID and name of each target
	deleted bool
}

func guidOf(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

func sidOf(rid uint32) []byte {
	raw := []byte{1, 5, 0, 0, 0, 0, 0, 5}
	for _, part := range []uint32{21, 1, 2, 3, rid} {
		raw = binary.LittleEndian.AppendUint32(raw, part)
	}
	return raw
}

// thing is the entry as an item.
func (e entry) thing() thing {
	r := record.Record{DN: e.dn, GUID: guidOf(e.number), NamingContext: domain, Deleted: e.deleted}
	all := map[string]record.Attribute{"objectClass": {Name: "objectClass", Values: [][]byte{[]byte("top"), []byte(e.class)}}}
	if e.rid != 0 {
		all["objectSid"] = record.Attribute{Name: "objectSid", Values: [][]byte{sidOf(e.rid)}}
	}
	for name, values := range e.values {
		a := record.Attribute{Name: name}
		for _, v := range values {
			a.Values = append(a.Values, []byte(v))
		}
		all[name] = a
	}
	for name, links := range e.links {
		a := record.Attribute{Name: name}
		for _, link := range links {
			a.Targets, a.Values = append(a.Targets, link[0]), append(a.Values, []byte(link[1]))
		}
		all[name] = a
	}
	for _, a := range all {
		if len(a.Values) > 0 {
			r.Attributes = append(r.Attributes, a)
		}
	}
	slices.SortFunc(r.Attributes, func(x, y record.Attribute) int { return strings.Compare(x.Name, y.Name) })
	return thing{service: backup.AD, kind: record.Kind, id: r.GUID, name: r.DN, aliases: r.Aliases(), data: r.AppendJSON(nil)}
}

// user is a user with what every user has.
func user(n int) entry {
	name := fmt.Sprintf("User %d", n)
	return entry{number: n, dn: "CN=" + name + ",OU=Ops," + domain, class: "user", rid: uint32(10_000 + n), values: map[string][]string{
		"cn": {name}, "name": {name}, "sAMAccountName": {fmt.Sprintf("u%d", n)}, "userAccountControl": {"512"}, "uSNChanged": {"1"}, "whenChanged": {"20260101000000.0Z"},
		"telephoneNumber": {"1"}, "otherTelephone": {"1", "2"}, "logonHours": {"\x00\xff"}, "description": {"d"}, "accountExpires": {"0"}, "lastLogon": {"1"},
		"nTSecurityDescriptor": {sd(0, ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2))},
	}, links: map[string][][2]string{}}
}

// set is a user with another value, none for nil.
func (e entry) set(name string, values ...string) entry {
	more := map[string][]string{}
	for key, v := range e.values {
		more[key] = v
	}
	if more[name] = values; len(values) == 0 {
		delete(more, name)
	}
	e.values = more
	return e
}

func (e entry) link(name string, targets ...int) entry {
	more := map[string][][2]string{}
	for key, v := range e.links {
		more[key] = v
	}
	more[name] = nil
	for _, n := range targets {
		more[name] = append(more[name], [2]string{guidOf(n), fmt.Sprintf("CN=User %d,OU=Ops,%s", n, domain)})
	}
	e.links = more
	return e
}

func (e entry) at(dn string) entry { e.dn = dn; return e }

// ace is an access control entry (MS-DTYP 2.4.4) for a RID of the domain 1-2-3.
func ace(kind, flags byte, mask, rid uint32) []byte {
	body := append(binary.LittleEndian.AppendUint32(nil, mask), sidOf(rid)...)
	return append(binary.LittleEndian.AppendUint16([]byte{kind, flags}, uint16(4+len(body))), body...)
}

// sd is a security descriptor (MS-DTYP 2.4.6) whose owner and group are RID 512.
func sd(control uint16, aces ...[]byte) string { return sdOf(control, 512, 512, aces) }

func sdOf(control uint16, owner, group uint32, aces [][]byte) string {
	raw := make([]byte, 20)
	raw[0] = 1
	binary.LittleEndian.PutUint16(raw[2:], 0x8004|control)
	for i, rid := range []uint32{owner, group} {
		binary.LittleEndian.PutUint32(raw[4+4*i:], uint32(len(raw)))
		raw = append(raw, sidOf(rid)...)
	}
	if aces != nil {
		binary.LittleEndian.PutUint32(raw[16:], uint32(len(raw)))
		body := slices.Concat(aces...)
		raw = append(raw, 4, 0)
		raw = binary.LittleEndian.AppendUint16(raw, uint16(8+len(body)))
		raw = binary.LittleEndian.AppendUint16(raw, uint16(len(aces)))
		raw = append(append(raw, 0, 0), body...)
	}
	return string(raw)
}

// dns is a DNS record (MS-DNSP 2.3.2.2) of type A, or of another kind.
func dns(serial, stamp, ttl uint32, kind uint16, data ...byte) string {
	raw := make([]byte, 24)
	binary.LittleEndian.PutUint16(raw, uint16(len(data)))
	binary.LittleEndian.PutUint16(raw[2:], kind)
	raw[4], raw[5] = 5, 0xf0
	binary.LittleEndian.PutUint32(raw[8:], serial)
	binary.BigEndian.PutUint32(raw[12:], ttl)
	binary.LittleEndian.PutUint32(raw[20:], stamp)
	return string(append(raw, data...))
}

// directorySeeds are changes of one user, each with the details that are to be found.
var directorySeeds = map[string]struct {
	change func(e entry) entry
	want   string // how and what is in braces; "changed" when it begins with {
}{
	"a text":                 {func(e entry) entry { return e.set("telephoneNumber", "2") }, "{changed telephoneNumber -1 +2}"},
	"a blank":                {func(e entry) entry { return e.set("telephoneNumber", " 1") }, "{changed telephoneNumber -1 + 1}"},
	"the case of a text":     {func(e entry) entry { return e.set("description", "D") }, "{changed description -d +D}"},
	"a new attribute":        {func(e entry) entry { return e.set("title", "Boss") }, "{added title +Boss}"},
	"an attribute less":      {func(e entry) entry { return e.set("telephoneNumber") }, "{removed telephoneNumber -1}"},
	"a value more":           {func(e entry) entry { return e.set("otherTelephone", "3", "2", "1") }, "{added otherTelephone +3}"},
	"a value less":           {func(e entry) entry { return e.set("otherTelephone", "2") }, "{removed otherTelephone -1}"},
	"one of two values":      {func(e entry) entry { return e.set("otherTelephone", "1", "4") }, "{added otherTelephone +4; removed otherTelephone -2}"},
	"bytes":                  {func(e entry) entry { return e.set("logonHours", "\x01\xff") }, "{changed logonHours -0x00ff +0x01ff}"},
	"an option":              {func(e entry) entry { return e.set("userCertificate;binary", "\x30\x00") }, "{added userCertificate;binary +0x3000}"},
	"disabled":               {func(e entry) entry { return e.set("userAccountControl", "514") }, "{changed userAccountControl -512 NORMAL_ACCOUNT +514 ACCOUNTDISABLE NORMAL_ACCOUNT}"},
	"trusted for delegation": {func(e entry) entry { return e.set("userAccountControl", "524800") }, "{changed userAccountControl -512 NORMAL_ACCOUNT +524800 NORMAL_ACCOUNT TRUSTED_FOR_DELEGATION}"},
	"an administrator":       {func(e entry) entry { return e.set("adminCount", "1") }, "{added adminCount +1}"},
	"an expiry":              {func(e entry) entry { return e.set("accountExpires", "133000000000000000") }, "{changed accountExpires -0 +133000000000000000}"},
	"a principal name":       {func(e entry) entry { return e.set("servicePrincipalName", "http/x") }, "{added servicePrincipalName +http/x}"},
	"a login name":           {func(e entry) entry { return e.set("sAMAccountName", "root") }, "{changed sAMAccountName -*SAM* +root}"},
	"delegation by resource": {func(e entry) entry { return e.set("msDS-AllowedToActOnBehalfOfOtherIdentity", "\x01\x00") }, "{added msDS-AllowedToActOnBehalfOfOtherIdentity +0x0100}"},
	"a shadow credential":    {func(e entry) entry { return e.set("msDS-KeyCredentialLink", "B:2:00:CN=x") }, "{added msDS-KeyCredentialLink +B:2:00:CN=x}"},
	"a SID of before":        {func(e entry) entry { return e.set("sIDHistory", string(sidOf(512))) }, "{added sIDHistory +S-1-5-21-1-2-3-512}"},
	"another SID":            {func(e entry) entry { e.rid = 500; return e }, "{changed objectSid -*SID* +S-1-5-21-1-2-3-500}"},
	"a class more":           {func(e entry) entry { return e.set("objectClass", "top", "aux", "user") }, "{added objectClass +aux}"},
	"the primary group":      {func(e entry) entry { return e.set("primaryGroupID", "512") }, "{added primaryGroupID +512}"},
	"a manager":              {func(e entry) entry { return e.link("manager", 3) }, "{added manager +CN=User 3,OU=Ops," + domain + "}"},
	"a Unix password":        {func(e entry) entry { return e.set("unixUserPassword", "canary") }, "{added unixUserPassword secret}"},
	"a password in a text":   {func(e entry) entry { return e.set("description", "password=canary") }, "{changed description secret}"},
	"a local password":       {func(e entry) entry { return e.set("ms-Mcs-AdmPwd", "canary") }, "{added ms-Mcs-AdmPwd secret}"},
	"an entry more": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sd(0, ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2), ace(0, 0, 0xf01ff, 9)))
	}, "{added nTSecurityDescriptor.dacl +(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;S-1-5-21-1-2-3-9)}"},
	"an entry less": {func(e entry) entry { return e.set("nTSecurityDescriptor", sd(0, ace(0, 0, 0x10, 1))) }, "{removed nTSecurityDescriptor.dacl -(D;;WP;;;S-1-5-21-1-2-3-2)}"},
	"what an entry allows": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sd(0, ace(0, 0, 0x30, 1), ace(1, 0, 0x20, 2)))
	}, "{added nTSecurityDescriptor.dacl +(A;;RPWP;;;S-1-5-21-1-2-3-1); removed nTSecurityDescriptor.dacl -(A;;RP;;;S-1-5-21-1-2-3-1)}"},
	"who inherits it": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sd(0, ace(0, 2, 0x10, 1), ace(1, 0, 0x20, 2)))
	}, "{added nTSecurityDescriptor.dacl +(A;CI;RP;;;S-1-5-21-1-2-3-1); removed nTSecurityDescriptor.dacl -(A;;RP;;;S-1-5-21-1-2-3-1)}"},
	"an allowing entry first": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sd(0, ace(1, 0, 0x20, 2), ace(0, 0, 0x10, 1)))
	}, "{changed nTSecurityDescriptor.dacl order -(A;;RP;;;S-1-5-21-1-2-3-1)(D;;WP;;;S-1-5-21-1-2-3-2) +(D;;WP;;;S-1-5-21-1-2-3-2)(A;;RP;;;S-1-5-21-1-2-3-1)}"},
	"inherited, from nowhere": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sd(0, ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2), ace(0, 0x10, 0x10, 9)))
	}, "{added nTSecurityDescriptor.dacl +(A;ID;RP;;;S-1-5-21-1-2-3-9)}"},
	"protected": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sd(0x1000, ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2)))
	}, "{changed nTSecurityDescriptor.control -DACL_PRESENT +DACL_PRESENT DACL_PROTECTED}"},
	"an owner": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sdOf(0, 500, 512, [][]byte{ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2)}))
	}, "{changed nTSecurityDescriptor.owner -S-1-5-21-1-2-3-512 +S-1-5-21-1-2-3-500}"},
	"a group of a descriptor": {func(e entry) entry {
		return e.set("nTSecurityDescriptor", sdOf(0, 512, 500, [][]byte{ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2)}))
	}, "{changed nTSecurityDescriptor.group -S-1-5-21-1-2-3-512 +S-1-5-21-1-2-3-500}"},
	"no descriptor":      {func(e entry) entry { return e.set("nTSecurityDescriptor", "\x00") }, "*"},
	"a short descriptor": {func(e entry) entry { return e.set("nTSecurityDescriptor") }, "*"},
	"an address":         {func(e entry) entry { return e.set("dnsRecord", dns(1, 2, 900, 1, 10, 0, 0, 1)) }, "{added dnsRecord +A 10.0.0.1 ttl 900}"},
	"renamed": {func(e entry) entry {
		return e.at(strings.Replace(e.dn, "CN=User", "CN=Used", 1)).set("cn", "x").set("name", "x")
	}, "renamed from name *DN* {}"},
	"moved":             {func(e entry) entry { return e.at(strings.Replace(e.dn, "OU=Ops", "OU=Dev", 1)) }, "moved from name *DN* {}"},
	"moved and changed": {func(e entry) entry { return e.at(strings.Replace(e.dn, "OU=Ops", "OU=Dev", 1)).set("title", "Boss") }, "moved from name *DN* {added title +Boss}"},
	"deleted": {func(e entry) entry {
		e.deleted = true
		return e.at(`CN=x\0ADEL:` + guidOf(e.number) + ",CN=Deleted Objects," + domain)
	}, "removed {}"},
}

// seedDirectory puts changes into a directory, each in an object of its own, and returns what
// is to be found. Every object differs in what does not count.
func seedDirectory(a, b *world) (want []string, kinds int) {
	line := func(how, kind, id, more string) {
		want = append(want, fmt.Sprintf("%s %s %s %s", how, kind, id, more))
		kinds++
	}
	noise := func(e entry) entry {
		return e.set("uSNChanged", "2").set("whenChanged", "20260202000000.0Z").set("lastLogon", "2").set("memberOf", "CN=x").set("dSCorePropagationData", "x")
	}
	n := 100
	for name := range directorySeeds {
		s := directorySeeds[name]
		n++
		e := user(n)
		a.put(e.thing())
		b.put(noise(s.change(e)).thing())
		text := strings.NewReplacer("*DN*", e.dn, "*SAM*", e.values["sAMAccountName"][0], "*SID*", fmt.Sprintf("S-1-5-21-1-2-3-%d", e.rid)).Replace(s.want)
		switch how, rest, _ := strings.Cut(text, " "); {
		case text == "*":
			line("*", record.Kind, guidOf(n), "")
		case strings.HasPrefix(text, "{"):
			line("changed", record.Kind, guidOf(n), text)
		default:
			line(how, record.Kind, guidOf(n), rest)
		}
	}
	for range 50 { // objects in which nothing counts
		n++
		e := user(n)
		a.put(e.thing())
		b.put(noise(e).set("otherTelephone", "2", "1").set("accountExpires", "9223372036854775807").set("nTSecurityDescriptor", sd(3, ace(0, 0, 0x10, 1), ace(1, 0, 0x20, 2))).thing())
	}
	both := func(x, y entry) { a.put(x.thing()); b.put(y.thing()) }
	group := func(n int, members ...int) entry {
		return entry{number: n, dn: fmt.Sprintf("CN=Group %d,%s", n, domain), class: "group", rid: uint32(20_000 + n), values: map[string][]string{"groupType": {"-2147483646"}}, links: map[string][][2]string{}}.link("member", members...)
	}
	member := func(n int) string { return fmt.Sprintf("CN=User %d,OU=Ops,%s", n, domain) }
	both(group(1, 101), group(1, 101, 102))
	line("changed", record.Kind, guidOf(1), "{added member +"+member(102)+"}")
	both(group(2, 101, 102), group(2, 102))
	line("changed", record.Kind, guidOf(2), "{removed member -"+member(101)+"}")
	both(group(3, 101, 103), group(3, 102, 103))
	line("changed", record.Kind, guidOf(3), "{added member +"+member(102)+"; removed member -"+member(101)+"}")
	x, y := group(4, 101), group(4, 101)
	y.links["member"][0][0] = guidOf(999) // another object under the same name
	both(x, y)
	line("changed", record.Kind, guidOf(4), "{changed member -"+member(101)+" +"+member(101)+"}")
	both(group(5, 101), group(5, 101).set("groupType", "2"))
	line("changed", record.Kind, guidOf(5), "{changed groupType --2147483646 +2}")
	x, y = group(6, 101), group(6, 101)
	y.links["member"][0][1] = "CN=Renamed," + domain // the target's name does not count
	both(x, y)
	both(group(8, 101, 102, 103), group(8, 103, 101, 102))
	b.put(group(7).thing())
	line("added", record.Kind, guidOf(7), "{}")
	e := user(10)
	a.put(e.thing())
	line("removed", record.Kind, guidOf(10), "{}")
	e = user(11)
	e.deleted = true
	a.put(e.thing())
	b.put(user(11).thing())
	line("added", record.Kind, guidOf(11), "{}")
	e = user(12)
	e.deleted = true
	a.put(e.thing()) // a tombstone that was collected
	unit := func(n int, dn string) entry {
		return entry{number: n, dn: dn, class: "organizationalUnit", values: map[string][]string{"gPLink": {"[LDAP://a;0]"}}}
	}
	both(unit(20, "OU=Old,"+domain), unit(20, "OU=New,"+domain))
	line("renamed", record.Kind, guidOf(20), "from name OU=Old,"+domain+" {}")
	both(user(21).at("CN=User 21,OU=In,OU=Old,"+domain), user(21).at("CN=User 21,OU=In,OU=New,"+domain)) // follows
	both(unit(22, "OU=Links,"+domain), unit(22, "OU=Links,"+domain).set("gPLink", "[LDAP://a;0][LDAP://b;0]"))
	line("changed", record.Kind, guidOf(22), "{changed gPLink -[LDAP://a;0] +[LDAP://a;0][LDAP://b;0]}")
	both(unit(23, "OU=P,"+domain).set("nTSecurityDescriptor", sd(0, ace(0, 2, 1, 1))), unit(23, "OU=P,"+domain).set("nTSecurityDescriptor", sd(0, ace(0, 2, 3, 1))))
	line("changed", record.Kind, guidOf(23), "{added nTSecurityDescriptor.dacl +(A;CI;CCDC;;;S-1-5-21-1-2-3-1); removed nTSecurityDescriptor.dacl -(A;CI;CC;;;S-1-5-21-1-2-3-1)}")
	both(user(24).at("CN=User 24,OU=P,"+domain).set("nTSecurityDescriptor", sd(0, ace(0, 0x12, 1, 1))), user(24).at("CN=User 24,OU=P,"+domain).set("nTSecurityDescriptor", sd(0, ace(0, 0x12, 3, 1)))) // follows
	node := func(n int, records ...string) entry {
		return entry{number: n, dn: fmt.Sprintf("DC=n%d,%s", n, domain), class: "dnsNode", values: map[string][]string{"dnsRecord": records}}
	}
	both(node(30, dns(1, 0, 900, 1, 10, 0, 0, 1)), node(30, dns(9, 7, 900, 1, 10, 0, 0, 1))) // serial and time stamp
	both(node(31, dns(1, 0, 900, 1, 10, 0, 0, 1)), node(31, dns(1, 0, 900, 1, 10, 0, 0, 2)))
	line("changed", record.Kind, guidOf(31), "{changed dnsRecord -A 10.0.0.1 ttl 900 +A 10.0.0.2 ttl 900}")
	both(node(32, dns(1, 0, 900, 1, 10, 0, 0, 1)), node(32, dns(1, 0, 60, 1, 10, 0, 0, 1)))
	line("changed", record.Kind, guidOf(32), "{changed dnsRecord -A 10.0.0.1 ttl 900 +A 10.0.0.1 ttl 60}")
	both(node(33, dns(1, 0, 900, 1, 10, 0, 0, 1)), node(33, dns(1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8)))
	line("changed", record.Kind, guidOf(33), "{changed dnsRecord -A 10.0.0.1 ttl 900 +removed ttl 0}")
	policy := func(n int, version string) entry {
		return entry{number: n, dn: fmt.Sprintf("CN={%d},%s", n, domain), class: "groupPolicyContainer", values: map[string][]string{"versionNumber": {version}, "displayName": {"p"}}}
	}
	both(policy(40, "1"), policy(40, "2")) // counted by its files
	both(policy(41, "1"), policy(41, "1").set("displayName", "q"))
	line("changed", record.Kind, guidOf(41), "{changed displayName -p +q}")
	file := func(w *world, id, text string) {
		w.put(thing{service: backup.AD, kind: "sysvol-file", id: id, name: id, data: []byte(text), file: true})
	}
	file(a, "p/GPT.INI", "Version=1\r\n")
	file(b, "p/GPT.INI", "Version=2\r\n")
	file(a, "q/GPT.INI", "Version=1\r\nname=a\r\n")
	file(b, "q/GPT.INI", "Version=1\r\nname=bb\r\n")
	line("changed", "sysvol-file", "q/GPT.INI", "{changed content -19 bytes +20 bytes}")
	file(a, "p/Registry.pol", "a")
	file(b, "p/Registry.pol", "b")
	line("changed", "sysvol-file", "p/Registry.pol", "{changed content -1 bytes +1 bytes}")
	file(a, "p/gone", "unique 1")
	line("removed", "sysvol-file", "p/gone", "{}")
	file(b, "p/come", "unique 2")
	line("added", "sysvol-file", "p/come", "{}")
	file(a, "p/here.cmd", "unique 3")
	file(b, "r/here.cmd", "unique 3")
	line("moved", "sysvol-file", "r/here.cmd", "from p/here.cmd from name p/here.cmd {}")
	b.put(thing{service: backup.AD, kind: "sysvol-folder", id: "p/new", name: "p/new", data: []byte(`{"path":"p/new"}`)})
	line("added", "sysvol-folder", "p/new", "{}")
	return want, kinds
}

// TestSeededDirectory: every kind of change in a directory is found, and no other.
func TestSeededDirectory(t *testing.T) {
	a, b := &world{name: "A"}, &world{name: "B"}
	seeds, kinds := seedDirectory(a, b)
	require.GreaterOrEqual(t, kinds, 50)
	got := changes(compare(t, a, b, diff.Options{}))
	var want []string
	for _, line := range seeds { // those whose details are not spelled out have to be there
		id, open := strings.CutPrefix(line, "* ")
		if !open {
			want = append(want, line)
			continue
		}
		at := slices.IndexFunc(got, func(one string) bool { return strings.HasPrefix(one, "changed "+id) })
		require.GreaterOrEqual(t, at, 0, line)
		require.Contains(t, got[at], " nTSecurityDescriptor")
		got = slices.Delete(got, at, at+1)
	}
	requireExactly(t, want, got)
	require.Empty(t, changes(compare(t, b, b, diff.Options{})))
}
