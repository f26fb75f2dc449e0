package dnsrecord

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	partition = "DC=DomainDnsZones,DC=corp,DC=example"
	zone      = "DC=corp.example,CN=MicrosoftDNS," + partition
)

func TestPlace(t *testing.T) {
	for dn, want := range map[string][2]string{
		zone:             {"", "corp.example"},
		"DC=www," + zone: {"www", "corp.example"},
		"DC=a.B," + zone: {"a.b", "corp.example"},
		"DC=@,DC=x.y,CN=MicrosoftDNS,CN=System,DC=corp,DC=example": {"@", "x.y"},
	} {
		node, zone, ok := Place(dn)
		require.True(t, ok, dn)
		require.Equal(t, want, [2]string{node, zone}, dn)
	}
	_, _, ok := Place("CN=MicrosoftDNS," + partition)
	require.False(t, ok)
	require.Equal(t, "corp.example", Domain(partition))
	require.Equal(t, "corp.example", Domain("DC=ForestDnsZones,DC=corp,DC=example"))
	require.Equal(t, "corp.example", Domain("DC=corp,DC=example"))
}

// TestServersOwn: what controllers write by themselves is left to them, and nothing else.
func TestServersOwn(t *testing.T) {
	for dn, own := range map[string]bool{
		zone: false, "DC=www," + zone: false, "DC=_sip._tcp," + zone: false, "DC=@," + zone: false, "DC=dc1,DC=other.example,CN=MicrosoftDNS," + partition: false,
		"DC=dc1," + zone: true, "DC=DomainDnsZones," + zone: true, "DC=_msdcs," + zone: true, "DC=_ldap._tcp," + zone: true, "DC=_kerberos._udp.Default-First-Site-Name._sites," + zone: true,
		"DC=_ldap._tcp.ForestDnsZones," + zone: true, "DC=x,DC=_msdcs.corp.example,CN=MicrosoftDNS," + partition: true, "DC=_msdcs.corp.example,CN=MicrosoftDNS," + partition: true,
		"DC=RootDNSServers,CN=MicrosoftDNS," + partition: true, "DC=..TrustAnchors,CN=MicrosoftDNS," + partition: true, "DC=_tcp," + zone: true,
	} {
		why := ServersOwn(dn, partition, func(host string) bool { return host == "dc1" })
		require.Equal(t, own, why != "", "%s: %s", dn, why)
	}
}

func TestWanted(t *testing.T) {
	a, ns, soa, mx := value(A, "1234"), value(NS, counted), value(SOA, "12345678901234567890"+counted+counted), value(15, "\x00\x0a"+counted)
	wanted, why := Wanted("DC=@,"+zone, partition, [][]byte{a, ns, soa, mx})
	require.Equal(t, [][]byte{mx}, wanted)
	require.Len(t, why, 1)
	wanted, _ = Wanted("DC=@,DC=other.example,CN=MicrosoftDNS,"+partition, partition, [][]byte{a, ns, soa, mx})
	require.Equal(t, [][]byte{a, mx}, wanted)
	wanted, why = Wanted("DC=sub,"+zone, partition, [][]byte{a, ns, value(Tombstone, "12345678")})
	require.Equal(t, [][]byte{a, ns}, wanted, "a delegation is no record of the zone's own servers")
	require.Empty(t, why)
	wanted, why = Wanted("DC=www,"+zone, partition, [][]byte{[]byte("junk")})
	require.Empty(t, wanted)
	require.Len(t, why, 1)
}

func TestValues(t *testing.T) {
	a, moved, other := value(A, "1234"), value(A, "1234"), value(A, "5678")
	moved[8], moved[20] = 1, 1
	require.Empty(t, Missing([][]byte{a}, [][]byte{moved, other}))
	require.Equal(t, [][]byte{a}, Missing([][]byte{a}, [][]byte{other}))
	require.Empty(t, InTheWay([][]byte{a}, [][]byte{other}), "what came later stays")
	gone, alias, alias2 := value(Tombstone, "12345678"), value(CNAME, counted), value(CNAME, "\x05\x01\x03web\x00")
	require.Equal(t, [][]byte{gone}, InTheWay([][]byte{a}, [][]byte{gone, other}))
	require.Equal(t, [][]byte{alias}, InTheWay([][]byte{alias2}, [][]byte{alias}))
	require.Empty(t, InTheWay(nil, [][]byte{gone, alias}))
	require.Equal(t, [][]byte{[]byte("junk"), alias}, Renamed([][]byte{[]byte("junk"), alias}, func(s string) string { return s }))
	require.Equal(t, []string{"web.azs.test"}, Texts(alias))
	require.Nil(t, Texts([]byte("junk")))
	require.Equal(t, []byte("junk"), Key([]byte("junk")))
}
