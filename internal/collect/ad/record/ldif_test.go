package record

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/ldiftest"
	"infrabackup/internal/fault"
)

// Names in a domain of which nothing but the names is needed.
const (
	fakeDomain = "DC=corp,DC=test"
	fakeSchema = "CN=Schema,CN=Configuration," + fakeDomain
)

func fakeGUIDText(number int) string {
	text, _ := FormatGUID(append(make([]byte, 15), byte(number)))
	return text
}

var awkwardValues = []string{
	"", " ", "  lead", "trail ", ":colon", "<url", "#hash", "-", "two\nlines", "\r", "\x00", "\x7f", "Zürich", "\xff\xfe",
	"file:///etc/passwd", strings.Repeat("x", 75), strings.Repeat("long ", 100) + "end", strings.Repeat("\x01", 1000), "a: b", "plain",
}

func sample(values ...string) *Record {
	r := &Record{DN: "CN=Jürgen Ä,OU=Staff," + fakeDomain, GUID: fakeGUIDText(7), NamingContext: fakeDomain}
	a := Attribute{Name: "description"}
	for _, v := range values {
		a.Values = append(a.Values, []byte(v))
	}
	r.Attributes = []Attribute{a}
	return r
}

func TestWriteLDIF(t *testing.T) {
	var out bytes.Buffer
	r := sample(awkwardValues...)
	require.NoError(t, WriteLDIF(&out, r))
	require.NoError(t, WriteLDIF(&out, r))
	for line := range strings.SplitSeq(out.String(), "\n") {
		require.LessOrEqual(t, len(line), ldifLine)
		for _, c := range []byte(line) {
			require.True(t, c >= ' ' && c <= '~', "%q", line)
		}
		require.NotRegexp(t, `^[^ :]+: [<: ]`, line, "value that is not plainly safe")
	}
	got, err := ldiftest.Read(out.String())
	require.NoError(t, err)
	want := ldiftest.Record{{"dn", r.DN}}
	for _, v := range awkwardValues {
		want = append(want, [2]string{"description", v})
	}
	require.Equal(t, []ldiftest.Record{want, want}, got)
	full := errors.New("full")
	require.ErrorIs(t, WriteLDIF(refusingWriter{full}, r), full)
}

type refusingWriter struct{ err error }

func (r refusingWriter) Write([]byte) (int, error) { return 0, r.err }

func FuzzWriteLDIF(f *testing.F) {
	for _, v := range awkwardValues {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var out bytes.Buffer
		if err := WriteLDIF(&out, sample(string(value))); err != nil {
			t.Fatal(err)
		}
		got, err := ldiftest.Read(out.String())
		if err != nil || len(got) != 1 || len(got[0]) != 2 || got[0][1][1] != string(value) {
			t.Fatalf("%q became %q (%v)", value, got, err)
		}
	})
}

func makeRecord(dn string, attributes map[string][]string) *Record {
	r := &Record{DN: dn, GUID: fakeGUIDText(1), NamingContext: fakeDomain}
	for name, values := range attributes {
		a := Attribute{Name: name}
		for _, v := range values {
			a.Values = append(a.Values, []byte(v))
		}
		r.Attributes = append(r.Attributes, a)
	}
	return r
}

