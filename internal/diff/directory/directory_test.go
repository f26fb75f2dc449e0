package directory

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/identity"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

const base = "DC=corp,DC=test"

func guid(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }

// object makes a record. Attributes are name=value, values separated by |; links are
// name=>guid:dn.
func object(dn string, attributes ...string) *record.Record {
	r := &record.Record{DN: dn, GUID: guid(1), NamingContext: base, Attributes: []record.Attribute{{Name: "objectClass", Values: [][]byte{[]byte("top"), []byte("user")}}}}
	for _, text := range attributes {
		if name, list, ok := strings.Cut(text, "=>"); ok {
			a := record.Attribute{Name: name}
			for one := range strings.SplitSeq(list, "|") {
				target, dn, _ := strings.Cut(one, ":")
				a.Values, a.Targets = append(a.Values, []byte(dn)), append(a.Targets, target)
			}
			r.Attributes = append(r.Attributes, a)
			continue
		}
		name, list, _ := strings.Cut(text, "=")
		a := record.Attribute{Name: name}
		for one := range strings.SplitSeq(list, "|") {
			if raw, ok := strings.CutPrefix(one, "hex:"); ok {
				bytes, err := hex.DecodeString(raw)
				if err != nil {
					panic(err)
				}
				one = string(bytes)
			}
			a.Values = append(a.Values, []byte(one))
		}
		r.Attributes = append(r.Attributes, a)
	}
	slices.SortFunc(r.Attributes, func(x, y record.Attribute) int { return strings.Compare(x.Name, y.Name) })
	return r
}

func comparer(t testing.TB) *Comparer {
	key, err := redact.NewKey(rand.Reader)
	require.NoError(t, err)
	return &Comparer{Key: key}
}

// lines are details as text.
func lines(d result.Details) []string {
	out := []string{}
	for _, one := range d.List {
		line := string(one.How) + " " + one.Path
		if one.Secret {
			line += " secret"
		}
		if one.Before != nil {
			line += " -" + *one.Before
		}
		if one.After != nil {
			line += " +" + *one.After
		}
		out = append(out, line)
	}
	return out
}

func reasons(d result.Details) string {
	var out []string
	for _, i := range d.Ignored.List() {
		out = append(out, i.Reason)
	}
	return strings.Join(out, "; ")
}

// dnsRecord makes a record of type A, or any other.
func dnsRecord(serial, stamp uint32, kind uint16, data ...byte) string {
	raw := make([]byte, dnsHead, dnsHead+len(data))
	binary.LittleEndian.PutUint16(raw, uint16(len(data)))
	binary.LittleEndian.PutUint16(raw[2:], kind)
	raw[4], raw[5] = 5, 0xf0
	binary.LittleEndian.PutUint32(raw[8:], serial)
	binary.BigEndian.PutUint32(raw[12:], 900)
	binary.LittleEndian.PutUint32(raw[20:], stamp)
	return "hex:" + hex.EncodeToString(append(raw, data...))
}

// Descriptors: owner S-1-5-32-544, with one entry for S-1-5-11 whose flags and mask are given.
func descriptorOf(control uint16, flags byte, mask uint32) string {
	raw := make([]byte, 20)
	raw[0] = 1
	binary.LittleEndian.PutUint16(raw[2:], 0x8004|control)
	binary.LittleEndian.PutUint32(raw[4:], 20)
	raw = append(raw, 1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0)
	binary.LittleEndian.PutUint32(raw[16:], uint32(len(raw)))
	raw = append(raw, 4, 0, 8+20, 0, 1, 0, 0, 0, 0, flags, 20, 0)
	raw = binary.LittleEndian.AppendUint32(raw, mask)
	return "hex:" + hex.EncodeToString(append(raw, 1, 1, 0, 0, 0, 0, 0, 5, 11, 0, 0, 0))
}

