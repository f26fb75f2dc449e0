package directory

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/dnsrecord"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
	"infrabackup/internal/restore/restoretest"
)

// dnsValue makes a value of dnsRecord.
func dnsValue(kind uint16, serial byte, data string) string {
	raw := make([]byte, 24)
	binary.LittleEndian.PutUint16(raw, uint16(len(data)))
	binary.LittleEndian.PutUint16(raw[2:], kind)
	raw[4], raw[5], raw[8], raw[14] = 5, 240, serial, 14
	return string(raw) + data
}

const (
	nameWeb  = "\x0e\x03\x03web\x03azs\x04test\x00"
	nameMail = "\x0f\x03\x04mail\x03azs\x04test\x00"
)

// TestLabDNS: zones and their records come back, what came later stays, and an undo leaves what
// was there.
func TestLabDNS(t *testing.T) {
	d := useDC(t)
	above := "CN=MicrosoftDNS,DC=DomainDnsZones," + d.domain
	zone := "DC=far.example," + above
	d.remove(t, zone)
	t.Cleanup(func() { d.remove(t, zone) })
	d.add(t, zone, "objectClass", "dnsZone")
	d.add(t, "DC=@,"+zone, "objectClass", "dnsNode", "dnsRecord", dnsValue(dnsrecord.SOA, 1, "12345678901234567890"+nameWeb+nameMail), "dnsRecord", dnsValue(15, 1, "\x00\x0a"+nameMail))
	d.add(t, "DC=www,"+zone, "objectClass", "dnsNode", "dnsRecord", dnsValue(dnsrecord.A, 1, "\x0a\x00\x00\x01"))
	d.add(t, "DC=alias,"+zone, "objectClass", "dnsNode", "dnsRecord", dnsValue(dnsrecord.CNAME, 1, nameWeb))
	d.add(t, "DC=gone,"+zone, "objectClass", "dnsNode", "dNSTombstoned", "TRUE", "dnsRecord", dnsValue(0, 1, "12345678"))
	backup := d.capture(t, zone)
	r := d.restorer(t)
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})), "nothing moved yet")

	d.modify(t, "DC=www,"+zone, func(m *ldap.ModifyRequest) {
		m.Replace("dnsRecord", []string{dnsValue(dnsrecord.A, 9, "\x0a\x00\x00\x02")})
	})
	d.modify(t, "DC=@,"+zone, func(m *ldap.ModifyRequest) {
		m.Replace("dnsRecord", []string{dnsValue(dnsrecord.SOA, 9, "22345678901234567890"+nameWeb+nameMail), dnsValue(15, 9, "\x00\x0a"+nameMail)})
	})
	d.modify(t, "DC=alias,"+zone, func(m *ldap.ModifyRequest) {
		m.Replace("dnsRecord", []string{dnsValue(dnsrecord.CNAME, 1, nameMail)})
	})
	before := d.dump(t, zone)
	p, j := labPlan(t, r, backup.source(), restore.Selection{}), &restoretest.Journal{}
	require.Empty(t, p.Refusals)
	require.Equal(t, map[string]restore.Action{"DC=www ": restore.Update, "DC=alias ": restore.Update}, writes(p), "a serial is no difference, and SOA is the server's")
	labApply(t, r, backup.source(), p, j, nil)
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})))
	require.Len(t, d.values(t, "DC=www,"+zone, dnsRecord), 2, "what came later stays")
	require.Equal(t, []string{dnsValue(dnsrecord.CNAME, 1, nameWeb)}, d.values(t, "DC=alias,"+zone, dnsRecord), "a name has one")
	undo, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	labApply(t, r, backup.source(), undo, &restoretest.Journal{}, j)
	require.Equal(t, before, d.dump(t, zone))

	d.remove(t, zone)
	p, j = labPlan(t, r, backup.elsewhere().source(), restore.Selection{}), &restoretest.Journal{}
	require.Empty(t, p.Refusals)
	labApply(t, r, backup.elsewhere().source(), p, j, nil)
	require.Equal(t, []string{dnsValue(dnsrecord.A, 1, "\x0a\x00\x00\x01")}, d.values(t, "DC=www,"+zone, dnsRecord))
	require.Len(t, d.values(t, "DC=@,"+zone, dnsRecord), 1)
	require.Empty(t, writes(labPlan(t, r, backup.elsewhere().source(), restore.Selection{})))
	undo, err = restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	labApply(t, r, backup.elsewhere().source(), undo, &restoretest.Journal{}, j)
	require.Equal(t, "none", d.dump(t, zone))

	// Of the domain's own partitions nothing is written that servers write by themselves.
	own := d.capture(t, "DC=DomainDnsZones,"+d.domain)
	own.records = append(own.records, d.capture(t, "OU=Domain Controllers,"+d.domain).records...)
	p = labPlan(t, r, own.source(), restore.Selection{})
	require.Empty(t, writes(p))
	require.Empty(t, p.Refusals)
	require.NotEmpty(t, p.Losses)
}

