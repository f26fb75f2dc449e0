package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/config"
	"infrabackup/internal/diff/descriptor"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/residual"
	"infrabackup/internal/secret"
	"infrabackup/internal/share"
	"infrabackup/internal/share/smb"
	"infrabackup/tests/lab"
	"infrabackup/tests/tier"
)

// recovered is a domain of a test's own, as Samba makes it.
type recovered struct {
	*lab.Domain
	t       *testing.T
	url     string
	base    string
	sid     string
	netbios string
	conn    *ldap.Conn
}

// newRecovered starts one and logs in.
func newRecovered(t *testing.T, address, short string) *recovered {
	t.Helper()
	realm := short + ".EXAMPLE.NET"
	domain, err := lab.StartDomain(t.Context(), lab.DomainOptions{Dir: lab.PublicDir(t), Address: address, Realm: realm, Short: short, Host: "dc-" + strings.ToLower(short), User: "svc-recovery", Restored: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, domain.Stop(context.WithoutCancel(t.Context()))) })
	d := &recovered{Domain: domain, t: t, url: "ldaps://" + address, base: "DC=" + strings.ToLower(short) + ",DC=example,DC=net", netbios: short}
	pem, err := os.ReadFile(domain.OwnCA())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	d.conn, err = ldap.DialURL(d.url, ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.conn.Close()) })
	require.NoError(t, d.conn.Bind(domain.Account(), domain.Password()))
	d.sid = strings.ToUpper(d.sidOf(d.base))
	return d
}

// configuration is the domain as a source or a target has it.
func (d *recovered) configuration(o *operator, name string) string {
	o.write(name+".password", d.Password()+"\n")
	return fmt.Sprintf("{url: %s, caFile: %s, username: %s, passwordFile: %s, sysvol: true}", d.url, d.OwnCA(), d.Account(), o.file(name+".password"))
}

func (d *recovered) search(base, filter string, attributes ...string) []*ldap.Entry {
	d.t.Helper()
	rights := ldap.NewControlString("1.2.840.113556.1.4.801", true, "\x30\x03\x02\x01\x07")
	found, err := d.conn.SearchWithPaging(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, []ldap.Control{rights}), 500)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	require.NoError(d.t, err, "%s %s", base, filter)
	return found.Entries
}

func (d *recovered) one(dn string, attributes ...string) *ldap.Entry {
	d.t.Helper()
	found := d.search(dn, "(distinguishedName="+ldap.EscapeFilter(dn)+")", attributes...)
	require.Len(d.t, found, 1, dn)
	return found[0]
}

func (d *recovered) sidOf(dn string) string {
	d.t.Helper()
	sid, ok := record.FormatSID(d.one(dn, "objectSid").GetRawAttributeValue("objectSid"))
	require.True(d.t, ok)
	return sid
}

func (d *recovered) add(dn string, pairs ...string) {
	d.t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for i := 0; i < len(pairs); i += 2 {
		request.Attribute(pairs[i], strings.Split(pairs[i+1], "|"))
	}
	require.NoError(d.t, d.conn.Add(request), dn)
}

func (d *recovered) replace(dn, name, value string, controls ...ldap.Control) {
	d.t.Helper()
	request := ldap.NewModifyRequest(dn, controls)
	request.Replace(name, []string{value})
	require.NoError(d.t, d.conn.Modify(request), dn)
}

func (d *recovered) rights(dn string) *descriptor.Descriptor {
	d.t.Helper()
	s, err := descriptor.Parse(d.one(dn, "nTSecurityDescriptor").GetRawAttributeValue("nTSecurityDescriptor"))
	require.NoError(d.t, err)
	return s.Own()
}

const gptINI = "[General]\r\nVersion=1\r\n"

// tree connects to the domain's SYSVOL.
func (d *recovered) tree() *smb.Tree {
	d.t.Helper()
	tree, err := smb.OpenTree(d.t.Context(), smb.Config{UNC: share.UNC{Host: strings.TrimPrefix(d.url, "ldaps://"), Share: "SYSVOL"}, Username: d.Account(), Password: secret.New(d.Password()), Transport: share.Signed})
	require.NoError(d.t, err)
	return tree
}

