package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	"infrabackup/internal/collect/ad"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/diff/result"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp/inventory"
)

// people are the lab's directory with a unit of this test's own in it.
type people struct {
	t    *testing.T
	conn *ldap.Conn
	ou   string
	read *ad.Collector
}

// newPeople makes a unit with two users, and a group that has the first one.
func newPeople(t *testing.T) *people {
	t.Helper()
	env := lab.Use(t)
	ca := []byte(readAll(t, env["LAB_LDAP_CA"]))
	password := readAll(t, env["LAB_LDAP_PASSWORD_FILE"])
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	conn, err := ldap.DialURL(env["LAB_LDAP_URL"], ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // what it was for is done
	require.NoError(t, conn.Bind(env["LAB_LDAP_USER"], password))
	root, err := conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"defaultNamingContext"}, nil))
	require.NoError(t, err)
	id, err := backup.NewID(rand.Reader)
	require.NoError(t, err)
	p := &people{t: t, conn: conn, ou: "OU=diff-" + string(id[:8]) + "," + root.Entries[0].GetAttributeValue("defaultNamingContext")}
	p.read, err = ad.New(ad.Config{URL: env["LAB_LDAP_URL"], CACertificates: ca, Username: env["LAB_LDAP_USER"], Password: secret.New(password)})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, conn.Del(ldap.NewDelRequest(p.ou, []ldap.Control{ldap.NewControlSubtreeDelete()})))
	})
	p.add(p.ou, "objectClass", "organizationalUnit")
	for _, name := range []string{"Ana", "Bob"} {
		p.add(p.dn(name), "objectClass", "user", "sAMAccountName", name+string(id[:6]))
	}
	p.add(p.dn("Ops"), "objectClass", "group", "sAMAccountName", "Ops"+string(id[:6]), "member", p.dn("Ana"))
	return p
}

func (p *people) dn(name string) string { return "CN=" + name + "," + p.ou }

func (p *people) add(dn string, attributes ...string) {
	p.t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	for i := 0; i < len(attributes); i += 2 {
		request.Attribute(attributes[i], []string{attributes[i+1]})
	}
	require.NoError(p.t, p.conn.Add(request))
}

// sid is the SID of an object, as text.
func (p *people) sid(name string) string {
	p.t.Helper()
	found, err := p.conn.Search(ldap.NewSearchRequest(p.dn(name), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"objectSid"}, nil))
	require.NoError(p.t, err)
	sid, ok := record.FormatSID(found.Entries[0].GetRawAttributeValue("objectSid"))
	require.True(p.t, ok)
	return strings.ToUpper(sid)
}

// TestBackupDiff takes a backup, changes a directory and a stamp, takes another one, and asks
// the command line what changed: exactly that, and who gained access by it.
func TestBackupDiff(t *testing.T) {
	t.Parallel()
	p := newPeople(t)
	cloud := newCloud(t, 400, 0)
	vm, subscription := machineOf(t, cloud)
	role := "/subscriptions/" + subscription + "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
	assignment := "/subscriptions/" + subscription + "/providers/Microsoft.Authorization/roleAssignments/5a59f7a2-0000-4000-8000-000000000001"
	cloud.Put(inventory.Document{Endpoint: inventory.Tenant, ID: assignment, Type: "Microsoft.Authorization/roleAssignments", Body: fmt.Appendf(nil,
		`{"id":%q,"name":"5a59f7a2-0000-4000-8000-000000000001","type":"Microsoft.Authorization/roleAssignments","properties":{"roleDefinitionId":%q,"principalId":%q,"scope":"/subscriptions/%s"}}`,
		assignment, role, p.sid("Ops"), subscription)})
	collectors, err := cloud.source.collectors()
	require.NoError(t, err)
	c := newController(t, append([]collect.Collector{p.read, cloud.authority()}, collectors...)...)
	c.enable()
	_, run := c.begin()
	first, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, first.Status, "%+v", first.Services)

	require.NoError(t, p.conn.ModifyDN(ldap.NewModifyDNRequest(p.dn("Ana"), "CN=Anna", true, "")))
	join := ldap.NewModifyRequest(p.dn("Ops"), nil)
	join.Add("member", []string{p.dn("Bob")})
	require.NoError(t, p.conn.Modify(join))
	vm.Body = bytes.Replace(vm.Body, []byte(`"vmSize":"`), []byte(`"vmSize":"Larger_`), 1)
	cloud.Put(vm)
	changed := secretOf(t, cloud)

	_, run = c.begin()
	second, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, second.Status, "%+v", second.Services)

	page := filepath.Join(t.TempDir(), "changes.html")
	r := c.compare(first.BackupID, "latest", "--html", page)
	require.Equal(t, first.BackupID, r.A.BackupID)
	require.Equal(t, second.BackupID, r.B.BackupID)
	require.True(t, r.A.Verified && r.B.Verified)
	require.Empty(t, r.Warnings)

	vmID := strings.ToLower(vm.ID)
	require.Equal(t, []string{
		"AD changed " + p.dn("Ops") + " [added member " + p.dn("Bob") + "]",
		"AD renamed " + p.dn("Anna") + " from " + p.dn("Ana") + " []",
		"CRP changed " + vmID + " [changed properties.hardwareProfile.vmSize]",
		"KeyVault added " + changed + " []",
	}, p.told(r))
	var rows []string
	for _, row := range r.Access.Rows {
		if record.Below(row.Principal.Name, p.ou) || !strings.Contains(row.Principal.Name, "CN=") {
			rows = append(rows, fmt.Sprintf("%s %s %s %s %v", row.How, row.Principal.Name, row.Role, row.Scope, row.Path))
		}
	}
	require.Equal(t, []string{fmt.Sprintf("added %s Reader /subscriptions/%s [%s]", p.dn("Bob"), subscription, p.dn("Ops"))}, rows)

	info, err := os.Stat(page)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	text := readAll(t, page)
	for _, part := range []string{p.dn("Anna"), p.dn("Ana"), "vmSize", r.A.Digest, r.B.Digest} {
		require.Contains(t, text, part)
	}
	require.NotContains(t, text, "canary")

	same := c.compare("latest", "latest")
	require.True(t, same.Same)
	back := c.compare("latest", string(first.BackupID))
	require.Len(t, p.told(back), 4, "the other way round")
}

