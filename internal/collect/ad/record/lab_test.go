package record

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/collect/ad/ldiftest"
	"infrabackup/tests/lab"
)

// TestLabLdbadd adds objects to an ldb file of its own: ldbadd reads LDIF with a
// parser that is not OpenLDAP's.
func TestLabLdbadd(t *testing.T) {
	lab.Require(t)
	dir := t.TempDir()
	var out bytes.Buffer
	want := awkwardRecord()
	schema := importFixture()
	records := func(fn func(*Record) error) error {
		if err := schema(fn); err != nil {
			return err
		}
		return fn(want)
	}
	mine := func(r *Record) bool { return r == want }
	require.NoError(t, WriteImportLDIF(&out, records, ImportOptions{Select: mine, OmitLinks: true}))
	file := filepath.Join(dir, "import.ldif")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	text, err := exec.Command("ldbadd", "-H", filepath.Join(dir, "test.ldb"), file).CombinedOutput()
	require.NoError(t, err, "%s", text)
	text, err = exec.Command("ldbsearch", "-H", filepath.Join(dir, "test.ldb"), "-b", want.DN, "-s", "base").Output()
	require.NoError(t, err)
	got, err := ldiftest.Read(string(text))
	require.NoError(t, err)
	require.NotEmpty(t, got)
	require.Equal(t, want.DN, got[0].Value("dn"))
	for _, a := range want.Attributes {
		for _, value := range a.Values {
			require.Contains(t, got[0], [2]string{a.Name, string(value)})
		}
	}
}

// awkwardRecord has values that are easily lost. ldb has no empty values.
func awkwardRecord() *Record {
	return makeRecord("CN=Jürgen Ä,OU=Staff,"+fakeDomain, map[string][]string{
		"objectClass": {"top", "user"},
		"description": slices.DeleteFunc(slices.Clone(awkwardValues), func(v string) bool { return v == "" }),
	})
}
