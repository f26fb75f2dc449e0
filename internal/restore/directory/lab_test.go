package directory

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/diff/descriptor"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/directory/identifier"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/restoretest"
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
	conn     *ldap.Conn
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
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(d.ca))
	d.conn, err = ldap.DialURL(d.env["LAB_LDAP_URL"], ldap.DialWithTLSConfig(&tls.Config{RootCAs: roots}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.conn.Close()) })
	require.NoError(t, d.conn.Bind(d.env["LAB_LDAP_USER"], d.password))
	root, err := d.conn.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"defaultNamingContext"}, nil))
	require.NoError(t, err)
	d.domain = root.Entries[0].GetAttributeValue("defaultNamingContext")
	return d
}

func (d *realDC) restorer(t *testing.T, own ...string) *Restorer {
	t.Helper()
	r, err := New(Options{URL: d.env["LAB_LDAP_URL"], CACertificates: d.ca, Username: d.env["LAB_LDAP_USER"], Password: secret.New(d.password), Own: own})
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

func (d *realDC) add(t *testing.T, dn string, attributes ...string) {
	t.Helper()
	request := ldap.NewAddRequest(dn, nil)
	values := map[string][]string{}
	var names []string
	for i := 0; i < len(attributes); i += 2 {
		if values[attributes[i]] == nil {
			names = append(names, attributes[i])
		}
		values[attributes[i]] = append(values[attributes[i]], attributes[i+1])
	}
	for _, name := range names {
		request.Attribute(name, values[name])
	}
	require.NoError(t, d.conn.Add(request), dn)
}

func (d *realDC) modify(t *testing.T, dn string, fn func(*ldap.ModifyRequest)) {
	t.Helper()
	request := ldap.NewModifyRequest(dn, nil)
	fn(request)
	require.NoError(t, d.conn.Modify(request), dn)
}

func (d *realDC) remove(t *testing.T, dn string) {
	t.Helper()
	// A group that is the first one of an account cannot be deleted before that.
	if found, err := d.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=user)", []string{"cn"}, nil)); err == nil {
		for _, e := range found.Entries {
			require.NoError(t, d.conn.Del(ldap.NewDelRequest(e.DN, nil)))
		}
	}
	err := d.conn.Del(ldap.NewDelRequest(dn, []ldap.Control{ldap.NewControlSubtreeDelete()}))
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		require.NoError(t, err)
	}
}

// build makes an OU with what restores are about.
func (d *realDC) build(t *testing.T, name string) string {
	t.Helper()
	ou := "OU=" + name + "," + d.domain
	d.remove(t, ou)
	t.Cleanup(func() { d.remove(t, ou) })
	d.add(t, ou, "objectClass", "organizationalUnit", "description", " spaces around ")
	d.add(t, "OU=Inner,"+ou, "objectClass", "organizationalUnit")
	for i := range 4 {
		d.add(t, d.user(ou, i), "objectClass", "user", "sAMAccountName", fmt.Sprintf("%s%d", name, i), "userPrincipalName", fmt.Sprintf("%s%d@lab", name, i),
			"userAccountControl", "512", "jpegPhoto", "\xff\x00\xd8", "displayName", "Ünï", "description", "one", "otherTelephone", "1", "otherTelephone", "2", "accountExpires", "0")
	}
	d.add(t, "CN=host,"+ou, "objectClass", "computer", "sAMAccountName", name+"$", "userAccountControl", "4096", "servicePrincipalName", "HOST/"+name)
	d.add(t, "CN=Group ü,"+ou, "objectClass", "group", "sAMAccountName", name+" group", "member", d.user(ou, 0), "member", d.user(ou, 1), "member", d.user(ou, 2))
	d.add(t, "CN=Outer,"+ou, "objectClass", "group", "sAMAccountName", name+" outer", "member", "CN=Group ü,"+ou)
	d.modify(t, d.user(ou, 1), func(m *ldap.ModifyRequest) { m.Add("manager", []string{d.user(ou, 0)}) })
	// User 3 is in a group of its own first, and not among the domain's users besides.
	d.add(t, "CN=First,"+ou, "objectClass", "group", "sAMAccountName", name+" first", "member", d.user(ou, 3))
	d.first(t, d.user(ou, 3), d.rid(t, "CN=First,"+ou))
	d.modify(t, d.domainUsers(), func(m *ldap.ModifyRequest) { m.Delete("member", []string{d.user(ou, 3)}) })
	d.grant(t, "OU=Inner,"+ou, func(s *descriptor.Descriptor, group string) {
		s.DACL.Entries = append(s.DACL.Entries, descriptor.Entry{Flags: 2, Mask: 0x10014, SID: group})
	})
	d.grant(t, "CN=host,"+ou, func(s *descriptor.Descriptor, group string) {
		s.Control |= 0x1000 // nothing comes from parents
		s.Owner = group
		s.DACL.Entries = append([]descriptor.Entry{{Type: 6, Mask: 0x20, Object: "bf967950-0de6-11d0-a285-00aa003049e2", SID: group}}, s.DACL.Entries...)
	})
	return ou
}