func TestCompare(t *testing.T) {
	const ana, bob = "CN=Ana,OU=Ops," + base, "CN=Bob,OU=Ops," + base
	for name, c := range map[string]struct {
		a, b    *record.Record
		how     result.How
		want    []string
		ignored string
	}{
		"same":                  {object(ana, "mail=a@x"), object(ana, "mail=a@x"), result.Changed, nil, ""},
		"an attribute":          {object(ana, "mail=a@x"), object(ana, "mail=b@x"), result.Changed, []string{"changed mail -a@x +b@x"}, ""},
		"case of its name":      {object(ana, "Mail=a@x"), object(ana, "mail=a@x"), result.Changed, nil, ""},
		"one more":              {object(ana), object(ana, "title=Boss"), result.Changed, []string{"added title +Boss"}, ""},
		"one value more":        {object(ana, "tel=1|2"), object(ana, "tel=3|2|1"), result.Changed, []string{"added tel +3"}, ""},
		"order of values":       {object(ana, "tel=1|2"), object(ana, "tel=2|1"), result.Changed, nil, ReasonOrder},
		"one of several":        {object(ana, "tel=1|2"), object(ana, "tel=1|4"), result.Changed, []string{"removed tel -2", "added tel +4"}, ""},
		"bytes":                 {object(ana, "logonHours=hex:00ff"), object(ana, "logonHours=hex:01ff"), result.Changed, []string{"changed logonHours -0x00ff +0x01ff"}, ""},
		"counters":              {object(ana, "uSNChanged=1", "lastLogon=1", "pwdLastSet=1", "memberOf=x"), object(ana, "uSNChanged=2", "lastLogon=2", "pwdLastSet=2", "memberOf=y"), result.Changed, nil, strings.Join([]string{ReasonBackLink, ReasonBookkeeping, ReasonLogon, ReasonPassword}, "; ")},
		"back link by its name": {object(ana, "msDS-SomethingBL=x"), object(ana), result.Changed, nil, ReasonBackLink},
		"defaults":              {object(ana, "adminCount=0", "accountExpires=0"), object(ana, "accountExpires=9223372036854775807"), result.Changed, nil, ReasonDefault},
		"no default":            {object(ana, "adminCount=1"), object(ana), result.Changed, []string{"removed adminCount -1"}, ""},
		"disabled":              {object(ana, "userAccountControl=512"), object(ana, "userAccountControl=514"), result.Changed, []string{"changed userAccountControl -512 NORMAL_ACCOUNT +514 ACCOUNTDISABLE NORMAL_ACCOUNT"}, ""},
		"a secret":              {object(ana, "unixUserPassword=one"), object(ana, "unixUserPassword=two"), result.Changed, []string{"changed unixUserPassword secret"}, ""},
		"a secret more":         {object(ana), object(ana, "ms-Mcs-AdmPwd=two"), result.Changed, []string{"added ms-Mcs-AdmPwd secret"}, ""},
		"secrets reordered":     {object(ana, "msFVE-RecoveryPassword=one|two"), object(ana, "msFVE-RecoveryPassword=two|one"), result.Changed, nil, ReasonOrder},
		"a secret in a text":    {object(ana, "description=x"), object(ana, "description=Passwort: canary"), result.Changed, []string{"changed description secret"}, ""},
		"renamed":               {object(ana, "cn=Ana", "name=Ana", "distinguishedName="+ana, "mail=x"), object("CN=Anna,OU=Ops,"+base, "cn=Anna", "name=Anna", "distinguishedName=CN=Anna,OU=Ops,"+base, "mail=y"), result.Renamed, []string{"changed mail -x +y"}, ""},
		"moved":                 {object(ana), object("CN=Ana,OU=Dev," + base), result.Moved, nil, ""},
		"a comma in a name":     {object(`CN=A\,na,OU=Ops,` + base), object(`CN=A\,nna,OU=Ops,` + base), result.Renamed, nil, ""},
		"a member":              {object(ana, "member=>"+guid(2)+":"+ana), object(ana, "member=>"+guid(2)+":"+ana+"|"+guid(3)+":"+bob), result.Changed, []string{"added member +" + bob}, ""},
		"a member was renamed":  {object(ana, "member=>"+guid(2)+":"+ana), object(ana, "member=>"+guid(2)+":"+bob), result.Changed, nil, ReasonTarget},
		"another of the name":   {object(ana, "member=>"+guid(2)+":"+ana), object(ana, "member=>"+guid(3)+":"+ana), result.Changed, []string{"changed member -" + ana + " +" + ana}, ""},
		"an unknown target":     {object(ana, "member=>:"+ana), object(ana, "member=>"+guid(3)+":"+ana), result.Changed, nil, ReasonOrder},
		"the last member":       {object(ana, "member=>"+guid(2)+":"+ana), object(ana), result.Changed, []string{"removed member -" + ana}, ""},
		"a SID":                 {object(ana, "objectSid=hex:010100000000000512000000"), object(ana, "objectSid=hex:010100000000000513000000"), result.Changed, []string{"changed objectSid -S-1-5-18 +S-1-5-19"}, ""},
		"no SID":                {object(ana, "objectSid=hex:0102"), object(ana, "objectSid=hex:0103"), result.Changed, []string{"changed objectSid -0x0102 +0x0103"}, ""},
		"DNS bookkeeping":       {object(ana, "dnsRecord="+dnsRecord(1, 0, 1, 10, 0, 0, 1)), object(ana, "dnsRecord="+dnsRecord(2, 9, 1, 10, 0, 0, 1)), result.Changed, nil, ReasonDNS},
		"a DNS record":          {object(ana, "dnsRecord="+dnsRecord(1, 0, 1, 10, 0, 0, 1)), object(ana, "dnsRecord="+dnsRecord(2, 0, 1, 10, 0, 0, 2)), result.Changed, []string{"changed dnsRecord -A 10.0.0.1 ttl 900 +A 10.0.0.2 ttl 900"}, ""},
		"a policy's version":    {object(ana, "objectClass=top|groupPolicyContainer", "versionNumber=1"), object(ana, "objectClass=top|groupPolicyContainer", "versionNumber=2"), result.Changed, nil, ReasonPolicy},
		"another version":       {object(ana, "versionNumber=1"), object(ana, "versionNumber=2"), result.Changed, []string{"changed versionNumber -1 +2"}, ""},
		"permissions":           {object(ana, "nTSecurityDescriptor="+descriptorOf(0, 0, 0x10)), object(ana, "nTSecurityDescriptor="+descriptorOf(0, 0, 0x20)), result.Changed, []string{"added nTSecurityDescriptor.dacl +(A;;WP;;;S-1-5-11)", "removed nTSecurityDescriptor.dacl -(A;;RP;;;S-1-5-11)"}, ""},
		"whose owner it was":    {object(ana, "nTSecurityDescriptor="+descriptorOf(1, 0, 0x10)), object(ana, "nTSecurityDescriptor="+descriptorOf(2, 0, 0x10)), result.Changed, nil, ReasonOrigin},
		"no descriptor":         {object(ana, "nTSecurityDescriptor=hex:00"), object(ana, "nTSecurityDescriptor="+descriptorOf(2, 0, 0x10)), result.Changed, []string{"changed nTSecurityDescriptor"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "polic") && name != "permissions" {
				// The class is given twice: only the second counts.
				for _, r := range []*record.Record{c.a, c.b} {
					r.Attributes = slices.DeleteFunc(r.Attributes, func(a record.Attribute) bool {
						return a.Name == "objectClass" && string(a.Values[len(a.Values)-1]) == "user"
					})
				}
			}
			p := comparer(t).Compare(c.a, c.b)
			Settle([]*Pair{p}, nil)
			require.Equal(t, c.how, p.How)
			got := lines(p.Details)
			if name == "no descriptor" {
				require.Len(t, got, 1)
				require.True(t, strings.HasPrefix(got[0], c.want[0]))
			} else {
				require.ElementsMatch(t, append([]string{}, c.want...), got)
			}
			require.Equal(t, c.ignored, reasons(p.Details))
			requireMirrored(t, c.a, c.b)
		})
	}
}

