package sources_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/sources"
)

func TestCollectors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	good := config.AD{
		URL: "ldaps://dc1.example.com", Username: "svc@example.com", PasswordFile: write("password", []byte("canary\n")),
		CAFile: write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})),
	}
	both, done, err := sources.Collectors(config.Sources{AD: &good, CA: &config.CA{Dir: dir}})
	require.NoError(t, err)
	defer done()
	require.Len(t, both, 2)
	require.Equal(t, backup.AD, both[0].Service())
	require.Equal(t, backup.CA, both[1].Service())

	for name, change := range map[string]func(*config.AD){
		"junk for the CA":  func(a *config.AD) { a.CAFile = write("junk.pem", []byte("junk")) },
		"no CA file":       func(a *config.AD) { a.CAFile = filepath.Join(dir, "none") },
		"endless CA file":  func(a *config.AD) { a.CAFile = "/dev/zero" },
		"no password file": func(a *config.AD) { a.PasswordFile = filepath.Join(dir, "none") },
		"plain LDAP":       func(a *config.AD) { a.URL = "ldap://dc1.example.com" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			change(&bad)
			_, _, err := sources.Collectors(config.Sources{AD: &bad})
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