// grant changes the own rights of an object; the group of the test is handed in.
func (d *realDC) grant(t *testing.T, dn string, change func(s *descriptor.Descriptor, group string)) {
	t.Helper()
	s, err := descriptor.Parse([]byte(d.rights(t, dn)))
	require.NoError(t, err)
	s = s.Own()
	ou := dn[strings.LastIndex(dn, "OU="):]
	group, _ := record.FormatSID([]byte(d.guid(t, "CN=Group ü,"+ou)[16:]))
	change(s, group)
	raw, err := s.Encode()
	require.NoError(t, err)
	request := ldap.NewModifyRequest(dn, []ldap.Control{descriptorParts(everyPart)})
	request.Replace(securityDescriptor, []string{string(raw)})
	require.NoError(t, d.conn.Modify(request))
}

func (d *realDC) rights(t *testing.T, dn string) string {
	t.Helper()
	found, err := d.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{securityDescriptor}, []ldap.Control{descriptorParts(everyPart)}))
	require.NoError(t, err)
	return string(found.Entries[0].GetRawAttributeValue(securityDescriptor))
}

// legible is a descriptor with names instead of SIDs of the domain, which may be new ones.
func (d *realDC) legible(t *testing.T, raw string) (out []string) {
	t.Helper()
	s, err := descriptor.Parse([]byte(raw))
	require.NoError(t, err)
	name := func(sid string) string {
		if _, rid := identifier.Split(sid); !strings.HasPrefix(sid, identifier.OfDomain) || identifier.Below1000(rid) {
			return sid
		}
		return d.nameOf(t, sid)
	}
	s, err = s.Mapped(name)
	require.NoError(t, err)
	out = append(out, s.Owner, s.Group, fmt.Sprint(s.Control&0x1000))
	for _, e := range s.DACL.Entries {
		out = append(out, e.String())
	}
	return out
}

func (d *realDC) domainUsers() string { return "CN=Domain Users,CN=Users," + d.domain }

// first makes a group the first one of an account that is its member.
func (d *realDC) first(t *testing.T, dn, rid string) {
	t.Helper()
	d.modify(t, dn, func(m *ldap.ModifyRequest) { m.Replace(primaryGroupID, []string{rid}) })
}

func (d *realDC) rid(t *testing.T, dn string) string {
	t.Helper()
	return identifier.RID([]byte(d.guid(t, dn)[16:]))
}

func (d *realDC) user(ou string, i int) string { return fmt.Sprintf(`CN=User\, %d,OU=Inner,%s`, i, ou) }

// captured is a backup of what lies below an OU, by the real collector.
type captured struct {
	records []*record.Record
}

func (d *realDC) capture(t *testing.T, ou string) *captured {
	t.Helper()
	collector, err := ad.New(ad.Config{URL: d.env["LAB_LDAP_URL"], CACertificates: d.ca, Username: d.env["LAB_LDAP_USER"], Password: secret.New(d.password)})
	require.NoError(t, err)
	sink := &collecttest.Recorder{}
	_, err = collector.Collect(t.Context(), sink)
	require.NoError(t, err)
	c := &captured{}
	for _, call := range sink.Calls() {
		if call.Item.Kind == record.Kind && record.Below(call.Item.Name, ou) {
			r, err := record.Decode(call.Document)
			require.NoError(t, err)
			c.records = append(c.records, r)
		}
	}
	require.NotEmpty(t, c.records)
	return c
}