// fill makes people, a group that is the first one of one of them, and rights that name it.
func (d *recovered) fill(users int) {
	ou := "OU=People," + d.base
	d.add(ou, "objectClass", "organizationalUnit", "description", "people of "+strings.ToLower(d.netbios)+".example.net")
	d.add("CN=Staff,"+ou, "objectClass", "group", "sAMAccountName", "staff")
	for i := range users {
		dn := fmt.Sprintf(`CN=Person\, %d,%s`, i, ou)
		d.add(dn, "objectClass", "user", "sAMAccountName", fmt.Sprintf("person%d", i), "userPrincipalName", fmt.Sprintf("person%d@%s.example.net", i, strings.ToLower(d.netbios)), "userAccountControl", "514")
		request := ldap.NewModifyRequest("CN=Staff,"+ou, nil)
		request.Add("member", []string{dn})
		require.NoError(d.t, d.conn.Modify(request))
	}
	first := `CN=Person\, 0,` + ou
	staff := d.sidOf("CN=Staff," + ou)
	d.replace(first, "primaryGroupID", staff[strings.LastIndexByte(staff, '-')+1:])
	leave := ldap.NewModifyRequest("CN=Domain Users,CN=Users,"+d.base, nil)
	leave.Delete("member", []string{first})
	require.NoError(d.t, d.conn.Modify(leave))
	s := d.rights(ou)
	s.DACL.Entries = append(s.DACL.Entries, descriptor.Entry{Flags: 2, Mask: 0x10, SID: staff})
	raw, err := s.Encode()
	require.NoError(d.t, err)
	d.replace(ou, "nTSecurityDescriptor", string(raw), ldap.NewControlString("1.2.840.113556.1.4.801", true, "\x30\x03\x02\x01\x07"))
	const policy = "{0A1B2C3D-0000-4000-8000-00000000F00D}"
	dns := strings.ToLower(d.netbios) + ".example.net"
	tree := d.tree()
	defer func() { require.NoError(d.t, tree.Close()) }()
	require.NoError(d.t, tree.MakeFolder(d.t.Context(), dns+"/Policies/"+policy))
	require.NoError(d.t, tree.WriteFile(d.t.Context(), dns+"/Policies/"+policy+"/GPT.INI", []byte(gptINI)))
	d.add("CN="+policy+",CN=Policies,CN=System,"+d.base, "objectClass", "groupPolicyContainer", "displayName", "of "+dns, "versionNumber", "1", "gPCFileSysPath", `\\`+dns+`\SysVol\`+dns+`\Policies\`+policy)
	d.replace(ou, "gPLink", "[LDAP://cn="+policy+",cn=policies,cn=system,"+d.base+";0]")
	zone := "DC=app.example,CN=MicrosoftDNS,DC=DomainDnsZones," + d.base
	d.add(zone, "objectClass", "dnsZone")
	name := strings.ToLower(d.netbios)
	target := string([]byte{byte(len(name))}) + name + "\x07example\x03net\x00"
	data := string([]byte{byte(len(target)), 3}) + target
	d.add("DC=www,"+zone, "objectClass", "dnsNode", "dnsRecord", string([]byte{byte(len(data)), 0, 5, 0, 5, 240, 0, 0, 1, 0, 0, 0, 0, 0, 14, 16, 0, 0, 0, 0, 0, 0, 0, 0})+data)
}

// TestRecoverDirectory backs a domain up and brings it back into a fresh one with other names,
// command by command: nothing is left that the plan does not list, no name of the source is in the
// target, and undo leaves the fresh domain.
func TestRecoverDirectory(t *testing.T) {
	t.Parallel()
	lab.Require(t)
	west := newRecovered(t, "127.0.0.23", "WEST")
	west.fill(tier.Size(2, 5, 400))
	o := newOperatorWith(t, func(lab.Environment) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "password"), []byte(west.Password()+"\n"), 0o600))
		return fmt.Sprintf("  ad: {url: %s, caFile: %s, username: %s, passwordFile: %s}\n", west.url, west.OwnCA(), west.Account(), filepath.Join(dir, "password"))
	})
	into[map[string]any](t, o.enable(nil))
	done := o.backUp()

	south := newRecovered(t, "127.0.0.24", "SOUTH")
	const ownID = "66666666-2222-4333-8444-555555555555"
	o.write("south.yaml", "name: south\nfqdn: cloud.south.test\ndeploymentId: "+ownID+"\nad: "+south.configuration(o, "south")+"\n")
	common := []string{"--identity", o.file("operator.key"), "--state", o.file("restores"), "--target", o.file("south.yaml"), "--from", o.env["LAB_SHARE_DIR"], "-o", "json"}
	run := func(verb string, args ...string) answer {
		return o.run(append(append([]string{"recover", verb}, common...), args...)...)
	}
	a := run("plan", string(done.BackupID), "--service", "AD", "--write-map", o.file("south.map"))
	require.Zero(t, a.code, a.stderr)
	o.write("south.map", strings.Replace(readAll(t, o.file("south.map")), `netbios: ""`, `netbios: "SOUTH"`, 1))
	site, err := config.LoadMap(o.file("south.map"))
	require.NoError(t, err)

	type shown struct {
		PlanID string
		Counts struct{ Create, Update, Undelete int }
	}
	plan := func(name string) (s shown) {
		t.Helper()
		a := run("plan", string(done.BackupID), "--service", "AD", "--map", o.file("south.map"), "--plan", o.file(name))
		require.Zero(t, a.code, a.stderr)
		require.NoError(t, json.Unmarshal([]byte(a.stdout), &s))
		return s
	}
	before := south.state()
	first := plan("first.plan")
	require.Positive(t, first.Counts.Create)
	listed := into[struct {
		Refused []restore.Refusal
		Lost    []restore.Loss
	}](t, o.run("recover", "show", o.file("first.plan"), "--identity", o.file("operator.key"), "-o", "json"))
	require.Len(t, listed.Refused, 1, "%+v", listed.Refused)
	require.Equal(t, "BUILT_IN", listed.Refused[0].Code, "the source's own controller")
	for _, l := range listed.Lost {
		require.Contains(t, []string{"IDENTITY", "NOT_YET", "PASSWORD", "SCHEMA", "SERVERS_OWN", "SYSTEM_CLASS"}, l.Code, "%+v", l)
	}
	require.Equal(t, before, south.state(), "a plan changes nothing")
	applied := into[struct{ Totals restore.Totals }](t, run("apply", o.file("first.plan"), "--yes", "--irreversible", "all"))
	require.True(t, applied.Totals.Whole(), "%+v", applied)

	ou := "OU=People," + south.base
	staff := south.sidOf("CN=Staff," + ou)
	person := south.one(`CN=Person\, 0,`+ou, "primaryGroupID", "userPrincipalName", "memberOf")
	require.Equal(t, staff[strings.LastIndexByte(staff, '-')+1:], person.GetAttributeValue("primaryGroupID"))
	require.Empty(t, person.GetAttributeValues("memberOf"))
	require.Equal(t, "person0@south.example.net", person.GetAttributeValue("userPrincipalName"))
	require.True(t, slices.ContainsFunc(south.rights(ou).DACL.Entries, func(e descriptor.Entry) bool { return e.SID == staff && e.Mask == 0x10 && e.Flags == 2 }))
	require.Contains(t, string(south.one("DC=www,DC=app.example,CN=MicrosoftDNS,DC=DomainDnsZones,"+south.base, "dnsRecord").GetRawAttributeValue("dnsRecord")), "\x05south\x07example\x03net\x00")

	policy := south.one("CN={0A1B2C3D-0000-4000-8000-00000000F00D},CN=Policies,CN=System,"+south.base, "gPCFileSysPath", "displayName")
	require.Equal(t, `\\south.example.net\SysVol\south.example.net\Policies\{0A1B2C3D-0000-4000-8000-00000000F00D}`, policy.GetAttributeValue("gPCFileSysPath"))
	require.Contains(t, strings.ToLower(south.one(ou, "gPLink").GetAttributeValue("gPLink")), "cn=system,dc=south,dc=example,dc=net;0]")
	tree := south.tree()
	content, _, _, err := tree.Look(t.Context(), "south.example.net/Policies/{0A1B2C3D-0000-4000-8000-00000000F00D}/GPT.INI", 1<<20)
	require.NoError(t, errors.Join(err, tree.Close()))
	require.Equal(t, gptINI, string(content))

	again := plan("again.plan")
	require.Zero(t, again.Counts.Create+again.Counts.Update+again.Counts.Undelete, "the target has everything: %+v", again.Counts)
	scan, seen := residual.New(site), 0
	require.NotEmpty(t, scan.Find([]byte("dc.west.example.net")), "it can fail")
	for _, context := range []string{south.base, "DC=DomainDnsZones," + south.base} {
		for _, e := range south.search(context, "(objectClass=*)", "*", "nTSecurityDescriptor") {
			document := map[string]any{"dn": e.DN}
			for _, a := range e.Attributes {
				document[a.Name] = [][]byte(a.ByteValues)
			}
			data, err := json.Marshal(document)
			require.NoError(t, err)
			require.Empty(t, scan.Find(data), e.DN)
			seen++
		}
	}
	require.Greater(t, seen, 200)
	undone := into[struct{ Totals restore.Totals }](t, run("undo", first.PlanID[:12], "--yes"))
	require.True(t, undone.Totals.Whole(), "%+v", undone)
	require.Equal(t, before, south.state())
}

// state is what a restore may change, without what controllers change by themselves.
func (d *recovered) state() string {
	var lines []string
	for _, context := range []string{d.base, "DC=DomainDnsZones," + d.base} {
		for _, e := range d.search(context, "(objectClass=*)", "description", "member", "memberOf", "primaryGroupID", "userAccountControl", "dnsRecord", "nTSecurityDescriptor") {
			if strings.HasPrefix(e.DN, "DC=..") || strings.HasPrefix(e.DN, "DC=@,") {
				continue
			}
			for _, a := range e.Attributes {
				lines = append(lines, fmt.Sprintf("%s %s %q", e.DN, a.Name, a.Values))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
