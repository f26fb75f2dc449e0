package keyvault

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSplitID(t *testing.T) {
	for id, want := range map[string][2]string{
		"https://kv.vault.x/secrets/name":                  {"name", ""},
		"https://kv.vault.x:443/secrets/name":              {"name", ""},
		"https://kv.vault.x./secrets/na%6de":               {"name", ""},
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
		"https://kv.vault.x/secrets/a/b/c", "https://kv.vault.x/secrets/a b", "https://kv.vault.x/secrets/name/..", "https://kv.vault.x/secrets//name", "https://kv.vault.x/secrets/name?x", "https://kv.vault.x/secrets/name#x",
		"https://user@kv.vault.x/secrets/name", "https://kv.vault.x/secrets/n%2fame", "https://kv.vault.x/secrets/" + strings.Repeat("a", 128),
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

func TestAttributes(t *testing.T) {
	at := time.Unix(1000, 0)
	for item, want := range map[string]string{
		`{}`:                              "",
		`{"attributes":null}`:             "",
		`{"attributes":[false]}`:          "",
		`{"attributes":{"enabled":null}}`: "",
		`{"attributes":{"enabled":true,"exp":1001,"nbf":1000}}`:      "",
		`{"attributes":{"enabled":false}}`:                           GapDisabled,
		`{"attributes":{"enabled":"false"}}`:                         GapDisabled,
		`{"attributes":{"enabled":false,"exp":1,"nbf":5000}}`:        GapDisabled,
		`{"attributes":{"enabled":true,"exp":1000}}`:                 GapExpired,
		`{"attributes":{"enabled":true,"nbf":1001}}`:                 GapNotYetValid,
		`{"attributes":{"exp":-1,"nbf":-1}}`:                         "",
		`{"attributes":{"exp":9e99,"nbf":"soon"}}`:                   "",
		`{"attributes":{"enabled":true,"exp":99999999999999999999}}`: "",
	} {
		require.Equal(t, want, attributesOf([]byte(item)).closed(at), item)
	}
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte(`{"attributes":{"enabled":false,"exp":1,"nbf":2}}`), int64(1))
	f.Fuzz(func(t *testing.T, item []byte, at int64) {
		a := attributesOf(item)
		code := a.closed(time.Unix(at, 0))
		require.Equal(t, a.disabled, code == GapDisabled)
		require.True(t, code == "" || closedReasons[code] != "")
	})
}
