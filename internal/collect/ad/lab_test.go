package ad

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/ldiftest"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
	"infrabackup/tests/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// realDC is a real domain controller.
type realDC struct {
	env      lab.Environment
	ca       []byte
	password string
	domain   string
}

func useDC(t *testing.T) *realDC {
	t.Helper()
	d := &realDC{env: lab.Use(t)}
	var err error
	d.ca, err = os.ReadFile(d.env["LAB_LDAP_CA"])
	require.NoError(t, err)
	password, err := os.ReadFile(d.env["LAB_LDAP_PASSWORD_FILE"])
	require.NoError(t, err)
	d.password = string(password)
	root := d.ldapsearch(t, "-s", "base", "-b", "", "(objectClass=*)", "defaultNamingContext")
	require.Len(t, root, 1)
	d.domain = root[0].Value("defaultNamingContext")
	return d
}

// ldapsearch is the independent reader: OpenLDAP's tool, and the test's own LDIF
// parser.
func (d *realDC) ldapsearch(t *testing.T, arguments ...string) []ldiftest.Record {
	t.Helper()
	command := exec.Command("ldapsearch", append([]string{
		"-x", "-LLL", "-o", "ldif-wrap=no", "-H", d.env["LAB_LDAP_URL"], "-D", d.env["LAB_LDAP_USER"], "-y", d.env["LAB_LDAP_PASSWORD_FILE"],
	}, arguments...)...)
	records, err := ldiftest.Read(string(d.run(t, command)))
	require.NoError(t, err)
	return records
}

func (d *realDC) run(t *testing.T, command *exec.Cmd) []byte {
	t.Helper()
	command.Env = append(os.Environ(), "LDAPTLS_CACERT="+d.env["LAB_LDAP_CA"], "LDAPTLS_REQCERT=demand", "LDAPRC=/dev/null")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s", stderr.String())
	return out
}

func (d *realDC) collector(t *testing.T) *Collector {
	t.Helper()
	c, err := New(Config{
		URL: d.env["LAB_LDAP_URL"], CACertificates: d.ca, Username: d.env["LAB_LDAP_USER"], Password: secret.New(d.password),
	})
	require.NoError(t, err)
	return c
}

// writer is a connection for what tests change.
func (d *realDC) writer(t *testing.T) *ldap.Conn {
	t.Helper()
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(d.ca))
	conn, err := ldap.DialURL(d.env["LAB_LDAP_URL"], ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	require.NoError(t, conn.Bind(d.env["LAB_LDAP_USER"], d.password))
	return conn
}

// makeOU adds an organizational unit of the test's own, with users and a group of
// them, and removes it at the end.
func (d *realDC) makeOU(t *testing.T, conn *ldap.Conn, name string, users int) string {
	t.Helper()
	ou := "OU=" + name + "," + d.domain
	remove := func() {
		request := ldap.NewDelRequest(ou, []ldap.Control{ldap.NewControlSubtreeDelete()})
		if err := conn.Del(request); err != nil && !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			require.NoError(t, err)
		}
	}
	remove()
	t.Cleanup(remove)
	add := func(dn string, attributes ...string) {
		request := ldap.NewAddRequest(dn, nil)
		for i := 0; i < len(attributes); i += 2 {
			request.Attribute(attributes[i], []string{attributes[i+1]})
		}
		require.NoError(t, conn.Add(request))
	}
	add(ou, "objectClass", "organizationalUnit")
	add("OU=Inner,"+ou, "objectClass", "organizationalUnit", "description", " spaces around ")
	group := ldap.NewAddRequest("CN=Group ü,"+ou, nil)
	group.Attribute("objectClass", []string{"group"})
	group.Attribute("sAMAccountName", []string{name + " group"})
	var members []string
	for i := range users {
		dn := fmt.Sprintf(`CN=User\, %d,OU=Inner,%s`, i, ou)
		add(dn, "objectClass", "user", "sAMAccountName", fmt.Sprintf("%s%d", name, i), "userAccountControl", "514",
			"jpegPhoto", "\xff\x00\xd8", "displayName", "Ünï "+name)
		members = append(members, dn)
	}
	group.Attribute("member", members)
	require.NoError(t, conn.Add(group))
	return ou
}

