package ca

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// passphrase protects the key of the encrypted variant; it is a canary as well.
const passphrase = "canary-passphrase"

// labCA is a CA folder that a real openssl works on.
type labCA struct {
	t   *testing.T
	dir string
	// configDir is where openssl.cnf is, and where openssl runs.
	configDir string
	// more are further arguments of signing.
	more []string
}

const labConfig = `
[ ca ]
default_ca = lab          # one CA
[ lab ]
dir           = %s
database      = $dir/index.txt
new_certs_dir = ${dir}/newcerts
certificate   = $dir/cacert.pem
serial        = $dir/serial
crlnumber     = $dir/crlnumber
private_key   = $dir/private/cakey.pem
default_md    = sha256
default_days  = 30
default_crl_days = 30
unique_subject = no
policy        = any
[ any ]
commonName = supplied
organizationName = optional
[ req ]
distinguished_name = dn
string_mask = utf8only
[ dn ]
[ v3_ca ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`

var (
	rsaKey = []string{"genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}
	ecKey  = []string{"genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}
)

func needOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("INFRABACKUP_REQUIRE_LAB") == "1" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
}

// newLabCA makes an empty CA with its certificate, in an openssl-style folder.
func newLabCA(t *testing.T, key []string) *labCA {
	t.Helper()
	needOpenSSL(t)
	ca := &labCA{t: t, dir: t.TempDir()}
	ca.configDir = ca.dir
	for _, dir := range []string{"newcerts", "private", "requests"} {
		require.NoError(t, os.MkdirAll(ca.path(dir), 0o700))
	}
	ca.write("openssl.cnf", fmt.Sprintf(labConfig, "."))
	ca.write("index.txt", "")
	ca.write("index.txt.attr", "unique_subject = no\n")
	ca.write("serial", "1000\n")
	ca.write("crlnumber", "01\n")
	ca.openssl(append(key, "-out", ca.path("private/cakey.pem"))...)
	ca.selfSign("private/cakey.pem", "cacert.pem", "/O=Lab/CN=Lab Root CA", 3650)
	return ca
}

func (c *labCA) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

func (c *labCA) write(name, content string) {
	c.t.Helper()
	require.NoError(c.t, os.MkdirAll(filepath.Dir(c.path(name)), 0o700))
	require.NoError(c.t, os.WriteFile(c.path(name), []byte(content), 0o600))
}

func (c *labCA) readText(name string) string {
	c.t.Helper()
	data, err := os.ReadFile(c.path(name))
	require.NoError(c.t, err)
	return string(data)
}

func (c *labCA) remove(name string) {
	c.t.Helper()
	require.NoError(c.t, os.RemoveAll(c.path(name)))
}

func (c *labCA) openssl(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = c.configDir
	cmd.Env = append(os.Environ(), "EASYRSA_PKI="+c.path("pki"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(c.t, cmd.Run(), "openssl %s: %s", strings.Join(args, " "), stderr.String())
	return stdout.String()
}

func (c *labCA) selfSign(key, cert, subject string, days int, more ...string) {
	c.t.Helper()
	c.openssl(append([]string{
		"req", "-x509", "-new", "-config", "openssl.cnf", "-extensions", "v3_ca", "-key", c.path(key), "-out", c.path(cert),
		"-subj", subject, "-days", fmt.Sprint(days), "-utf8",
	}, more...)...)
}

// issue signs a certificate for a new key and returns its serial number.
func (c *labCA) issue(name string, more ...string) string {
	c.t.Helper()
	serial := ""
	if data, err := os.ReadFile(c.path("serial")); err == nil {
		serial = strings.TrimSpace(string(data))
	}
	request := c.path("requests/" + name + ".csr")
	c.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf",
		"-keyout", filepath.Join(c.t.TempDir(), "leaf.key"), "-out", request, "-subj", "/O=Mieter/CN="+name, "-utf8")
	c.openssl(append([]string{"ca", "-batch", "-notext", "-config", "openssl.cnf", "-in", request, "-out", c.path("requests/" + name + ".crt")}, more...)...)
	c.remove("requests/" + name + ".crt")
	return serial
}

func (c *labCA) revoke(serial, reason string) {
	c.t.Helper()
	c.openssl("ca", "-config", "openssl.cnf", "-revoke", c.path("newcerts/"+serial+".pem"), "-crl_reason", reason)
}

func (c *labCA) crl() {
	c.openssl("ca", "-config", "openssl.cnf", "-gencrl", "-out", c.path("crl.pem"))
}

// fill gives the CA a life: issued, revoked and expired certificates and a CRL.
func (c *labCA) fill() {
	c.issue("www.example.com")
	c.revoke(c.issue("stolen.example.com"), "keyCompromise")
	c.revoke(c.issue("replaced.example.com"), "superseded")
	c.issue("old.example.com", "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
	c.issue("Zoë Müller")
	c.openssl("ca", "-config", "openssl.cnf", "-updatedb")
	c.crl()
}

// copyTo makes an independent copy of the folder, with times and permissions.
func (c *labCA) copyTo(t *testing.T) *labCA {
	t.Helper()
	target := &labCA{t: t, dir: t.TempDir()}
	target.configDir = target.dir
	require.NoError(t, filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == c.dir {
			return err
		}
		rel, err := filepath.Rel(c.dir, name)
		if err != nil {
			return err
		}
		to := target.path(rel)
		if d.IsDir() {
			return os.Mkdir(to, 0o700)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o600)
	}))
	return target
}