func importFixture() Records {
	attribute := func(name string, more map[string][]string) *Record {
		all := map[string][]string{"objectClass": {"top", "attributeSchema"}, "lDAPDisplayName": {name}}
		for k, v := range more {
			all[k] = v
		}
		return makeRecord("CN="+name+","+fakeSchema, all)
	}
	gone := makeRecord(`CN=gone\0ADEL:1,CN=Deleted Objects,`+fakeDomain, map[string][]string{"objectClass": {"user"}})
	gone.Deleted = true
	all := []*Record{
		makeRecord("CN=child,OU=Staff,"+fakeDomain, map[string][]string{"objectClass": {"top", "user"}, "userAccountControl": {"512"}, "memberOf": {"CN=g"}}),
		makeRecord("CN=All,"+fakeDomain, map[string][]string{
			"objectClass": {"top", "group"}, "member": {"CN=child,OU=Staff," + fakeDomain, `CN=gone\0ADEL:1,CN=Deleted Objects,` + fakeDomain},
			"objectSid": {"\x01"}, "whenCreated": {"x"}, "badPwdCount": {"1"}, "tokenGroups": {"x"}, "unheardOf": {"x"},
		}),
		makeRecord("OU=Staff,"+fakeDomain, map[string][]string{"objectClass": {"top", "organizationalUnit"}, "description": {"x"}, "nTSecurityDescriptor": {"x"}}),
		makeRecord(fakeDomain, map[string][]string{"objectClass": {"domainDNS"}, "description": {"head"}}),
		makeRecord("CN=Builtin,"+fakeDomain, map[string][]string{"objectClass": {"builtinDomain"}, "isCriticalSystemObject": {"TRUE"}}),
		makeRecord("CN=Own,"+fakeDomain, map[string][]string{"objectClass": {"top", "rIDSet"}}),
		makeRecord("CN=RID-Set,"+fakeSchema, map[string][]string{"objectClass": {"classSchema"}, "lDAPDisplayName": {"rIDSet"}, "systemOnly": {"TRUE"}}),
		gone,
		attribute("member", map[string][]string{"linkID": {"2"}}), attribute("memberOf", map[string][]string{"linkID": {"3"}, "systemOnly": {"TRUE"}}),
		attribute("description", nil), attribute("userAccountControl", nil), attribute("nTSecurityDescriptor", nil),
		attribute("objectSid", map[string][]string{"systemOnly": {"TRUE"}}), attribute("whenCreated", map[string][]string{"systemOnly": {"TRUE"}}),
		attribute("badPwdCount", map[string][]string{"systemFlags": {"17"}}), attribute("tokenGroups", map[string][]string{"systemFlags": {"134217748"}}),
	}
	return func(fn func(*Record) error) error {
		for _, r := range all {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestWriteImportLDIF(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteImportLDIF(&out, importFixture(), ImportOptions{}))
	got, err := ldiftest.Read(out.String())
	require.NoError(t, err)
	require.Len(t, got, 4)
	require.ElementsMatch(t, ldiftest.Record{{"dn", "CN=All," + fakeDomain}, {"changetype", "add"}, {"objectClass", "top"}, {"objectClass", "group"}}, got[0])
	require.ElementsMatch(t, ldiftest.Record{{"dn", "OU=Staff," + fakeDomain}, {"changetype", "add"}, {"objectClass", "top"},
		{"objectClass", "organizationalUnit"}, {"description", "x"}}, got[1])
	require.ElementsMatch(t, ldiftest.Record{{"dn", "CN=child,OU=Staff," + fakeDomain}, {"changetype", "add"}, {"objectClass", "top"},
		{"objectClass", "user"}, {"userAccountControl", "514"}}, got[2])
	require.Equal(t, ldiftest.Record{{"dn", "CN=All," + fakeDomain}, {"control", permissiveModify + " true"}, {"changetype", "modify"},
		{"add", "member"}, {"member", "CN=child,OU=Staff," + fakeDomain}}, got[3])

	out.Reset()
	onlyStaff := func(r *Record) bool { return strings.Contains(r.DN, "OU=Staff") }
	require.NoError(t, WriteImportLDIF(&out, importFixture(), ImportOptions{Select: onlyStaff, OmitLinks: true}))
	require.Equal(t, 2, strings.Count(out.String(), "dn: "))
	require.NotContains(t, out.String(), "modify")

	out.Reset()
	require.NoError(t, WriteImportLDIF(&out, importFixture(), ImportOptions{OmitObjects: true}))
	require.NotContains(t, out.String(), "changetype: add")

	none := func(func(*Record) error) error { return nil }
	require.ErrorIs(t, WriteImportLDIF(&out, none, ImportOptions{}), fault.ItemNotFound)
	own := errors.New("own")
	failing := func(func(*Record) error) error { return own }
	require.ErrorIs(t, WriteImportLDIF(&out, failing, ImportOptions{}), own)
	require.ErrorIs(t, WriteImportLDIF(refusingWriter{own}, importFixture(), ImportOptions{}), own)
}

func TestDepth(t *testing.T) {
	for dn, want := range map[string]int{"DC=x": 1, "CN=a,DC=x": 2, `CN=a\,b,DC=x`: 2, `CN=a\\,DC=x`: 2, `CN=a\2Cb,DC=x`: 2} {
		require.Equal(t, want, depth(dn), dn)
	}
}
