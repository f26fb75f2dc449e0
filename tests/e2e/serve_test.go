package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/schedule"
	"infrabackup/tests/lab"
)

const subscription = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"

// provider is a process that serves API and page for an operator's instance.
type provider struct {
	o            *operator
	base, token  string
	first        string       // ID of the token
	client       *http.Client // of the API
	cmd          *exec.Cmd
	log          string
	certificates *x509.CertPool
}

// serve starts one, with a token of an owner.
func (o *operator) serve() *provider { return o.serveWith(o.env["TEMPORAL_ADDRESS"], "") }

// serveWith is serve with another way to the Temporal server, and further lines of the
// configuration.
func (o *operator) serveWith(temporal, further string) *provider {
	o.t.Helper()
	port, err := lab.FreePort()
	require.NoError(o.t, err)
	p := &provider{o: o, base: fmt.Sprintf("https://127.0.0.1:%d", port), log: o.file("serve.log"), certificates: x509.NewCertPool()}
	certificate, key := selfSigned(o.t, "serve")
	p.certificates.AppendCertsFromPEM(certificate)
	o.write("serve.pem", string(certificate))
	o.write("serve.key", string(key))
	o.write("serve.yaml", fmt.Sprintf(`listen: 127.0.0.1:%d
baseUrl: %s
tls: {certFile: serve.pem, keyFile: serve.key}
subscriptionId: %s
stateDir: state
temporal: {address: %s, namespace: default}
codec: {keyFile: codec.keys}
instances:
  - {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: %s}
%s`, port, p.base, subscription, temporal, o.instance, subscription, further))
	made := p.newToken("test")
	p.first, p.token = made.ID, made.Token
	p.client = &http.Client{Timeout: time.Minute, Transport: p.transport()}
	p.start()
	o.t.Cleanup(p.stop)
	return p
}

// madeToken is an API token.
type madeToken struct{ ID, Token string }

// newToken makes a token of an owner.
func (p *provider) newToken(name string) madeToken {
	p.o.t.Helper()
	return into[madeToken](p.o.t, p.o.run("token", "create", name, "--role", "owner", "--config", p.o.file("serve.yaml"), "-o", "json"))
}

func (p *provider) transport() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.certificates, MinVersion: tls.VersionTLS13}}
}

func (p *provider) start() {
	p.o.t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(p.o.t, err)
	defer func() { require.NoError(p.o.t, log.Close()) }() // the process has its own
	p.cmd = exec.Command(filepath.Join(binaries(p.o.t), "infrabackup"), "serve", "--config", p.o.file("serve.yaml"))
	p.cmd.Env = append(os.Environ(), p.o.traces.environment()...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(p.o.t, p.cmd.Start())
	require.Eventually(p.o.t, func() bool {
		answer, err := p.client.Get(p.base + "/metadata/endpoints?api-version=2015-01-01")
		if err == nil {
			err = answer.Body.Close()
		}
		return err == nil
	}, time.Minute, 50*time.Millisecond)
}

// kill ends the process as a power cut does.
func (p *provider) kill() {
	p.o.t.Helper()
	require.NoError(p.o.t, p.cmd.Process.Kill())
	_ = p.cmd.Wait() // it was killed
}

func (p *provider) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended
	if err := p.cmd.Wait(); err != nil {
		p.o.t.Errorf("serve did not end in order: %v", err)
	}
}

