package directory

import (
	"bytes"
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ad/record"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

var update = flag.Bool("update", false, "write golden files")

const (
	guidUser  = "11111111-1111-4111-8111-111111111111"
	guidGroup = "22222222-2222-4222-8222-222222222222"
	guidBoss  = "33333333-3333-4333-8333-333333333333"
	corp      = "DC=corp,DC=example"
)

// sidOf is a SID of a domain with a relative identifier.
func sidOf(rid byte) string {
	return "\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00" + string([]byte{rid, 0x10, 0, 0})
}

// newRecord makes a record of names and values; a value that begins with a GUID and a bar is
// a link.
func newRecord(dn, guid string, pairs ...string) *record.Record {
	r := &record.Record{DN: dn, GUID: guid, NamingContext: corp}
	for i := 0; i < len(pairs); i += 2 {
		a := r.Attribute(pairs[i])
		if a == nil {
			r.Attributes = append(r.Attributes, record.Attribute{Name: pairs[i]})
			a = &r.Attributes[len(r.Attributes)-1]
		}
		if target, name, ok := strings.Cut(pairs[i+1], "|"); ok && record.ValidGUID(target) {
			a.Targets, a.Values = append(a.Targets, target), append(a.Values, []byte(name))
		} else {
			a.Values = append(a.Values, []byte(pairs[i+1]))
		}
	}
	slices.SortFunc(r.Attributes, func(a, b record.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return r
}

func user(more ...string) *record.Record {
	return newRecord(`CN=Doe\, J,OU=People,`+corp, guidUser, append([]string{
		"objectClass", "top", "objectClass", "person", "objectClass", "user", "cn", "Doe, J", "name", "Doe, J", "sAMAccountName", "doe", "userPrincipalName", "doe@corp.example",
		"objectSid", sidOf(4), "objectGUID", "x", "userAccountControl", "528", "primaryGroupID", "513", "pwdLastSet", "133", "whenCreated", "20260101000000.0Z", "description", "b", "otherTelephone", "2", "otherTelephone", "1",
		"nTSecurityDescriptor", "sd", "memberOf", guidGroup + "|CN=G," + corp, "manager", guidBoss + "|CN=Boss," + corp, "directReports", guidBoss + "|CN=Boss," + corp,
	}, more...)...)
}

func item(r *record.Record) restore.Item {
	return restore.Item{CatalogEntry: backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: record.Kind, ID: r.GUID, Name: r.DN}},
		Read: func(context.Context) ([]byte, error) { return r.AppendJSON(nil), nil }}
}

func offline(own ...string) *Restorer { return &Restorer{options: Options{Own: own}} }

func wantsOf(t *testing.T, r *Restorer, rec *record.Record) (map[string]restore.Want, []restore.Loss) {
	t.Helper()
	wants, losses, err := r.Wants([]restore.Item{item(rec)}, mapping.Empty())
	require.NoError(t, err)
	byPhase := map[string]restore.Want{}
	for _, w := range wants {
		byPhase[w.Phase] = w
	}
	require.Len(t, byPhase, len(wants))
	return byPhase, losses
}

// TestWantsGolden: what would be written of a user, and what is lost, changes on purpose only.
func TestWantsGolden(t *testing.T) {
	wants, losses, err := offline().Wants([]restore.Item{item(user())}, mapping.Empty())
	require.NoError(t, err)
	var out bytes.Buffer
	for _, w := range wants {
		out.WriteString(w.Key.String() + "\n")
		out.Write(append(w.Body, '\n'))
		for _, n := range w.Needs {
			out.WriteString("  needs " + n.Relation + " " + n.Target + "\n")
		}
	}
	for _, l := range losses {
		out.WriteString(l.Code + ": " + l.Detail + "\n")
	}
	const file = "testdata/user.golden"
	if *update {
		require.NoError(t, os.WriteFile(file, out.Bytes(), 0o644))
	}
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(golden), out.String())
}

