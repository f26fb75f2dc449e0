package lab

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"unicode/utf16"
)

// ldif builds LDIF (RFC 2849) with every value in base64, so that no value needs a
// second thought.
type ldif struct{ strings.Builder }

func (l *ldif) entry(dn string, attributes ...any) {
	fmt.Fprintf(l, "dn:: %s\n", base64.StdEncoding.EncodeToString([]byte(dn)))
	for i := 0; i < len(attributes); i += 2 {
		switch v := attributes[i+1].(type) {
		case string:
			l.value(attributes[i].(string), []byte(v))
		case []byte:
			l.value(attributes[i].(string), v)
		case []string:
			for _, s := range v {
				l.value(attributes[i].(string), []byte(s))
			}
		}
	}
	l.WriteByte('\n')
}

func (l *ldif) value(name string, value []byte) {
	fmt.Fprintf(l, "%s:: %s\n", name, base64.StdEncoding.EncodeToString(value))
}

// groupMembers is how many members the large group has: more than a domain
// controller gives in one answer (1,500).
const groupMembers = 1600

// content is the directory that a seed stands for.
type content struct {
	adds    string   // LDIF of new objects
	doomed  []string // DNs that are deleted after they were added
	service string   // sAMAccountName of the backup's account
}

var (
	firstNames = []string{"Ana", "Björn", "Chloé", "Dmitri", "Eszter", "Fatima", "Günther", "Håkon", "Ingrid", "José", "Kōji", "Łukasz", "Mária", "Niamh", "Ólafur", "Παύλος", "Renée", "Søren", "Tomáš", "王伟"}
	lastNames  = []string{"Ångström", "Brøndum", "Castañeda", "Dvořák", "Éluard", "Fernández", "Groß", "Hašek", "Ionescu", "Jørgensen", "Kowalski", "Lindström", "Müller", "Nowak", "O'Brien", "Petrović", "Queiroz", "Rossi", "Şahin", "Tanaka"}
)

// fill makes the content for a domain.
func fill(baseDN, realm string, seed int64, users int, servicePassword string, caCertificate []byte) content {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	var l ldif
	c := content{service: "svc-infrabackup"}
	domain := strings.ToLower(realm)
	root := "OU=Cloud," + baseDN
	l.entry(root, "objectClass", "organizationalUnit", "description", " leading blank is part of the value")
	for _, ou := range []string{"Operators", "Computers", "Contacts", "Groups", "Doomed"} {
		l.entry("OU="+ou+","+root, "objectClass", "organizationalUnit")
	}
	l.entry("CN=svc-infrabackup,CN=Users,"+baseDN, "objectClass", "user", "sAMAccountName", c.service,
		"userPrincipalName", c.service+"@"+domain, "userAccountControl", "66048", "unicodePwd", unicodePassword(servicePassword))
	var members []string
	for i := range users {
		first, last := firstNames[r.IntN(len(firstNames))], lastNames[r.IntN(len(lastNames))]
		dn := fmt.Sprintf("CN=%s %s %d,OU=Operators,%s", first, last, i, root)
		attributes := []any{"objectClass", "user", "sAMAccountName", fmt.Sprintf("user%05d", i), "givenName", first, "sn", last,
			"displayName", first + " " + last, "userPrincipalName", fmt.Sprintf("user%05d@%s", i, domain), "userAccountControl", "514"}
		switch i % 10 {
		case 0:
			attributes = append(attributes, "jpegPhoto", noise(r, 1000+r.IntN(4000)))
		case 1:
			attributes = append(attributes, "description", "  two leading and two trailing blanks  ")
		case 2:
			attributes = append(attributes, "logonHours", noise(r, 21))
		case 3:
			attributes = append(attributes, "userCertificate", caCertificate)
		case 4:
			attributes = append(attributes, "info", strings.Repeat("long text, ", 90))
		case 5:
			attributes = append(attributes, "otherTelephone", []string{"+1 555 0100", "+1 555 0101", ":starts with a colon", "<starts with an angle"})
		}
		l.entry(dn, attributes...)
		members = append(members, dn)
	}
	for i := range max(0, groupMembers-users) {
		dn := fmt.Sprintf("CN=contact %05d,OU=Contacts,%s", i, root)
		l.entry(dn, "objectClass", "contact", "mail", fmt.Sprintf("contact%05d@partner.test", i))
		members = append(members, dn)
	}
	for i := range 20 {
		l.entry(fmt.Sprintf("CN=HOST%02d,OU=Computers,%s", i, root), "objectClass", "computer",
			"sAMAccountName", fmt.Sprintf("HOST%02d$", i), "userAccountControl", "4096", "dNSHostName", fmt.Sprintf("host%02d.%s", i, domain))
	}
	groups(&l, root, members)
	policies(&l, baseDN, domain)
	records(&l, baseDN, domain)
	certificateServices(&l, baseDN, caCertificate)
	for i := range 15 {
		dn := fmt.Sprintf("CN=gone %02d,OU=Doomed,%s", i, root)
		l.entry(dn, "objectClass", "user", "sAMAccountName", fmt.Sprintf("gone%02d", i), "userAccountControl", "514", "description", "deleted by the lab")
		c.doomed = append(c.doomed, dn)
	}
	c.adds = l.String()
	return c
}