// selfSigned makes a certificate for the loopback address, and its key, in PEM.
func selfSigned(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// apiAnswer is what the API said.
type apiAnswer struct {
	status int
	header http.Header
	body   []byte
}

// ask calls the API below the instance's location.
func (p *provider) ask(method, path string, body any) apiAnswer {
	p.o.t.Helper()
	return p.askAt("2018-09-01", method, path, body)
}

func (p *provider) askAt(version, method, path string, body any) apiAnswer {
	p.o.t.Helper()
	return p.at(method, p.location(path)+"?api-version="+version, body)
}

// location is an address below the instance's location.
func (p *provider) location(path string) string {
	return p.base + "/subscriptions/" + subscription + "/resourceGroups/System.local/providers/Microsoft.Backup.Admin/backupLocations/local" + path
}

// at calls the API, and waits where it is called too often.
func (p *provider) at(method, address string, body any) apiAnswer {
	p.o.t.Helper()
	var a apiAnswer
	require.Eventually(p.o.t, func() bool {
		var err error
		a, err = p.try(method, address, body)
		require.NoError(p.o.t, err)
		return a.status != http.StatusTooManyRequests
	}, time.Minute, 250*time.Millisecond)
	return a
}

// try is at for a process that may be killed meanwhile.
func (p *provider) try(method, address string, body any) (apiAnswer, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return apiAnswer{}, err
	}
	if body == nil {
		data = nil
	}
	r, err := http.NewRequestWithContext(p.o.t.Context(), method, address, bytes.NewReader(data))
	if err != nil {
		return apiAnswer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	out, err := p.client.Do(r)
	if err != nil {
		return apiAnswer{}, err
	}
	defer func() { _ = out.Body.Close() }() // only read
	data, err = io.ReadAll(out.Body)
	return apiAnswer{out.StatusCode, out.Header, data}, err
}

// done follows an operation that was accepted to its end.
func (p *provider) done(a apiAnswer) apiAnswer {
	p.o.t.Helper()
	require.Equal(p.o.t, http.StatusAccepted, a.status, "%s", a.body)
	require.Empty(p.o.t, a.body)
	location := a.header.Get("Location")
	require.True(p.o.t, strings.HasPrefix(location, p.base+"/"), location)
	var end apiAnswer
	require.Eventually(p.o.t, func() bool {
		end = p.at(http.MethodGet, location, nil)
		return end.status != http.StatusAccepted
	}, 3*time.Minute, 200*time.Millisecond)
	return end
}

type m = map[string]any

func store(members m) m { return m{"properties": m{"externalStoreDefault": members}} }

// TestServe drives a whole life through the API, as clients written for Azure Stack do, and
// looks at the page: enable, a refused share, a backup across a crash of the process, changes,
// a prune, the refusal of a restore, an alert that the command line acknowledges.
func TestServe(t *testing.T) {
	t.Parallel()
	o := newOperatorWith(t, onlyCA)
	p := o.serve()
	password := readAll(t, o.env["LAB_SHARE_PASSWORD_FILE"])
	certificate, _ := rsaCertificate(t)
	wanted := m{"path": o.env["LAB_SHARE"], "userName": o.env["LAB_SHARE_USER"], "password": "canary-wrong-password", "encryptionCertBase64": base64.StdEncoding.EncodeToString(certificate)}

	refused := p.done(p.ask(http.MethodPut, "", store(wanted)))
	require.Equal(t, http.StatusConflict, refused.status, "%s", refused.body)
	require.Contains(t, string(refused.body), "ShareAuthFailed")
	require.Equal(t, http.StatusConflict, p.ask(http.MethodPost, "/createBackup", nil).status, "nothing is enabled yet")

	wanted["password"] = strings.TrimSpace(string(password))
	wanted["isBackupSchedulerEnabled"], wanted["backupFrequencyInHours"] = true, 8
	enabled := p.done(p.ask(http.MethodPut, "", store(wanted)))
	require.Equal(t, http.StatusOK, enabled.status, "%s", enabled.body)
	require.Contains(t, string(enabled.body), `"password":null`)

	begun := p.ask(http.MethodPost, "/createBackup", nil)
	p.kill()
	p.start()
	made := p.done(begun)
	require.Equal(t, http.StatusOK, made.status, "%s", made.body)
	var resource struct {
		Name       string
		Properties struct {
			BackupInfo struct {
				BackupID                 backup.ID
				Status                   backup.Status
				CompletelyUploaded       bool
				EncryptionCertThumbprint string
				CreatedDateTime          time.Time
			}
		}
	}
	require.NoError(t, json.Unmarshal(made.body, &resource))
	info := resource.Properties.BackupInfo
	require.Equal(t, backup.Succeeded, info.Status)
	require.True(t, info.CompletelyUploaded)
	require.Equal(t, "local/"+string(info.BackupID), resource.Name)
	require.Len(t, info.EncryptionCertThumbprint, 40)
	require.Equal(t, info.BackupID, into[backup.Overview](t, o.run("backup", "show", "latest", "-o", "json")).BackupID)

	require.Equal(t, http.StatusOK, p.ask(http.MethodGet, "/backups", nil).status)
	require.Equal(t, http.StatusOK, p.ask(http.MethodGet, "/backups/local%2F"+string(info.BackupID), nil).status)
	changed := p.done(p.ask(http.MethodPut, "", store(m{"backupFrequencyInHours": 4, "lastBackupTime": "2018-09-05T21:39:12Z"})))
	require.Equal(t, http.StatusOK, changed.status, "%s", changed.body)
	require.Contains(t, string(changed.body), `"backupFrequencyInHours":4`)
	require.Contains(t, string(changed.body), o.env["LAB_SHARE_USER"], "what is absent stays")
	require.Equal(t, http.StatusBadRequest, p.ask(http.MethodPut, "", store(m{"backupFrequencyInHours": 3})).status)

	paused := into[schedule.State](t, o.run("schedule", "pause", "-o", "json"))
	require.False(t, paused.Enabled)
	require.Eventually(t, func() bool { // long before it is read again by itself
		return strings.Contains(string(p.ask(http.MethodGet, "", nil).body), `"isBackupSchedulerEnabled":false`)
	}, 20*time.Second, 200*time.Millisecond, "what the command line does shows in the API")
	require.True(t, into[schedule.State](t, o.run("schedule", "resume", "-o", "json")).Enabled)

	dry := p.done(p.ask(http.MethodPost, "/pruneExternalStore", m{"operationType": "DryRun"}))
	require.Equal(t, http.StatusOK, dry.status, "%s", dry.body)
	require.NotContains(t, string(dry.body), string(info.BackupID), "the newest good backup stays")
	restore := p.ask(http.MethodPost, "/backups/"+string(info.BackupID)+"/restore", m{"decryptionCertBase64": "AAAA", "decryptionCertPassword": "canary-of-restore"})
	require.GreaterOrEqual(t, restore.status, 400)
	require.Less(t, restore.status, 500)

	p.alerts()
	p.page(info.BackupID)
	log := string(readAll(t, p.log))
	for _, canary := range []string{"canary-wrong-password", "canary-of-restore", strings.TrimSpace(string(password)), p.token} {
		require.NotContains(t, log, canary)
	}
}

// page logs in with the token and looks at the pages of an instance with one good backup.
func (p *provider) page(id backup.ID) {
	t := p.o.t
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Timeout: time.Minute, Jar: jar, Transport: p.transport()}
	get := func(path string) string {
		out, err := browser.Get(p.base + path)
		require.NoError(t, err)
		defer func() { require.NoError(t, out.Body.Close()) }()
		data, err := io.ReadAll(out.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, out.StatusCode, "%s: %s", path, data)
		return string(data)
	}
	require.NotContains(t, get("/"), string(id), "nothing is shown without a login")
	out, err := browser.PostForm(p.base+"/login", url.Values{"token": {p.token}, "return": {"/"}})
	require.NoError(t, err)
	require.NoError(t, out.Body.Close())
	require.Equal(t, http.StatusOK, out.StatusCode)
	require.Contains(t, get("/i/"+p.o.instance+"/backups"), string(id)[:8])
	require.Contains(t, get("/i/"+p.o.instance+"/"), "AzSBackups")
}

// rsaCertificate makes what an operator uploads as the key, in DER.
func rsaCertificate(t *testing.T) (der, key []byte) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", "key.pem", "-out", "cert.der", "-outform", "DER", "-subj", "/CN=operator", "-days", "400")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return []byte(readAll(t, filepath.Join(dir, "cert.der"))), []byte(readAll(t, filepath.Join(dir, "key.pem")))
}
