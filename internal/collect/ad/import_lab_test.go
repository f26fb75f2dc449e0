package ad

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
)

// everyRecord captures the directory.
func (d *realDC) everyRecord(t *testing.T) (record.Records, map[string]*record.Record) {
	t.Helper()
	sink := &collecttest.Recorder{}
	_, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	all, byName := newest(t, sink), map[string]*record.Record{}
	for _, r := range all {
		byName[r.DN] = r
	}
	return func(fn func(*record.Record) error) error {
		for _, r := range all {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}, byName
}

// ldapmodify gives LDIF to the stock tool, as an operator is told to, and returns what
// it says.
func (d *realDC) ldapmodify(t *testing.T, ldif []byte) string {
	t.Helper()
	command := exec.Command("ldapmodify", "-c", "-x", "-H", d.env["LAB_LDAP_URL"], "-D", d.env["LAB_LDAP_USER"], "-y", d.env["LAB_LDAP_PASSWORD_FILE"])
	command.Env = append(os.Environ(), "LDAPTLS_CACERT="+d.env["LAB_LDAP_CA"], "LDAPTLS_REQCERT=demand", "LDAPRC=/dev/null")
	command.Stdin = bytes.NewReader(ldif)
	out, _ := command.CombinedOutput() // its status tells of refused links, too
	return string(out)
}

func (d *realDC) members(t *testing.T, group string) []string {
	t.Helper()
	found := d.ldapsearch(t, "-s", "base", "-b", group, "member")
	require.Len(t, found, 1)
	var out []string
	for _, pair := range found[0] {
		if pair[0] == "member" {
			out = append(out, pair[1])
		}
	}
	return out
}

// TestLabImport makes again with the stock tool what was lost, from one capture of the
// directory.
func TestLabImport(t *testing.T) {
	d := useDC(t)
	conn := d.writer(t)
	subtree, links, item := d.makeOU(t, conn, "import", 5), d.makeOU(t, conn, "links", 5), d.makeOU(t, conn, "item", 3)
	boss := ldap.NewModifyRequest(`CN=User\, 1,OU=Inner,`+item, nil)
	boss.Replace("manager", []string{`CN=User\, 0,OU=Inner,` + item})
	require.NoError(t, conn.Modify(boss))
	records, byName := d.everyRecord(t)
	t.Run("a subtree is created again", func(t *testing.T) { d.subtreeComesBack(t, conn, subtree, records, byName) })
	t.Run("links that are there cost no others", func(t *testing.T) { d.linksComeBack(t, conn, links, records) })
	t.Run("one object comes back", func(t *testing.T) { d.objectsComeBack(t, conn, item, records, byName) })
}

// subtreeComesBack deletes what was captured and creates it again with ldapmodify.
func (d *realDC) subtreeComesBack(t *testing.T, conn *ldap.Conn, ou string, records record.Records, was map[string]*record.Record) {
	below := func(all map[string]*record.Record) map[string]*record.Record {
		mine := map[string]*record.Record{}
		for dn, r := range all {
			if strings.HasSuffix(dn, ou) {
				mine[dn] = r
			}
		}
		return mine
	}
	before := below(was)
	require.Len(t, before, 8)
	var out bytes.Buffer
	require.NoError(t, record.WriteImportLDIF(&out, records, record.ImportOptions{Select: func(r *record.Record) bool { return strings.HasSuffix(r.DN, ou) }}))
	require.NoError(t, conn.Del(ldap.NewDelRequest(ou, []ldap.Control{ldap.NewControlSubtreeDelete()})))
	command := exec.Command("ldapmodify", "-x", "-H", d.env["LAB_LDAP_URL"], "-D", d.env["LAB_LDAP_USER"], "-y", d.env["LAB_LDAP_PASSWORD_FILE"])
	command.Stdin = &out
	d.run(t, command)
	_, is := d.everyRecord(t)
	after := below(is)
	require.Len(t, after, len(before))
	own := []string{"dSCorePropagationData", "objectGUID", "objectSid", "uSNChanged", "uSNCreated", "whenChanged", "whenCreated", "nTSecurityDescriptor"}
	for dn, was := range before {
		is := after[dn]
		require.NotNil(t, is, dn)
		for _, a := range was.Attributes {
			if slices.Contains(own, a.Name) {
				continue
			}
			require.NotNil(t, is.Attribute(a.Name), "%s of %s", a.Name, dn)
			require.ElementsMatch(t, a.Values, is.Attribute(a.Name).Values, "%s of %s", a.Name, dn)
		}
	}
}

// linksComeBack takes some members out of a group and gives all of them back.
func (d *realDC) linksComeBack(t *testing.T, conn *ldap.Conn, ou string, records record.Records) {
	group := "CN=Group ü," + ou
	before := d.members(t, group)
	require.Len(t, before, 5)
	take := ldap.NewModifyRequest(group, nil)
	take.Delete("member", []string{before[1], before[3]})
	require.NoError(t, conn.Modify(take))
	require.Len(t, d.members(t, group), 3)
	var out bytes.Buffer
	require.NoError(t, record.WriteImportLDIF(&out, records, record.ImportOptions{OmitObjects: true, Select: func(r *record.Record) bool { return record.Below(r.DN, ou) }}))
	said := d.ldapmodify(t, out.Bytes())
	require.ElementsMatch(t, before, d.members(t, group), "%s", said)
	require.NotContains(t, said, "No such", said)
}

// objectsComeBack deletes an object, then a subtree, and creates them again with the links of
// and to them.
func (d *realDC) objectsComeBack(t *testing.T, conn *ldap.Conn, ou string, records record.Records, byName map[string]*record.Record) {
	group := "CN=Group ü," + ou
	user := `CN=User\, 1,OU=Inner,` + ou
	members := d.members(t, group)
	for _, row := range []struct {
		base    string
		subtree bool
	}{{user, false}, {"OU=Inner," + ou, true}, {group, false}, {ou, true}} {
		name := byName[row.base]
		require.NotNil(t, name, row.base)
		var all []string
		for dn := range byName {
			if dn == row.base || row.subtree && record.Below(dn, row.base) {
				all = append(all, dn)
			}
		}
		chosen := func(dn string) bool { return dn == row.base || row.subtree && record.Below(dn, row.base) }
		require.NoError(t, conn.Del(ldap.NewDelRequest(row.base, []ldap.Control{ldap.NewControlSubtreeDelete()})))
		var out bytes.Buffer
		require.NoError(t, record.WriteImportLDIF(&out, records, record.ImportOptions{
			Select: func(r *record.Record) bool { return chosen(r.DN) }, LinksTo: chosen, Explain: true,
		}))
		said := d.ldapmodify(t, out.Bytes())
		now := map[string]bool{}
		for _, found := range d.ldapsearch(t, "-b", row.base, "(objectClass=*)", "distinguishedName") {
			now[found.Value("dn")] = true
		}
		for _, dn := range all {
			require.True(t, now[dn], "%s\n%s\n%s", dn, said, out.String())
		}
		require.ElementsMatch(t, members, d.members(t, group), "%s", said)
		require.Equal(t, `CN=User\, 0,OU=Inner,`+ou, d.ldapsearch(t, "-s", "base", "-b", user, "manager")[0].Value("manager"))
		for _, lost := range []string{"objectGUID", "passwords", "security descriptors"} {
			require.Contains(t, strings.Join(strings.Fields(strings.ReplaceAll(out.String(), "\n#", "")), " "), lost)
		}
	}
}