func requireMirrored(t testing.TB, a, b *record.Record) {
	t.Helper()
	c := comparer(t)
	there, back := c.Compare(a, b), c.Compare(b, a)
	Settle([]*Pair{there}, nil)
	Settle([]*Pair{back}, nil)
	mirrored := map[result.How]result.How{result.Added: result.Removed, result.Removed: result.Added}
	for i := range back.Details.List {
		one := &back.Details.List[i]
		one.Before, one.After = one.After, one.Before
		if how, ok := mirrored[one.How]; ok {
			one.How = how
		}
	}
	require.ElementsMatch(t, lines(there.Details), lines(back.Details))
	require.Equal(t, reasons(there.Details), reasons(back.Details))
}

func TestDeletedObjects(t *testing.T) {
	live := object("CN=Ana,"+base, "mail=a")
	gone := object(`CN=Ana\0ADEL:x,CN=Deleted Objects,` + base)
	gone.Deleted = true
	c := comparer(t)
	p := c.Compare(live, gone)
	require.Equal(t, result.Removed, p.How)
	require.NotEmpty(t, p.Note)
	require.Empty(t, p.Details.List)
	require.Equal(t, result.Added, c.Compare(gone, live).How)
	other := object(`CN=Ana\0ADEL:x,CN=Deleted Objects,`+base, "mail=b")
	other.Deleted = true
	p = c.Compare(gone, other)
	require.False(t, p.Found())
	require.Equal(t, ReasonDeleted, reasons(p.Details))
}