func TestLabConformance(t *testing.T) {
	d := useDC(t)
	collecttest.Run(t, collecttest.Subject{Collector: d.collector(t), Service: backup.AD, Secrets: []string{d.password}, Slow: true, Shared: true})
}

// flat lists attributes and values for a comparison without order.
func flat(pairs [][2]string) []string {
	all := make([]string, len(pairs))
	for i, pair := range pairs {
		all[i] = pair[0] + "\x00" + pair[1]
	}
	sort.Strings(all)
	return all
}

func recordPairs(r *record.Record) (pairs [][2]string) {
	for _, a := range r.Attributes {
		for _, value := range a.Values {
			pairs = append(pairs, [2]string{a.Name, string(value)})
		}
	}
	return pairs
}

// TestLabEveryValue compares with ldapsearch, which asks with the same controls but
// without extended names. Other tests change objects of their own in the same domain: what
// differs only because of that is the same at another try.
func TestLabEveryValue(t *testing.T) {
	d := useDC(t)
	differs := ""
	for range 4 {
		if differs = everyValue(t, d); differs == "" {
			return
		}
		t.Log(differs)
	}
	t.Fatal("it differs at each try: " + differs)
}

// everyValue captures the domain, reads it with ldapsearch, and tells the first difference.
func everyValue(t *testing.T, d *realDC) string {
	t.Helper()
	sink := &collecttest.Recorder{}
	_, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	byName := map[string]*record.Record{}
	deleted, zones, largest := 0, 0, 0
	for _, r := range newest(t, sink) {
		byName[r.DN] = r
		if r.Deleted {
			deleted++
		}
		if r.Has("objectClass", "dnsNode") {
			zones++
		}
		if members := r.Attribute("member"); members != nil {
			largest = max(largest, len(members.Values))
		}
	}
	require.Positive(t, deleted)
	require.Positive(t, zones)
	require.Greater(t, largest, 1500)
	root := d.ldapsearch(t, "-s", "base", "-b", "", "(objectClass=*)", "namingContexts")
	objects := 0
	for _, pair := range root[0] {
		if pair[0] != "namingContexts" {
			continue
		}
		for _, want := range d.ldapsearch(t, "-E", "pr=1000/noprompt", "-E", "!"+oidShowRecycled, "-E", "!"+oidSDFlags+"=::MAMCAQc=",
			"-b", pair[1], "(objectClass=*)", "*", "nTSecurityDescriptor") {
			if want[0][0] != "dn" {
				continue // ref:
			}
			objects++
			got := byName[want.Value("dn")]
			switch {
			case got == nil:
				return want.Value("dn") + " is not in the records"
			case got.NamingContext != pair[1]:
				return got.DN + " is in " + got.NamingContext + ", not in " + pair[1]
			}
			if one, other := flat(want[1:]), flat(recordPairs(got)); !slices.Equal(one, other) {
				return fmt.Sprintf("%s: %q and %q", got.DN, one, other)
			}
		}
	}
	if len(byName) != objects {
		return fmt.Sprintf("the records have %d objects, and ldapsearch shows %d", len(byName), objects)
	}
	return ""
}

// TestLabRanges reads links piece by piece and compares with reading them at once.
// Samba cuts only when asked.
func TestLabRanges(t *testing.T) {
	d := useDC(t)
	records := func(step int) map[string]*record.Record {
		c := d.collector(t)
		c.rangeStep = step
		sink := &collecttest.Recorder{}
		_, err := c.Collect(t.Context(), sink)
		require.NoError(t, err)
		return newest(t, sink)
	}
	whole, pieces := records(0), records(100)
	for range 3 { // other tests change objects of their own meanwhile
		if reflect.DeepEqual(whole, pieces) {
			break
		}
		whole, pieces = records(0), records(100)
	}
	require.Len(t, pieces, len(whole))
	for guid, want := range whole {
		require.Equal(t, want, pieces[guid])
		if members := want.Attribute("member"); members != nil {
			for _, target := range members.Targets {
				require.NotNil(t, whole[target], "a member of %s has no record", want.DN)
			}
		}
	}
}