func (c *captured) source() *restore.Source {
	documents := map[string][]byte{}
	var entries []backup.CatalogEntry
	for _, r := range c.records {
		data := r.AppendJSON(nil)
		documents[r.GUID] = data
		entries = append(entries, backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: record.Kind, ID: r.GUID, Name: r.DN, Aliases: r.Aliases()}, SHA256: restore.Digest(data), Length: int64(len(data))})
	}
	return &restore.Source{
		Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			for _, e := range entries {
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		Item: func(_ context.Context, e backup.CatalogEntry) ([]byte, error) {
			return bytes.Clone(documents[e.ID]), nil
		},
	}
}

// elsewhere is the same backup of another domain's objects: none of their identities is known
// to the target.
func (c *captured) elsewhere() *captured {
	guids := map[string]string{}
	rids := map[string]string{}
	for i, r := range c.records {
		guids[r.GUID] = fmt.Sprintf("0badcafe-0000-4000-8000-%012d", i)
		rids[identifier.RID([]byte(r.Value("objectSid")))] = fmt.Sprint(4_000_000 + i)
	}
	out := &captured{}
	sids := map[string]string{}
	for i, r := range c.records {
		if sid := []byte(r.Value("objectSid")); len(sid) > 0 {
			binary.LittleEndian.PutUint32(sid[len(sid)-4:], uint32(4_000_000+i))
			sids[r.Value("objectSid")] = string(sid)
		}
	}
	for _, r := range c.records {
		moved := *r
		moved.GUID = guids[r.GUID]
		moved.Attributes = slices.Clone(r.Attributes)
		for j, a := range moved.Attributes {
			switch a.Name {
			case "objectSid":
				moved.Attributes[j].Values = [][]byte{[]byte(sids[string(a.Values[0])])}
			case securityDescriptor:
				raw := a.Values[0]
				for from, to := range sids {
					raw = bytes.ReplaceAll(raw, []byte(from), []byte(to))
				}
				moved.Attributes[j].Values = [][]byte{raw}
			case primaryGroupID:
				if rid, ok := rids[string(a.Values[0])]; ok {
					moved.Attributes[j].Values = [][]byte{[]byte(rid)}
				}
			}
			if a.Targets != nil {
				targets := slices.Clone(a.Targets)
				for k, target := range targets {
					if other := guids[target]; other != "" {
						targets[k] = other
					}
				}
				moved.Attributes[j].Targets = targets
			}
		}
		out.records = append(out.records, &moved)
	}
	return out
}

// changing are attributes that change by themselves or say nothing of what was restored.
var changing = []string{"objectGUID", "objectSid", "uSNChanged", "uSNCreated", "whenChanged", "whenCreated", "dSCorePropagationData", "pwdLastSet", "lastKnownParent", "adminCount", "operatorCount",
	"badPwdCount", "badPasswordTime", "lastLogon", "lastLogoff", "logonCount", "codePage", "countryCode", "lockoutTime", "isDeleted", "isRecycled", "isCriticalSystemObject", tombstoned}

