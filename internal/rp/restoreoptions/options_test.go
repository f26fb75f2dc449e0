package restoreoptions

import (
	"encoding/base64"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/rp/jsonbody"
)

func parsed(t testing.TB, body string) jsonbody.Object {
	t.Helper()
	o, err := jsonbody.Parse([]byte(body))
	require.NoError(t, err)
	return o
}

// TestParse: names of roles are those of Azure Stack, in any case, and of the product.
func TestParse(t *testing.T) {
	data, err := os.ReadFile("../../seal/sealtest/testdata/locked.pfx")
	require.NoError(t, err)
	text := base64.StdEncoding.EncodeToString(data)
	for role, want := range map[string]backup.Service{"": "", "DOMAIN": backup.AD, "WAS": backup.ARM, "KeyVaultNamingService": backup.KeyVault, "ca": backup.CA, "NRP": backup.NRP} {
		service, key, err := Parse(parsed(t, `{"roleName":"`+role+`","DecryptionCertBase64":"`+text+`","decryptionCertPassword":"word"}`))
		require.NoError(t, err, role)
		require.Equal(t, want, service)
		require.Equal(t, data, key.File)
		require.Equal(t, "word", string(key.Password))
	}
}

// FuzzParse: whatever a body says, it is refused in the form of the API, without what was sent as
// a key, or has the outer form of a PFX.
func FuzzParse(f *testing.F) {
	f.Add(`{"decryptionCertBase64":"MAMCAQM=","decryptionCertPassword":"x","roleName":"was"}`)
	f.Add(`{"decryptionCertBase64":"MAMCAQMA"}`)
	f.Add(`{"decryptionCertBase64":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		o, err := jsonbody.Parse([]byte(body))
		if err != nil {
			return
		}
		_, key, err := Parse(o)
		if err != nil {
			var refused *apierror.Error
			require.True(t, errors.As(err, &refused))
			require.Equal(t, 400, refused.Status)
			return
		}
		require.EqualValues(t, 0x30, key.File[0])
	})
}
