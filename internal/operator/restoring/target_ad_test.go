package restoring

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// TestDirectoryThatDoesNotAnswer: a target with a domain is asked which one it is before
// anything is planned.
func TestDirectoryThatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewUnstartedServer(nil)
	server.Config.ReadHeaderTimeout = 100 * time.Millisecond // what it is asked is no line that ends
	server.StartTLS()
	defer server.Close()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "password"), []byte("canary\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	open := func(url string) error {
		file := filepath.Join(dir, "target.yaml")
		text := fmt.Sprintf("name: b\nfqdn: b.example.com\ndeploymentId: 99999999-2222-4333-8444-555555555555\nad: {url: %q, caFile: ca.pem, username: svc@b, passwordFile: password}\n", url)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		target, err := OpenTarget(t.Context(), file)
		require.Nil(t, target)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "canary")
		return err
	}
	// It is a web server, and no domain controller.
	require.True(t, strings.HasPrefix(string(fault.CodeOf(open(strings.Replace(server.URL, "https", "ldaps", 1)))), "TARGET_"))
	require.ErrorIs(t, open("ldap://127.0.0.1"), fault.ConfigInvalid)
}