// dump is everything below an OU, in the words of the stock client library.
func (d *realDC) dump(t *testing.T, ou string) string {
	t.Helper()
	found, err := d.conn.SearchWithPaging(ldap.NewSearchRequest(ou, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"*", securityDescriptor}, []ldap.Control{descriptorParts(everyPart)}), 500)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return "none"
	}
	require.NoError(t, err)
	var lines []string
	for _, e := range found.Entries {
		for _, a := range e.Attributes {
			if !slices.Contains(changing, a.Name) {
				values := slices.Clone(a.Values)
				if a.Name == securityDescriptor {
					lines = append(lines, fmt.Sprintf("%s %s %q", e.DN, a.Name, d.legible(t, values[0])))
					continue
				}
				if a.Name == primaryGroupID {
					sid, _ := record.FormatSID(e.GetRawAttributeValue("objectSid"))
					values[0] = d.nameOf(t, identifier.Sibling(sid, [][]byte{[]byte(values[0])}))
				}
				if a.Name != "objectClass" {
					slices.Sort(values)
				}
				lines = append(lines, fmt.Sprintf("%s %s %q", e.DN, a.Name, values))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (d *realDC) nameOf(t *testing.T, sid string) string {
	t.Helper()
	found, err := d.conn.Search(ldap.NewSearchRequest(identifier.DN(sid), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"cn"}, nil))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return "none with " + sid
	}
	require.NoError(t, err, sid)
	return found.Entries[0].DN
}

var (
	labCloud  = restore.Fingerprint{FQDN: "a.example.com", DeploymentID: "11111111-2222-4333-8444-555555555555"}
	labTarget = restore.Fingerprint{FQDN: "b.example.com", DeploymentID: "99999999-2222-4333-8444-555555555555"}
)

func labPlan(t *testing.T, r *Restorer, s *restore.Source, selection restore.Selection) *restore.Plan {
	t.Helper()
	planner := &restore.Planner{Source: s, Restorers: []restore.Restorer{r}, Map: mapping.Empty(), Target: labTarget, Selection: selection,
		Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647", Cloud: labCloud}, Product: "test", Now: time.Now}
	p, err := planner.Plan(t.Context())
	require.NoError(t, err)
	return p
}

func labApply(t *testing.T, r *Restorer, s *restore.Source, p *restore.Plan, j, undone restore.Journal) {
	t.Helper()
	var bad []string
	run := &restore.Run{Plan: p, Restorers: []restore.Restorer{r}, Source: s, Journal: j, Undone: undone, Map: mapping.Empty(), Target: labTarget, Now: time.Now,
		Consent: restore.Consent{Irreversible: []string{restore.AllIrreversible}}, Progress: func(o restore.Outcome) {
			if !o.Status.Good() {
				bad = append(bad, fmt.Sprintf("%s: %s %s %s", p.Steps[o.N].Key, o.Status, o.Code, o.Detail))
			}
		}}
	totals, err := restore.Apply(t.Context(), run)
	require.NoError(t, err)
	require.Empty(t, bad)
	require.True(t, totals.Whole())
}

// writes are what a plan does, by name of the object and phase; a membership's group is left
// out.
func writes(p *restore.Plan) map[string]restore.Action {
	all := map[string]restore.Action{}
	for _, s := range p.Steps {
		if s.Action != restore.Skip {
			phase, _, _ := strings.Cut(s.Phase, " of ")
			all[rdn(s.Name)+" "+phase] = s.Action
		}
	}
	return all
}

func (d *realDC) guid(t *testing.T, dn string) string {
	t.Helper()
	found, err := d.conn.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"objectGUID", "objectSid"}, nil))
	require.NoError(t, err, dn)
	return string(found.Entries[0].GetRawAttributeValue("objectGUID")) + string(found.Entries[0].GetRawAttributeValue("objectSid"))
}

