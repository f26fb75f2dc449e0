package ca

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect"
	collector "infrabackup/internal/collect/ca"
	"infrabackup/internal/collect/collecttest"
	"infrabackup/internal/restore"
)

const labConfig = `
[ ca ]
default_ca = lab
[ lab ]
dir           = .
database      = $dir/index.txt
new_certs_dir = $dir/newcerts
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
[ req ]
distinguished_name = dn
[ dn ]
[ v3_ca ]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`

// labCA is a CA's folder that the real openssl works on.
type labCA struct {
	t   testing.TB
	dir string
}

func needOpenSSL(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("INFRABACKUP_REQUIRE_LAB") == "1" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
}

// newLabCA makes a CA that issued three certificates, revoked one, and published a CRL.
func newLabCA(t testing.TB) *labCA {
	t.Helper()
	needOpenSSL(t)
	c := &labCA{t: t, dir: filepath.Join(t.TempDir(), "ca")}
	for _, dir := range []string{"newcerts", "private", "requests"} {
		require.NoError(t, os.MkdirAll(c.path(dir), 0o700))
	}
	c.write("openssl.cnf", labConfig)
	c.write("index.txt", "")
	c.write("index.txt.attr", "unique_subject = no\n")
	c.write("serial", "1000\n")
	c.write("crlnumber", "01\n")
	c.write("README", "how the CA is run\n")
	c.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "private/cakey.pem")
	c.openssl("req", "-x509", "-new", "-config", "openssl.cnf", "-extensions", "v3_ca", "-key", "private/cakey.pem", "-out", "cacert.pem", "-subj", "/CN=Lab Root CA", "-days", "3650")
	c.issue("one")
	c.issue("two")
	c.issue("three")
	c.revoke("1001")
	c.crl()
	return c
}

func (c *labCA) path(name string) string { return filepath.Join(c.dir, filepath.FromSlash(name)) }

func (c *labCA) write(name, content string) {
	c.t.Helper()
	require.NoError(c.t, os.MkdirAll(filepath.Dir(c.path(name)), 0o700))
	require.NoError(c.t, os.WriteFile(c.path(name), []byte(content), 0o600))
}

func (c *labCA) read(name string) string {
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
	cmd.Dir = c.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(c.t, cmd.Run(), "openssl %s: %s", strings.Join(args, " "), stderr.String())
	return stdout.String()
}

// issue signs a certificate and returns its serial number, as openssl gave it.
func (c *labCA) issue(name string) string {
	c.t.Helper()
	key := filepath.Join(c.t.TempDir(), "leaf.key")
	c.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-config", "openssl.cnf", "-keyout", key, "-out", "requests/"+name+".csr", "-subj", "/CN="+name)
	certificate := filepath.Join(c.t.TempDir(), "leaf.pem")
	c.openssl("ca", "-batch", "-notext", "-config", "openssl.cnf", "-in", "requests/"+name+".csr", "-out", certificate)
	c.openssl("verify", "-CAfile", "cacert.pem", certificate)
	out := c.openssl("x509", "-in", certificate, "-noout", "-serial")
	return strings.TrimSpace(strings.TrimPrefix(out, "serial="))
}

func (c *labCA) revoke(serial string) {
	c.t.Helper()
	c.openssl("ca", "-config", "openssl.cnf", "-revoke", "newcerts/"+serial+".pem", "-crl_reason", "keyCompromise")
}

// crl publishes a CRL and returns its number and text.
func (c *labCA) crl() (number int64, text string) {
	c.t.Helper()
	c.openssl("ca", "-config", "openssl.cnf", "-gencrl", "-out", "crl.pem")
	c.openssl("crl", "-in", "crl.pem", "-CAfile", "cacert.pem", "-verify", "-noout")
	out := c.openssl("crl", "-in", "crl.pem", "-noout", "-crlnumber")
	_, err := fmt.Sscanf(out, "crlNumber=0x%x", &number)
	require.NoError(c.t, err, out)
	return number, c.openssl("crl", "-in", "crl.pem", "-noout", "-text")
}

// copy makes an independent copy of the folder, with modes.
func (c *labCA) copy(t testing.TB) *labCA {
	t.Helper()
	target := &labCA{t: t, dir: filepath.Join(t.TempDir(), "ca")}
	require.NoError(t, filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		rel, err := filepath.Rel(c.dir, name)
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if d.IsDir() {
			return os.Mkdir(target.path(rel), info.Mode().Perm())
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		return os.WriteFile(target.path(rel), data, info.Mode().Perm())
	}))
	return target
}

// none is a CA whose folder is not there.
func none(t testing.TB) *labCA { return &labCA{t: t, dir: filepath.Join(t.TempDir(), "ca")} }

// captured is a backup of one CA.
type captured struct {
	entries  []backup.CatalogEntry
	contents map[string][]byte // by kind and ID
}

func identity(kind, id string) string { return kind + "\x00" + id }

// capture makes a backup with the real collector.
func (c *labCA) capture(t testing.TB, directory collector.DirectoryReader) *captured {
	t.Helper()
	collecting, err := collector.New(collector.Config{Dir: c.dir, Directory: directory}, time.Now)
	require.NoError(t, err)
	files := map[string][]byte{}
	recorder := &collecttest.Recorder{Keep: func(info collect.FileInfo, content []byte) { files[info.Path] = bytes.Clone(content) }}
	_, err = collecting.Collect(t.Context(), recorder)
	require.NoError(t, err)
	b := &captured{contents: map[string][]byte{}}
	for _, call := range recorder.Calls() {
		if call.Gap != nil {
			continue
		}
		e := backup.CatalogEntry{Service: backup.CA, Item: call.Item}
		data := call.Document
		e.Path = "ca/" + call.Item.Kind + ".jsonl"
		if call.File != nil {
			e.Path, data = call.File.Path, files[call.File.Path]
		}
		b.add(e, data)
	}
	return b
}

func (b *captured) add(e backup.CatalogEntry, data []byte) {
	e.SHA256, e.Length = restore.Digest(data), int64(len(data))
	b.entries = append(b.entries, e)
	b.contents[identity(e.Kind, e.ID)] = data
}

func (b *captured) source() *restore.Source {
	return &restore.Source{
		Catalog: func(_ context.Context, fn func(backup.CatalogEntry) error) error {
			for _, e := range b.entries {
				if err := fn(e); err != nil {
					return err
				}
			}
			return nil
		},
		Item: func(_ context.Context, e backup.CatalogEntry) ([]byte, error) {
			return bytes.Clone(b.contents[identity(e.Kind, e.ID)]), nil
		},
	}
}

// items are those of the folder.
func (b *captured) items() (items []restore.Item) {
	for _, e := range b.entries {
		items = append(items, restore.Item{CatalogEntry: e, Read: func(context.Context) ([]byte, error) { return bytes.Clone(b.contents[identity(e.Kind, e.ID)]), nil }})
	}
	return items
}

// dump is everything in a folder: paths, modes and contents.
func dump(t testing.TB, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		line := rel + " " + info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(name)
			require.NoError(t, err)
			line += " " + restore.Digest(data)[:16]
			if len(data) < 200 {
				line += fmt.Sprintf(" %q", data)
			}
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(name)
			require.NoError(t, err)
			line += " " + target
		}
		lines = append(lines, line)
		return nil
	})
	if os.IsNotExist(err) {
		return "none"
	}
	require.NoError(t, err)
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func newRestorer(t testing.TB, dir string) *Restorer {
	t.Helper()
	r, err := New(dir, Options{Gap: 100})
	require.NoError(t, err)
	return r
}
