package dnsrecord

import (
	"slices"
	"strings"

	"infrabackup/internal/collect/ad/record"
)

// zonesHead stands in the names of all zones, in a partition of their own or in the domain.
const zonesHead = ",cn=microsoftdns,"

// Of reports whether objects of a class are zones or nodes of one.
func Of(class string) bool {
	return strings.EqualFold(class, "dnsZone") || strings.EqualFold(class, "dnsNode")
}

// Place is what an object's name is in DNS: its node, empty for a zone, and its zone, in lower case.
func Place(dn string) (node, zone string, ok bool) {
	low := strings.ToLower(dn)
	at := strings.Index(low, zonesHead)
	if at < 0 {
		return "", "", false
	}
	first, rest := record.SplitDN(low[:at])
	_, last, _ := strings.Cut(first, "=")
	if rest == "" {
		return "", last, true
	}
	_, zone, _ = strings.Cut(rest, "=")
	return last, zone, true
}

// Domain is the DNS name of the domain of a naming context, which can be a partition for DNS.
func Domain(context string) string {
	low := strings.ToLower(context)
	low = strings.TrimPrefix(strings.TrimPrefix(low, "dc=domaindnszones,"), "dc=forestdnszones,")
	return strings.ReplaceAll(strings.TrimPrefix(low, "dc="), ",dc=", ".")
}

// Locators are first labels of names by which controllers are found (MS-ADTS 6.3.2.3), and last
// ones of names below which only such are.
var (
	locators = []string{"_ldap", "_kerberos", "_kpasswd", "_gc"}
	roots    = []string{"_msdcs", "domaindnszones", "forestdnszones", "_sites"}
)

// ServersOwn says why a zone or node is left to the servers that write it by themselves, "" for
// one that is not. Controllers tells the names of domain controllers.
func ServersOwn(dn, context string, isController func(host string) bool) string {
	node, zone, _ := Place(dn)
	labels := strings.Split(node, ".")
	switch {
	case zone == "rootdnsservers" || strings.HasPrefix(zone, ".."):
		return "every DNS server has it by itself"
	case zone == "_msdcs" || strings.HasPrefix(zone, "_msdcs."):
		return "domain controllers write their own records there"
	case node == "":
	case slices.Contains(locators, labels[0]), slices.Contains(roots, labels[len(labels)-1]), node == "_tcp", node == "_udp":
		return "domain controllers write by themselves how they are found"
	case isController(node) && zone == Domain(context):
		return "it is the address of a domain controller, which writes it by itself"
	}
	return ""
}

// Wanted are the values of a node that are brought back, and why others are not. Those of the zone
// itself are the servers': its serial must not go back, and they know who they are.
func Wanted(dn, context string, values [][]byte) (wanted [][]byte, why []string) {
	const own = "DNS servers write SOA, NS and the domain's own addresses by themselves"
	node, zone, _ := Place(dn)
	for _, value := range values {
		r, err := Parse(value)
		switch {
		case err != nil:
			why = append(why, "a record of it cannot be read, and is not written: "+err.Error())
			continue
		case r.Type == Tombstone:
			continue
		case node != "@":
		case r.Type == SOA, r.Type == NS, zone == Domain(context) && (r.Type == A || r.Type == AAAA):
			if !slices.Contains(why, own) {
				why = append(why, own)
			}
			continue
		}
		wanted = append(wanted, value)
	}
	return wanted, why
}