// TestLabMovedOn: of a domain that moved on since the backup exactly what the backup holds
// comes back, with identities, and what came after stays.
func TestLabMovedOn(t *testing.T) {
	d := useDC(t)
	ou := d.build(t, "moved")
	backup := d.capture(t, ou)
	was, identity := d.dump(t, ou), d.guid(t, d.user(ou, 1))
	r := d.restorer(t)
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})), "nothing moved yet")

	group := "CN=Group ü," + ou
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(d.user(ou, 1), nil)))
	d.modify(t, d.user(ou, 0), func(m *ldap.ModifyRequest) {
		m.Replace("displayName", []string{"other"})
		m.Replace("description", []string{"changed"})
		m.Replace("otherTelephone", []string{"2", "3"})
		m.Replace("title", []string{"came later"})
		m.Replace("userAccountControl", []string{"514"})
	})
	require.NoError(t, d.conn.ModifyDN(ldap.NewModifyDNRequest(d.user(ou, 3), "CN=renamed", true, ou)))
	require.NoError(t, d.conn.ModifyDN(ldap.NewModifyDNRequest("OU=Inner,"+ou, "OU=Other", true, "")))
	d.add(t, "CN=later,"+ou, "objectClass", "user", "sAMAccountName", "movedlater")
	d.modify(t, group, func(m *ldap.ModifyRequest) {
		m.Delete("member", []string{`CN=User\, 2,OU=Other,` + ou})
		m.Add("member", []string{"CN=later," + ou})
	})
	before := d.dump(t, ou)

	p, j := labPlan(t, r, backup.source(), restore.Selection{}), &restoretest.Journal{}
	require.Empty(t, p.Refusals)
	require.Equal(t, map[string]restore.Action{
		`CN=User\, 1 `: restore.Undelete, `CN=User\, 1 links`: restore.Create, `CN=User\, 1 state`: restore.Create, `CN=User\, 1 member`: restore.Along,
		`CN=User\, 0 `: restore.Update, `CN=User\, 0 state`: restore.Update, `CN=User\, 3 `: restore.Update, `OU=Inner `: restore.Update,
		"CN=Group ü links": restore.Update, `CN=User\, 2 member`: restore.Along,
	}, writes(p))
	require.Equal(t, before, d.dump(t, ou))
	labApply(t, r, backup.source(), p, j, nil)
	require.Equal(t, identity, d.guid(t, d.user(ou, 1)), "it was undeleted")
	is := d.dump(t, ou)
	require.Contains(t, is, "came later")
	for line := range strings.Lines(was) {
		if !strings.Contains(line, " member ") && !strings.Contains(line, " otherTelephone ") {
			require.Contains(t, is, strings.TrimRight(line, "\n"))
		}
	}
	require.Contains(t, is, `otherTelephone ["1" "2" "3"]`)
	members := func() []string {
		found, err := d.conn.Search(ldap.NewSearchRequest(group, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"member"}, nil))
		require.NoError(t, err)
		return found.Entries[0].GetAttributeValues("member")
	}
	require.ElementsMatch(t, []string{d.user(ou, 0), d.user(ou, 1), d.user(ou, 2), "CN=later," + ou}, members())
	require.Empty(t, writes(labPlan(t, r, backup.source(), restore.Selection{})))

	undo, err := restore.UndoPlan(t.Context(), p, j, "test", time.Now())
	require.NoError(t, err)
	require.Empty(t, undo.Refusals)
	labApply(t, r, backup.source(), undo, &restoretest.Journal{}, j)
	require.Equal(t, before, d.dump(t, ou))

	// Only the user is asked for, and its memberships come with it.
	one := labPlan(t, r, backup.source(), restore.Selection{Patterns: []string{`CN=User\\, 1,*`}})
	require.Equal(t, restore.Create, writes(one)[`CN=User\, 1 member`], "%v %v", writes(one), one.Refusals)
	labApply(t, r, backup.source(), one, &restoretest.Journal{}, nil)
	require.Contains(t, members(), `CN=User\, 1,OU=Other,`+ou, "its OU has another name")
	require.Equal(t, identity, d.guid(t, `CN=User\, 1,OU=Other,`+ou))
}

// TestLabLeftAlone: names that are taken, accounts that are left alone and built-in objects.
func TestLabLeftAlone(t *testing.T) {
	d := useDC(t)
	ou := d.build(t, "alone")
	backup := d.capture(t, ou)
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(d.user(ou, 1), nil)))
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(d.user(ou, 2), nil)))
	require.NoError(t, d.conn.Del(ldap.NewDelRequest(d.user(ou, 3), nil)))
	d.add(t, "CN=squatter,"+ou, "objectClass", "user", "sAMAccountName", "ALONE1")
	d.add(t, d.user(ou, 3), "objectClass", "user", "sAMAccountName", "somebody")
	before := d.dump(t, ou)
	r := d.restorer(t, `LAB\alone2`)
	p := labPlan(t, r, backup.source(), restore.Selection{})
	codes := map[string]string{}
	for _, refused := range p.Refusals {
		if refused.Key.Phase == "" {
			for _, rec := range backup.records {
				if rec.GUID == refused.Key.ID {
					codes[rdn(rec.DN)] = refused.Code
				}
			}
		}
	}
	require.Equal(t, map[string]string{`CN=User\, 1`: refusedNameTaken, `CN=User\, 2`: refusedOwn, `CN=User\, 3`: refusedNameTaken}, codes)
	require.Equal(t, before, d.dump(t, ou))

	users := d.capture(t, "CN=Users,"+d.domain)
	p = labPlan(t, r, users.source(), restore.Selection{})
	require.Empty(t, writes(p))
	require.Empty(t, p.Refusals)
}