// groups makes one group beyond the range limit, and a chain of nested ones.
func groups(l *ldif, root string, members []string) {
	l.entry("CN=Everybody,OU=Groups,"+root, "objectClass", "group", "sAMAccountName", "Everybody", "member", members)
	inner := "CN=Everybody,OU=Groups," + root
	for i := range 5 {
		dn := fmt.Sprintf("CN=Level %d,OU=Groups,%s", i, root)
		l.entry(dn, "objectClass", "group", "sAMAccountName", fmt.Sprintf("Level%d", i), "member", []string{inner, members[i]})
		inner = dn
	}
}

// policyIDs are the lab's own group policies.
var policyIDs = []string{"{0A1B2C3D-0000-4000-8000-000000000001}", "{0A1B2C3D-0000-4000-8000-000000000002}"}

const policyVersion = 65537 // user version 1, machine version 1

func policies(l *ldif, baseDN, domain string) {
	for i, id := range policyIDs {
		dn := "CN=" + id + ",CN=Policies,CN=System," + baseDN
		l.entry(dn, "objectClass", "groupPolicyContainer", "displayName", fmt.Sprintf("Lab policy %d", i),
			"gPCFileSysPath", `\\`+domain+`\sysvol\`+domain+`\Policies\`+id, "gPCFunctionalityVersion", "2", "flags", "0",
			"versionNumber", fmt.Sprint(policyVersion))
		l.entry("CN=Machine,"+dn, "objectClass", "container")
		l.entry("CN=User,"+dn, "objectClass", "container")
	}
}

// records adds address records to the domain's zone.
func records(l *ldif, baseDN, domain string) {
	zone := "DC=" + domain + ",CN=MicrosoftDNS,DC=DomainDnsZones," + baseDN
	for i := range 30 {
		name := fmt.Sprintf("node%02d", i)
		l.entry("DC="+name+","+zone, "objectClass", "dnsNode", "dnsRecord", addressRecord(10, 0, 0, byte(i+1)))
	}
}

// addressRecord is a DNS_RPC_RECORD of type A (MS-DNSP 2.2.2.2.5, dnsRecord form).
func addressRecord(a, b, c, d byte) []byte {
	record := make([]byte, 24, 28)
	binary.LittleEndian.PutUint16(record[0:], 4) // data length
	binary.LittleEndian.PutUint16(record[2:], 1) // type A
	record[4], record[5] = 5, 0xf0               // version, rank: zone
	binary.LittleEndian.PutUint32(record[8:], 1) // serial
	binary.BigEndian.PutUint32(record[12:], 900) // time to live
	return append(record, a, b, c, d)
}

// certificateServices adds what AD CS keeps in the configuration partition; the
// containers are there in every new domain.
func certificateServices(l *ldif, baseDN string, caCertificate []byte) {
	services := "CN=Services,CN=Configuration," + baseDN
	pki := "CN=Public Key Services," + services
	for _, place := range []string{"AIA", "Certification Authorities"} {
		l.entry("CN=Lab CA,CN="+place+","+pki, "objectClass", "certificationAuthority", "cACertificate", caCertificate,
			"authorityRevocationList", []byte{0}, "certificateRevocationList", []byte{0})
	}
	l.entry("CN=NTAuthCertificates,"+pki, "objectClass", "certificationAuthority", "cACertificate", caCertificate,
		"authorityRevocationList", []byte{0}, "certificateRevocationList", []byte{0})
	l.entry("CN=Lab CA,CN=Enrollment Services,"+pki, "objectClass", "pKIEnrollmentService", "cACertificate", caCertificate,
		"cACertificateDN", "CN=Lab CA", "certificateTemplates", []string{"WebServer", "SubCA"}, "dNSHostName", "ca.lab.test", "flags", "10")
	l.entry("CN=WebServer,CN=Certificate Templates,"+pki, "objectClass", "pKICertificateTemplate", "displayName", "Web Server",
		"flags", "66113", "revision", "4", "pKIDefaultKeySpec", "1")
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// unicodePassword is a value of unicodePwd: quoted, UTF-16 little endian (MS-ADTS
// 3.1.1.3.1.5).
func unicodePassword(password string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}
