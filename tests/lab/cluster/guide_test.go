package cluster

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandsOfASection(t *testing.T) {
	const document = "# T\n\n### One\n\nText.\n\n    a b\n    c\n\nMore, `d`:\n\n    e 'f\n\n```yaml\ng: h\n```\n\n### Two\n\nText.\n"
	lines, err := commands(document, "One")
	require.NoError(t, err)
	require.Equal(t, []string{"a b", "c", "e 'f"}, lines)
	_, err = commands(document, "Two")
	require.ErrorContains(t, err, "no commands")
	_, err = commands(document, "Three")
	require.ErrorContains(t, err, "no section")
}

// prepared are the files and commands as a cluster has them.
func prepared(t *testing.T) (*Cluster, string) {
	t.Helper()
	folder, err := deployFolder()
	require.NoError(t, err)
	c := &Cluster{options: Options{Dir: "/lab", Address: "10.1.2.3"}}
	require.NoError(t, c.choosePorts())
	c.guide = &guide{folder: folder, replace: c.replacer()}
	to := t.TempDir()
	require.NoError(t, c.guide.copyFiles(to))
	return c, to
}

// TestNothingOfTheMachineIsLeft: what belongs to the machine that deploy is written for is replaced,
// in the files and in the commands.
func TestNothingOfTheMachineIsLeft(t *testing.T) {
	c, to := prepared(t)
	var all strings.Builder
	for _, name := range []string{certificates, tokens, database, namespace} {
		lines, err := c.guide.section(name)
		require.NoError(t, err)
		all.WriteString(strings.Join(lines, "\n") + "\n")
	}
	for _, name := range []string{"temporal.yaml", "postgresql.conf", "pg_hba.conf", "dynamic.yaml"} {
		text, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		all.Write(text)
	}
	for _, unit := range []string{"temporal.service", "temporal-keys.service"} {
		command, err := service(filepath.Join(to, unit))
		require.NoError(t, err)
		all.WriteString(command + "\n")
	}
	require.NotRegexp(t, `/etc/|/usr/local|:880/| 880$`, all.String())
	for _, port := range ports[:len(ports)-1] {
		require.NotRegexp(t, `\b`+port+`\b`, all.String())
	}
	require.Contains(t, all.String(), c.Address())
	_, err := service(filepath.Join(to, "temporal.yaml"))
	require.ErrorContains(t, err, "starts nothing")
}

// TestNoSecretInDeploy: the files hold neither keys nor passwords.
func TestNoSecretInDeploy(t *testing.T) {
	_, to := prepared(t)
	entries, err := os.ReadDir(to)
	require.NoError(t, err)
	require.Greater(t, len(entries), 5)
	secret := regexp.MustCompile(`(?i)PRIVATE KEY|^\s*password:|keyData|ey[A-Za-z0-9_-]{20,}\.`)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(to, e.Name()))
		require.NoError(t, err)
		require.NotRegexp(t, secret, string(text), e.Name())
	}
	require.Regexp(t, secret, "-----BEGIN PRIVATE KEY-----", "it can fail")
}

// bash runs commands in a folder, as root types them there.
func bash(t *testing.T, dir string, lines ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", strings.Join(lines, "\n"))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// certificate reads one, and makes sure that an authority has signed it.
func certificate(t *testing.T, dir, name, authority string) *x509.Certificate {
	t.Helper()
	read := func(name string) *x509.Certificate {
		text, err := os.ReadFile(filepath.Join(dir, name+".pem"))
		require.NoError(t, err)
		block, _ := pem.Decode(text)
		require.NotNil(t, block, name)
		c, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		return c
	}
	c, roots := read(name), x509.NewCertPool()
	roots.AddCert(read(authority))
	_, err := c.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	require.NoError(t, err, name)
	return c
}

// TestCertificatesAreRenewed by the commands of TEMPORAL.md: for the same keys, names and uses, of the
// same authorities.
func TestCertificatesAreRenewed(t *testing.T) {
	_, scripts := prepared(t)
	dir, script := t.TempDir(), "bash "+filepath.Join(scripts, "certificates.sh")
	out, err := bash(t, dir, script+" cluster temporal.example.com", script+" client worker", "chmod 0644 *.pem")
	require.NoError(t, err, out)
	signers := map[string]string{"frontend": "cluster-ca", "internode": "cluster-ca", "postgres": "cluster-ca", "database": "cluster-ca", "worker": "client-ca"}
	before := map[string]*x509.Certificate{}
	for name, authority := range signers {
		before[name] = certificate(t, dir, name, authority)
	}

	folder, err := deployFolder()
	require.NoError(t, err)
	document, err := os.ReadFile(filepath.Join(folder, "TEMPORAL.md"))
	require.NoError(t, err)
	lines, err := commands(string(document), "Renewal")
	require.NoError(t, err)
	require.Equal(t, []string{"cd /etc/temporal", "systemctl reload postgresql"}, []string{lines[0], lines[len(lines)-1]})
	lines = append(lines[1:len(lines)-1], "bash certificates.sh renew worker 30")
	out, err = bash(t, dir, strings.ReplaceAll(strings.Join(lines, "\n"), "bash certificates.sh", script))
	require.NoError(t, err, out)
	for name, authority := range signers {
		was, is := before[name], certificate(t, dir, name, authority)
		require.NotEqual(t, was.SerialNumber, is.SerialNumber, name)
		require.True(t, was.PublicKey.(*ecdsa.PublicKey).Equal(is.PublicKey), name)
		require.Equal(t, []any{was.Subject.String(), was.DNSNames, was.IPAddresses, was.ExtKeyUsage, was.KeyUsage, was.IsCA},
			[]any{is.Subject.String(), is.DNSNames, is.IPAddresses, is.ExtKeyUsage, is.KeyUsage, is.IsCA}, name)
		info, err := os.Stat(filepath.Join(dir, name+".pem"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o644), info.Mode(), name)
	}
}

// TestNoCertificateIsLost: where the keys of the authorities are elsewhere, as they should be,
// nothing replaces the authorities or leaves half of a pair, and what is missing is said.
func TestNoCertificateIsLost(t *testing.T) {
	_, scripts := prepared(t)
	dir, script := t.TempDir(), "bash "+filepath.Join(scripts, "certificates.sh")
	out, err := bash(t, dir, script+" cluster temporal.example.com", script+" client worker", "rm *-ca.key worker.key")
	require.NoError(t, err, out)
	all := func() map[string]string {
		files := map[string]string{}
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			files[e.Name()] = string(text)
		}
		return files
	}
	before := all()
	for command, says := range map[string]string{
		"cluster temporal.example.com": "cluster-ca.pem exists",
		"client worker":                "worker.pem exists",
		"client another":               "client-ca.key is not here",
		"renew frontend":               "cluster-ca.key is not here",
		"renew worker":                 "worker.key is not here",
		"renew none":                   "none.pem is not here",
		"renew":                        "renew NAME",
	} {
		out, err := bash(t, dir, script+" "+command)
		require.Error(t, err, command)
		require.Contains(t, out, says, command)
		require.Equal(t, before, all(), command)
	}
	// What openssl says is shown.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cluster-ca.key"), []byte("no key"), 0o600))
	out, err = bash(t, dir, script+" renew frontend")
	require.Error(t, err)
	require.Contains(t, out, "openssl x509: ")
	require.NoError(t, os.Remove(filepath.Join(dir, "cluster-ca.key")))
	require.Equal(t, before, all())
}