func (d *realDC) values(t *testing.T, dn, name string) []string {
	t.Helper()
	found, err := d.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{name}, nil))
	require.NoError(t, err, dn)
	return found.Entries[0].GetAttributeValues(name)
}

// TestDNSIntoAnotherDomain: names inside of records are the target's, or refused where they cannot
// be.
func TestDNSIntoAnotherDomain(t *testing.T) {
	m, err := mapping.For(farSite())
	require.NoError(t, err)
	node := func(value string) restore.Want {
		rec := newRecord("DC=alias,DC=azs.test,CN=MicrosoftDNS,DC=DomainDnsZones,DC=azs,DC=test", guidUser, "objectClass", "top", "objectClass", "dnsNode", "dnsRecord", value)
		rec.NamingContext = "DC=DomainDnsZones,DC=azs,DC=test"
		wants, _, err := offline().Wants([]restore.Item{item(rec)}, m)
		require.NoError(t, err)
		return wants[0]
	}
	scan := residual.New(farSite())
	want := node(dnsValue(dnsrecord.CNAME, 1, nameWeb))
	sent, err := offline().Sent(want, m)
	require.NoError(t, err)
	require.Empty(t, scan.Find(sent), "%s", sent)
	b, err := decodeBody(want.Body)
	require.NoError(t, err)
	require.Equal(t, "DC=alias,DC=corp.example,CN=MicrosoftDNS,DC=DomainDnsZones,DC=corp,DC=example", b.DN)
	require.Equal(t, []string{"web.corp.example"}, dnsrecord.Texts(b.Attributes[1].Values[0]))

	hidden := node(dnsValue(999, 1, "in azs.test"))
	sent, err = offline().Sent(hidden, m)
	require.NoError(t, err)
	require.NotEmpty(t, scan.Find(sent))
}

// TestAddressesOfControllers: those of the backup's and of the target's controllers are theirs.
func TestAddressesOfControllers(t *testing.T) {
	const zone = "DC=corp.example,CN=MicrosoftDNS,DC=DomainDnsZones," + corp
	f := newFakeDC()
	f.put("OU=Domain Controllers,"+corp, "objectClass", "organizationalUnit")
	f.put("CN=DC9,OU=Domain Controllers,"+corp, "objectClass", "computer")
	f.put(zone, "objectClass", "dnsZone")
	r := f.restorer(t)
	r.Names(item(newRecord("CN=DC1,OU=Domain Controllers,"+corp, guidBoss, "objectClass", "computer")).CatalogEntry)
	node := func(name string) *record.Record {
		rec := newRecord("DC="+name+","+zone, guidUser, "objectClass", "dnsNode", "dnsRecord", dnsValue(dnsrecord.A, 1, "1234"))
		rec.NamingContext = "DC=DomainDnsZones," + corp
		return rec
	}
	wants, losses := wantsOf(t, r, node("dc1"))
	require.Empty(t, wants)
	require.Equal(t, lossServersDNS, losses[0].Code)
	wants, _ = wantsOf(t, r, node("dc9"))
	live, err := r.Live(t.Context(), wants[phaseObject], mapping.Empty())
	require.NoError(t, err)
	require.Equal(t, refusedServers, r.Verdict(wants[phaseObject], live, mapping.Empty()).Refused.Code)
	wants, _ = wantsOf(t, r, node("www"))
	before, after := bring(t, r, wants[phaseObject], mapping.Empty())
	_, o := f.find(node("www").DN)
	require.Equal(t, []string{dnsValue(dnsrecord.A, 1, "1234")}, o.values["dnsrecord"])
	back(t, r, wants[phaseObject], before, after)
	_, o = f.find(node("www").DN)
	require.Nil(t, o)
}

// TestUndoOfRefreshedRecords: a server that wrote another serial, or another hour, into a record that
// was brought back does not keep it from being taken away.
func TestUndoOfRefreshedRecords(t *testing.T) {
	const zone = "DC=corp.example,CN=MicrosoftDNS,DC=DomainDnsZones," + corp
	f := newFakeDC()
	f.put(zone, "objectClass", "dnsZone")
	later := dnsValue(dnsrecord.A, 1, "5678")
	f.put("DC=www,"+zone, "objectClass", "dnsNode", "dnsRecord", later)
	rec := newRecord("DC=www,"+zone, guidUser, "objectClass", "dnsNode", "dnsRecord", dnsValue(dnsrecord.A, 1, "1234"))
	rec.NamingContext = "DC=DomainDnsZones," + corp
	r := f.restorer(t)
	wants, _ := wantsOf(t, r, rec)
	before, after := bring(t, r, wants[phaseObject], mapping.Empty())
	_, o := f.find("DC=www," + zone)
	require.Len(t, o.values["dnsrecord"], 2)
	o.values["dnsrecord"] = []string{dnsValue(dnsrecord.A, 9, "5678"), dnsValue(dnsrecord.A, 9, "1234")}
	back(t, r, wants[phaseObject], before, after)
	require.Equal(t, []string{dnsValue(dnsrecord.A, 9, "5678")}, o.values["dnsrecord"])
}