// TestIdentities: a restore gave the objects new SIDs and GUIDs.
func TestIdentities(t *testing.T) {
	c := comparer(t)
	c.Identities = identity.New(map[string]string{"S-1-5-18": "S-1-5-19"}, map[string]string{guid(2): guid(3)})
	p := c.Compare(object("CN=a,"+base, "objectSid=hex:010100000000000512000000", "member=>"+guid(2)+":CN=m,"+base),
		object("CN=a,"+base, "objectSid=hex:010100000000000513000000", "member=>"+guid(3)+":CN=m,"+base))
	require.Empty(t, lines(p.Details))
}

// TestSettle: what follows from a change further up is not told of, and what nothing explains
// is.
func TestSettle(t *testing.T) {
	c := comparer(t)
	in := func(mask uint32) string { return "nTSecurityDescriptor=" + descriptorOf(0, 0x10, mask) }
	own := func(mask uint32) string { return "nTSecurityDescriptor=" + descriptorOf(0, 2, mask) }
	unit := c.Compare(object("OU=Ops,"+base), object("OU=Operations,"+base))
	child := c.Compare(object("CN=Ana,OU=Ops,"+base), object("CN=Ana,OU=Operations,"+base))
	inner := c.Compare(object("CN=Bob,OU=In,OU=Ops,"+base), object("CN=Bob,OU=In,OU=Operations,"+base))
	itself := c.Compare(object("CN=Cid,OU=In,OU=Ops,"+base), object("CN=Cyd,OU=In,OU=Operations,"+base))
	away := c.Compare(object("CN=Dee,OU=Ops,"+base), object("CN=Dee,OU=Else,"+base))
	similar := c.Compare(object("CN=Eve,OU=Oops,"+base), object("CN=Eve,OU=Operations,"+base))
	all := []*Pair{inner, child, itself, unit, away, similar}
	Settle(all, nil)
	for p, want := range map[*Pair]result.How{unit: result.Renamed, child: result.Changed, inner: result.Changed, itself: result.Moved, away: result.Moved, similar: result.Moved} {
		require.Equal(t, want, p.How, p.NameA)
	}
	require.Equal(t, ReasonParent, reasons(child.Details))

	changed := c.Compare(object("OU=P,"+base, own(1)), object("OU=P,"+base, own(2)))
	follows := c.Compare(object("CN=x,OU=In,OU=P,"+base, in(1)), object("CN=x,OU=In,OU=P,"+base, in(2)))
	alone := c.Compare(object("CN=y,OU=Q,"+base, in(1)), object("CN=y,OU=Q,"+base, in(2)))
	moved := c.Compare(object("CN=z,OU=Q,"+base, in(1)), object("CN=z,OU=R,"+base, in(2)))
	belowNew := c.Compare(object("CN=n,OU=New,"+base, in(1)), object("CN=n,OU=New,"+base, in(2)))
	renamed := c.Compare(object("CN=r,OU=Q,"+base, in(1)), object("CN=s,OU=Q,"+base, in(2)))
	Settle([]*Pair{follows, alone, changed, moved, belowNew, renamed}, []string{"OU=New," + base})
	require.Len(t, changed.Details.List, 2)
	require.Len(t, alone.Details.List, 2)
	require.Len(t, renamed.Details.List, 2, "a new name gives no new permissions")
	for _, p := range []*Pair{follows, moved, belowNew} {
		require.Empty(t, p.Details.List, p.NameA)
		require.Equal(t, ReasonInherited, reasons(p.Details), p.NameA)
	}
	require.True(t, alone.Found())
	require.False(t, follows.Found())
}