func TestLabChangesDuringCapture(t *testing.T) {
	d := useDC(t)
	conn := d.writer(t)
	ou := d.makeOU(t, conn, "moving", 20)
	renamed := "OU=moved," + d.domain
	undo := ldap.NewModifyDNRequest(renamed, "OU=moving", true, "")
	t.Cleanup(func() { require.NoError(t, conn.ModifyDN(undo)) })
	base := &collecttest.Recorder{}
	_, err := d.collector(t).Collect(t.Context(), base)
	require.NoError(t, err)
	done := false
	sink := &collecttest.Recorder{Before: func(number int) error {
		if number < base.Items()*3/4 || done {
			return nil
		}
		done = true
		return errors.Join(
			conn.ModifyDN(ldap.NewModifyDNRequest(ou, "OU=moved", true, "")),
			conn.Del(ldap.NewDelRequest(`CN=User\, 0,OU=Inner,`+renamed, nil)),
			conn.ModifyDN(ldap.NewModifyDNRequest(`CN=User\, 1,OU=Inner,`+renamed, "CN=Other", true, renamed)),
		)
	}}
	capture, err := d.collector(t).Collect(t.Context(), sink)
	require.NoError(t, err)
	require.Equal(t, "true", capture.Cursor["quiet"])
	require.Equal(t, "180", capture.Cursor[backup.TombstoneLifetime], "as Samba sets it")
	now := map[string]string{}
	for _, r := range d.ldapsearch(t, "-b", renamed, "(objectClass=*)", "objectGUID") {
		guid, ok := record.FormatGUID([]byte(r.Value("objectGUID")))
		require.True(t, ok)
		now[guid] = r.Value("dn")
	}
	require.Len(t, now, 22)
	records := newest(t, sink)
	gone := 0
	for guid, r := range records {
		if dn, ok := now[guid]; ok {
			require.Equal(t, dn, r.DN)
		}
		require.False(t, strings.HasSuffix(r.DN, ou), r.DN)
		if r.Deleted && strings.HasPrefix(r.DN, `CN=User\, 0`) {
			gone++
		}
	}
	require.Positive(t, gone)
	for guid, dn := range now {
		require.NotNil(t, records[guid], dn)
	}
}

func TestLabRights(t *testing.T) {
	d := useDC(t)
	conn := d.writer(t)
	ou := d.makeOU(t, conn, "rights", 1)
	dn := `CN=User\, 0,OU=Inner,` + ou
	const password = "Canary-1-of-the-lab"
	change := ldap.NewModifyRequest(dn, nil)
	change.Replace("unicodePwd", []string{utf16le(`"` + password + `"`)})
	change.Replace("userAccountControl", []string{"512"})
	require.NoError(t, conn.Modify(change))
	login := func(password string) *Collector {
		c, err := New(Config{URL: d.env["LAB_LDAP_URL"], CACertificates: d.ca, Username: dn, Password: secret.New(password)})
		require.NoError(t, err)
		return c
	}
	err := login(password).Check(t.Context())
	require.ErrorIs(t, err, fault.SourceAccessDenied)
	require.Contains(t, err.Error(), "Deleted Objects")
	require.ErrorIs(t, login("wrong").Check(t.Context()), fault.SourceAuthFailed)
}

// utf16le encodes ASCII.
func utf16le(ascii string) string {
	var out strings.Builder
	for i := range len(ascii) {
		out.WriteByte(ascii[i])
		out.WriteByte(0)
	}
	return out.String()
}