// TestNothingUnwritable: none of what restore refuses on Add or Modify is in a body.
func TestNothingUnwritable(t *testing.T) {
	r := user()
	// What a controller was seen to refuse, or to store although it means nothing for an
	// object that is created again.
	for _, name := range []string{"sIDHistory", "sAMAccountType", "isCriticalSystemObject", "tokenGroups", "supplementalCredentials", "ntPwdHistory", "dBCSPwd", "whenChanged", "uSNCreated", "uSNChanged",
		"distinguishedName", "systemFlags", "lastLogon", "lastLogoff", "lastLogonTimestamp", "logonCount", "badPwdCount", "badPasswordTime", "lockoutTime", "operatorCount", "adminCount", "lastKnownParent",
		"dSCorePropagationData", "isRecycled", "msDS-LastKnownRDN", "objectCategory", "instanceType", "unicodePwd", "msDS-User-Account-Control-Computed", "replPropertyMetaData"} {
		if r.Attribute(name) == nil {
			r.Attributes = append(r.Attributes, record.Attribute{Name: name, Values: [][]byte{[]byte("0")}})
		}
	}
	slices.SortFunc(r.Attributes, func(a, b record.Attribute) int { return strings.Compare(a.Name, b.Name) })
	wants, _ := wantsOf(t, offline(), r)
	object, err := decodeBody(wants[phaseObject].Body)
	require.NoError(t, err)
	require.Equal(t, []string{"description", "otherTelephone", "sAMAccountName", "userPrincipalName"}, object.names())
	links, err := decodeBody(wants[phaseLinks].Body)
	require.NoError(t, err)
	require.Equal(t, []string{"manager"}, links.names())
	require.Equal(t, []attribute{{Name: userAccountControl, Values: [][]byte{[]byte("514")}}}, object.Create, "made disabled, not locked out")
}

func TestGuards(t *testing.T) {
	critical := newRecord("CN=Users,"+corp, guidUser, "objectClass", "top", "objectClass", "container", "isCriticalSystemObject", "TRUE", "description", "d")
	admins := newRecord("CN=Domain Admins,CN=Users,"+corp, guidUser, "objectClass", "top", "objectClass", "group", "objectSid", strings.Replace(sidOf(0), "\x00\x10\x00\x00", "\x00\x02\x00\x00", 1), "member", guidBoss+"|CN=Boss,"+corp, "description", "d")
	for name, row := range map[string]struct {
		record *record.Record
		own    string
		code   string
		phases []string
	}{
		"ordinary":          {user(), "", "", []string{"", "links", "member of " + guidGroup, "primary group", "state"}},
		"own by UPN":        {user(), "DOE@corp.example", refusedOwn, []string{""}},
		"own by realm":      {user(), "doe@other", refusedOwn, []string{""}},
		"own by down-level": {user(), `CORP\Doe`, refusedOwn, []string{""}},
		"own by name":       {user(), `cn=doe\, j,ou=people,` + corp, refusedOwn, []string{""}},
		"own by SID":        {user(), "S-1-5-21-1-2-3-4100", refusedOwn, []string{""}},
		"critical":          {critical, "", refusedBuiltIn, []string{""}},
		"well-known":        {admins, "", refusedBuiltIn, []string{"", "links"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := offline(row.own)
			if row.own == "" {
				r = offline()
			}
			wants, _ := wantsOf(t, r, row.record)
			var phases []string
			for phase := range wants {
				phases = append(phases, phase)
			}
			require.ElementsMatch(t, row.phases, phases)
			there := stateOf(t, &document{GUID: guidUser, DN: row.record.DN, Placed: true}, phaseObject)
			gone := restore.State{Digest: restore.AbsentDigest}
			if row.code == "" {
				require.Equal(t, restore.Create, r.Verdict(wants[""], gone, mapping.Empty()).Action)
				return
			}
			require.True(t, r.Verdict(wants[""], there, mapping.Empty()).Same, "what is there is left alone")
			require.Equal(t, row.code, r.Verdict(wants[""], gone, mapping.Empty()).Refused.Code)
		})
	}
}

