package keyvault

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitID(t *testing.T) {
	for id, want := range map[string][2]string{
		"https://kv.vault.x/secrets/name":                  {"name", ""},
		"https://KV.vault.x/secrets/Name-1/":               {"Name-1", ""},
		"https://kv.vault.x/secrets/name/0123456789abcdef": {"name", "0123456789abcdef"},
	} {
		name, version, err := splitID(id, "kv.vault.x", "secrets")
		require.NoError(t, err, id)
		require.Equal(t, want, [2]string{name, version})
	}
	for _, id := range []string{
		"", "name", "https://other.vault.x/secrets/name", "http://kv.vault.x/secrets/name", "https://kv.vault.x:444/secrets/name",
		"https://kv.vault.x/keys/name", "https://kv.vault.x/secrets", "https://kv.vault.x/secrets/", "https://kv.vault.x/secrets/../keys",
		"https://kv.vault.x/secrets/a/b/c", "https://kv.vault.x/secrets/a b", "https://kv.vault.x/secrets/name/..", "https://kv.vault.x/secrets/" + strings.Repeat("a", 128),
	} {
		_, _, err := splitID(id, "kv.vault.x", "secrets")
		require.Error(t, err, id)
	}
}

func FuzzSplitID(f *testing.F) {
	f.Add("https://kv.vault.x/secrets/name/0123")
	f.Add("https://kv.vault.x/secrets/%2e%2e/keys")
	f.Fuzz(func(t *testing.T, id string) {
		name, version, err := splitID(id, "kv.vault.x", "secrets")
		if err == nil {
			require.Regexp(t, `^[0-9a-zA-Z-]{1,127}$`, name)
			require.Regexp(t, `^[0-9a-zA-Z]{0,64}$`, version)
		}
	})
}

func FuzzIssuedBy(f *testing.F) {
	f.Add([]byte(`{"cer":"AAAA"}`))
	f.Add([]byte(`{"cer":1}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		for _, r := range issuedBy(document) {
			require.Regexp(t, `^key-id:([0-9a-f]{2})+$`, r.Target)
		}
	})
}