// machineOf is any virtual machine of the stamp, and its subscription.
func machineOf(t *testing.T, cloud *cloud) (vm inventory.Document, subscription string) {
	t.Helper()
	for d := range cloud.Documents() {
		if d.Type == "Microsoft.Compute/virtualMachines" {
			return d, strings.Split(d.ID, "/")[2]
		}
	}
	t.Fatal("the stamp has no virtual machine")
	return vm, ""
}

// secretOf gives a secret another version, and returns how the ID of that ends.
func secretOf(t *testing.T, cloud *cloud) string {
	t.Helper()
	for o := range cloud.VaultObjects() {
		if o.Kind != "secrets" || o.Managed || !o.Versions[len(o.Versions)-1].Enabled {
			continue
		}
		const version = "0123456789abcdef0123456789abcdef"
		next := slices.Clone(o.Versions)[len(o.Versions)-1]
		var body map[string]any
		require.NoError(t, json.Unmarshal(next.Body, &body))
		body["value"] = "canary-of-a-secret"
		body["id"] = strings.Replace(body["id"].(string), next.Version, version, 1)
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		next.Version, next.Body, next.Expires, next.NotBefore = version, encoded, 0, 0
		o.Versions = append(slices.Clone(o.Versions), next)
		cloud.PutVaultObject(o)
		return strings.ToLower("/secrets/" + o.Name + "/" + version)
	}
	t.Fatal("the stamp has no secret")
	return ""
}

// told are the changes of a report, without those that others make in the lab's directory.
func (p *people) told(r *result.Report) []string {
	p.t.Helper()
	out := []string{}
	for _, s := range r.Services {
		require.True(p.t, s.Compared, s.Reason)
		for _, c := range s.Changes {
			if s.Service == backup.AD {
				if !record.Below(c.Name, p.ou) {
					continue
				}
				c.ID = c.Name
			}
			if at := strings.Index(c.ID, "/secrets/"); at >= 0 {
				c.ID = c.ID[at:]
			}
			line := fmt.Sprintf("%s %s %s", s.Service, c.How, c.ID)
			if c.FromName != "" {
				line += " from " + c.FromName
			}
			details := []string{}
			for _, d := range c.Details {
				text := string(d.How) + " " + d.Path
				if s.Service == backup.AD && d.After != nil {
					text += " " + *d.After
				}
				details = append(details, text)
			}
			out = append(out, line+" "+fmt.Sprint(details))
		}
	}
	slices.Sort(out)
	return out
}

// compare runs the command line on the controller's share.
func (c *controller) compare(a backup.ID, b string, more ...string) *result.Report {
	c.t.Helper()
	key := filepath.Join(c.t.TempDir(), "operator.key")
	require.NoError(c.t, os.WriteFile(key, []byte(c.identity.Reveal()), 0o600))
	signers := filepath.Join(filepath.Dir(key), "signers")
	require.NoError(c.t, os.WriteFile(signers, []byte(readAll(c.t, filepath.Join(c.shareDir, c.instance.Name, backup.AllowedSignersFile))), 0o600))
	cmd := exec.Command(filepath.Join(binaries(c.t), "infrabackup"), append([]string{
		"backup", "diff", string(a), b, "--instance", c.instance.Name, "--from", c.shareDir, "--identity", key, "--allowed-signers", signers, "--json",
	}, more...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(c.t, err, stderr.String())
	require.NotContains(c.t, string(out), "canary")
	var r result.Report
	require.NoError(c.t, json.Unmarshal(out, &r))
	return &r
}