func TestNever(t *testing.T) {
	for _, row := range []struct{ dn, context, class, code string }{
		{"CN=Person,CN=Schema,CN=Configuration," + corp, "CN=Schema,CN=Configuration," + corp, "classSchema", lossSchema},
		{"CN=Sites,CN=Configuration," + corp, "CN=Configuration," + corp, "sitesContainer", lossNotYet},
		{"DC=x,DC=DomainDnsZones," + corp, "DC=DomainDnsZones," + corp, "dnsNode", lossSystemClass},
		{corp, corp, "domainDNS", lossNotYet},
		{"CN={1},CN=Policies,CN=System," + corp, corp, "groupPolicyContainer", lossNotYet},
		{"CN=S-1-5-11,CN=ForeignSecurityPrincipals," + corp, corp, "foreignSecurityPrincipal", lossSystemClass},
	} {
		r := newRecord(row.dn, guidUser, "objectClass", "top", "objectClass", row.class)
		r.NamingContext = row.context
		wants, losses := wantsOf(t, offline(), r)
		require.Empty(t, wants, row.dn)
		require.Len(t, losses, 1)
		require.Equal(t, row.code, losses[0].Code, row.dn)
	}
	deleted := user("isDeleted", "TRUE")
	deleted.Deleted = true
	wants, losses := wantsOf(t, offline(), deleted)
	require.Empty(t, wants)
	require.Empty(t, losses)
	_, losses, err := offline().Wants([]restore.Item{{CatalogEntry: backup.CatalogEntry{Service: backup.AD, Item: backup.Item{Kind: "policy-file", ID: "a"}}}}, mapping.Empty())
	require.NoError(t, err)
	require.Equal(t, lossNotYet, losses[0].Code)
}

func TestDamagedRecords(t *testing.T) {
	for name, document := range map[string]string{"none": "", "no record": "{}", "another object's": string(newRecord("CN=x,"+corp, guidBoss, "objectClass", "top").AppendJSON(nil))} {
		one := item(user())
		one.Read = func(context.Context) ([]byte, error) { return []byte(document), nil }
		_, _, err := offline().Wants([]restore.Item{one}, mapping.Empty())
		require.ErrorIs(t, err, fault.BackupDamaged, name)
	}
}

// FuzzWants: whatever a record holds, wants are the same each time, their keys differ, their
// bodies can be read, and verdicts on them do not fail.
func FuzzWants(f *testing.F) {
	f.Add(user().AppendJSON(nil))
	f.Add(newRecord("CN=x,"+corp, guidGroup, "objectClass", "group", "member", guidUser+"|B:2:00:CN=a,"+corp, "objectSid", "\x01").AppendJSON(nil))
	f.Add([]byte(`{"dn":"=","guid":"` + guidUser + `","namingContext":",","attributes":[{"name":"objectClass","values":[""]}]}`))
	f.Add([]byte(`{"dn":"\\","guid":"` + guidUser + `","namingContext":"dc=","attributes":[{"name":"member","values":[""],"targets":[""]},{"name":"objectClass","values":["x"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := record.Decode(data)
		if err != nil {
			return
		}
		r := offline("doe@corp.example")
		wants, losses, err := r.Wants([]restore.Item{item(rec)}, mapping.Empty())
		require.NoError(t, err)
		again, lost, err := r.Wants([]restore.Item{item(rec)}, mapping.Empty())
		require.NoError(t, err)
		require.Equal(t, wants, again)
		require.Equal(t, losses, lost)
		keys := map[restore.Key]bool{}
		for _, w := range wants {
			require.False(t, keys[w.Key])
			keys[w.Key] = true
			b, err := decodeBody(w.Body)
			require.NoError(t, err)
			encoded, err := b.encode()
			require.NoError(t, err)
			require.Equal(t, string(w.Body), string(encoded))
			r.Verdict(w, restore.State{Digest: restore.AbsentDigest}, mapping.Empty())
		}
	})
}
