package e2e

import (
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
)

// pfxOf makes a PFX of a certificate and its key, as an operator does.
func pfxOf(t *testing.T, certificate, key []byte, password string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cert.der"), certificate, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pem"), key, 0o600))
	for _, args := range [][]string{
		{"x509", "-inform", "DER", "-in", "cert.der", "-out", "cert.pem"},
		{"pkcs12", "-export", "-in", "cert.pem", "-inkey", "key.pem", "-out", "key.pfx", "-passout", "pass:" + password},
	} {
		cmd := exec.CommandContext(t.Context(), "openssl", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return base64.StdEncoding.EncodeToString([]byte(readAll(t, filepath.Join(dir, "key.pfx"))))
}

// TestServeRestores lets a client of Azure Stack restore: one call with the certificate, across a
// crash of the process, into the target that the configuration names.
func TestServeRestores(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	p := o.serveWith(o.env["TEMPORAL_ADDRESS"], "")
	config := strings.Replace(readAll(t, o.file("serve.yaml")), "deploymentId: "+subscription+"}", "deploymentId: "+subscription+", restore: {target: site-c}}", 1)
	require.Contains(t, config, "target: site-c")

	certificate, key := rsaCertificate(t)
	const password = "canary-of-the-pfx"
	pfx := pfxOf(t, certificate, key, password)
	require.Equal(t, http.StatusOK, p.done(p.ask(http.MethodPut, "", store(m{
		"path": o.env["LAB_SHARE"], "userName": o.env["LAB_SHARE_USER"], "password": strings.TrimSpace(readAll(t, o.env["LAB_SHARE_PASSWORD_FILE"])),
		"encryptionCertBase64": base64.StdEncoding.EncodeToString(certificate),
	}))).status)
	require.Equal(t, http.StatusOK, p.done(p.ask(http.MethodPost, "/createBackup", nil)).status)
	id := o.listed()[0].BackupID
	at, options := "/backups/"+string(id)+"/restore", m{"roleName": "CA", "decryptionCertBase64": pfx, "decryptionCertPassword": password}
	refused := p.ask(http.MethodPost, at, options)
	require.Equal(t, http.StatusConflict, refused.status)
	require.Contains(t, string(refused.body), "RestoreNotAvailable", "no target is named")

	p.stop()
	o.write("serve.yaml", config)
	p.start()
	require.Eventually(t, func() bool { return p.ask(http.MethodGet, "/backups/"+string(id), nil).status == http.StatusOK }, time.Minute, 200*time.Millisecond)
	wrong := p.ask(http.MethodPost, at, m{"decryptionCertBase64": pfx, "decryptionCertPassword": "canary-wrong-password"})
	require.Equal(t, http.StatusBadRequest, wrong.status, "%s", wrong.body)
	require.Contains(t, string(wrong.body), "KeyPassword")
	other, otherKey := rsaCertificate(t)
	wrong = p.ask(http.MethodPost, at, m{"decryptionCertBase64": pfxOf(t, other, otherKey, password), "decryptionCertPassword": password})
	require.Equal(t, http.StatusBadRequest, wrong.status, "%s", wrong.body)
	require.Contains(t, string(wrong.body), "KeyDoesNotFit")
	require.Empty(t, held(t, o.file("restored")))

	begun := p.ask(http.MethodPost, at, options)
	p.kill()
	p.start()
	end := p.done(begun)
	require.Equal(t, http.StatusOK, end.status, "%s", end.body)
	require.Empty(t, end.body)
	require.NotEmpty(t, held(t, o.file("restored")), "the CA is there")

	// The owner of the private key can read the plan with the command line, and take it back.
	o.write("operator.pem", string(key))
	all := into[[]struct {
		PlanID, State string
		BackupID      backup.ID
	}](t, o.run("restore", "list", "--identity", o.file("operator.pem"), "-o", "json"))
	require.Len(t, all, 1)
	require.Equal(t, id, all[0].BackupID)
	require.Equal(t, "ended", all[0].State)

	log := readAll(t, p.log) + readAll(t, o.log)
	for _, canary := range []string{password, "canary-wrong-password", pfx[200:260]} {
		require.NotContains(t, log, canary)
	}
}