func TestPolicyFiles(t *testing.T) {
	for name, c := range map[string]struct {
		file, a, b string
		found      bool
	}{
		"the version":    {"Policies/{1}/GPT.INI", "[General]\r\nVersion=1\r\n", "[General]\r\nversion = 65537\r\n", false},
		"something else": {"Policies/{1}/gpt.ini", "[General]\r\nVersion=1\r\n", "[General]\r\nVersion=1\r\ndisplayName=x\r\n", true},
		"another file":   {"Policies/{1}/x.ini", "Version=1", "Version=2", true},
	} {
		var d result.Details
		CompareFile(c.file, []byte(c.a), []byte(c.b), &d)
		require.Equal(t, c.found, d.Found(), name)
	}
	var d result.Details
	CompareFile("Groups.xml", []byte(`cpassword="canary"`), []byte(`cpassword="canary2"`), &d)
	require.NotContains(t, strings.Join(lines(d), ""), "canary")
}

func TestDNS(t *testing.T) {
	name := []byte{8, 2, 1, 'a', 4, 't', 'e', 's', 't', 0}
	for want, data := range map[string]string{
		"A 10.0.0.1":               dnsRecord(1, 2, dnsA, 10, 0, 0, 1),
		"AAAA ::1":                 dnsRecord(1, 2, dnsAAAA, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
		"NS a.test.":               dnsRecord(1, 2, dnsNS, name...),
		"MX 10 a.test.":            dnsRecord(1, 2, dnsMX, append([]byte{0, 10}, name...)...),
		"SRV 0 100 389 a.test.":    dnsRecord(1, 2, dnsSRV, append([]byte{0, 0, 0, 100, 1, 0x85}, name...)...),
		`TXT "ab" "c"`:             dnsRecord(1, 2, dnsTXT, 2, 'a', 'b', 1, 'c'),
		"removed":                  dnsRecord(1, 2, dnsTombstone, 1, 2, 3, 4, 5, 6, 7, 8),
		"type 1 0a00":              dnsRecord(1, 2, dnsA, 10, 0),
		"type 15 00":               dnsRecord(1, 2, dnsMX, 0),
		"type 99 01":               dnsRecord(1, 2, 99, 1),
		"type 5 0803":              dnsRecord(1, 2, dnsCNAME, 8, 3),
		"type 16 05":               dnsRecord(1, 2, dnsTXT, 5),
		"type 6 000000000102":      dnsRecord(1, 2, dnsSOA, 9, 9, 9, 9, 1, 2),
		"type 33 0000000000000801": dnsRecord(1, 2, dnsSRV, 0, 0, 0, 0, 0, 0, 8, 1),
	} {
		raw, err := hex.DecodeString(strings.TrimPrefix(data, "hex:"))
		require.NoError(t, err)
		require.Equal(t, want+" ttl 900", dnsValue(raw).shown)
	}
	require.Equal(t, "0x0102", dnsValue([]byte{1, 2}).shown)
}

// FuzzValues: whatever a value holds, it is compared alike from both sides and a value does
// not differ from itself.
func FuzzValues(f *testing.F) {
	raw := func(text string) []byte {
		data, err := hex.DecodeString(strings.TrimPrefix(text, "hex:"))
		require.NoError(f, err)
		return data
	}
	for i := range byte(5) {
		f.Add(i, raw(dnsRecord(1, 2, dnsSRV, 0, 0, 0, 0, 0, 0, 8, 1)), raw(descriptorOf(0, 0x10, 3)))
		f.Add(i, []byte("512"), []byte("B:4:0102:CN=a,DC=x"))
	}
	names := []string{"dnsRecord", "nTSecurityDescriptor", "objectSid", "userAccountControl", "member"}
	f.Fuzz(func(t *testing.T, which byte, x, y []byte) {
		name := names[int(which)%len(names)]
		make := func(v []byte) *record.Record {
			r := object("CN=a,"+base, name+"=x")
			for i := range r.Attributes {
				if r.Attributes[i].Name == name {
					r.Attributes[i].Values = [][]byte{v}
					if name == "member" {
						r.Attributes[i].Targets = []string{[]string{"", guid(len(v))}[len(v)%2]}
					}
				}
			}
			return r
		}
		p := comparer(t).Compare(make(x), make(x))
		require.False(t, p.Found())
		requireMirrored(t, make(x), make(y))
	})
}
