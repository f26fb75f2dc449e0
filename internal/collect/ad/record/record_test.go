package record

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecordRoundTrip(t *testing.T) {
	r := sample(awkwardValues...)
	r.DN = "CN=<a>&\"b\" \u2028 Ä\x7f," + fakeDomain
	r.Deleted = true
	r.Attributes = append(r.Attributes, Attribute{Name: "member", Values: [][]byte{[]byte("CN=x"), {}}, Targets: []string{fakeGUIDText(3), ""}})
	document := r.AppendJSON(nil)
	require.NotContains(t, string(document), "\n")
	require.LessOrEqual(t, len(document), 2*r.Size())
	got, err := Decode(document)
	require.NoError(t, err)
	require.Equal(t, document, got.AppendJSON(nil))
	require.Equal(t, r.DN, got.DN)
	require.Equal(t, r.Attributes[1], got.Attributes[1])
	for i, v := range awkwardValues {
		require.Equal(t, v, string(got.Attributes[0].Values[i]))
	}
}

const validRecord = `{"dn":"CN=x","guid":"31b2f340-016d-11d2-945f-00c04fb984f9","namingContext":"DC=x","attributes":[{"name":"cn","values":["eA=="]}]}`

func TestDecodeRecordRefuses(t *testing.T) {
	_, err := Decode([]byte(validRecord))
	require.NoError(t, err)
	replace := func(old, new string) string {
		out := strings.Replace(validRecord, old, new, 1)
		require.NotEqual(t, validRecord, out)
		return out
	}
	tests := map[string]string{
		"nothing":               "",
		"null":                  "null",
		"cut":                   validRecord[:60],
		"something behind":      validRecord + "{}",
		"spaces":                " " + validRecord,
		"unknown field":         replace(`"dn"`, `"x":1,"dn"`),
		"field in another case": replace(`"dn"`, `"DN"`),
		"field twice":           replace(`"dn":"CN=x"`, `"dn":"CN=y","dn":"CN=x"`),
		"no name":               replace(`CN=x`, ``),
		"no naming context":     replace(`DC=x`, ``),
		"GUID in upper case":    replace(`31b2f340`, `31B2F340`),
		"short GUID":            replace(`31b2f340`, `31b2f34`),
		"deleted false":         replace(`"attributes"`, `"deleted":false,"attributes"`),
		"no attributes":         replace(`{"name":"cn","values":["eA=="]}`, ``),
		"attribute twice":       replace(`]}]`, `]},{"name":"cn","values":["eA=="]}]`),
		"out of order":          replace(`]}]`, `]},{"name":"bn","values":["eA=="]}]`),
		"no values":             replace(`"eA=="`, ``),
		"null value":            replace(`"eA=="`, `null`),
		"not base64":            replace(`eA==`, `e`),
		"unpadded base64":       replace(`eA==`, `eA`),
		"loose base64":          replace(`eA==`, `eB==`),
		"line feed in base64":   replace(`eA==`, `eA=\n=`),
		"odd attribute name":    replace(`"cn"`, `"c\nn"`),
		"too few targets":       replace(`["eA=="]`, `["eA==","eA=="],"targets":[""]`),
		"target is no GUID":     replace(`["eA=="]`, `["eA=="],"targets":["x"]`),
		"invalid UTF-8":         replace(`CN=x`, "CN=\xff"),
		"escaped needlessly":    replace(`CN=x`, `CN=\u0078`),
	}
	for name, document := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode([]byte(document))
			require.Error(t, err)
		})
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(validRecord))
	f.Add(sample(awkwardValues...).AppendJSON(nil))
	f.Fuzz(func(t *testing.T, document []byte) {
		r, err := Decode(document)
		if err != nil {
			return
		}
		if !bytes.Equal(r.AppendJSON(nil), document) {
			t.Fatal("a record has two forms")
		}
		if err := WriteLDIF(bytes.NewBuffer(nil), r); err != nil {
			t.Fatal(err)
		}
	})
}
