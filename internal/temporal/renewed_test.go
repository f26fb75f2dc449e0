package temporal

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestATokenIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	now := time.Unix(1e9, 0)
	tokens := &tokenFile{path: file, logger: quiet(), now: func() time.Time { return now }, last: "first", looked: now}
	want := func(text string) {
		t.Helper()
		got, err := tokens.token(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
	write("second\n")
	now = now.Add(tokenAge - 1)
	want("first")
	now = now.Add(1)
	want("second")
	write("")
	now = now.Add(tokenAge)
	want("second")
	require.NoError(t, os.Remove(file))
	now = now.Add(tokenAge)
	want("second")
	write("third")
	want("second")
	now = now.Add(tokenAge)
	want("third")
}

// pair writes a certificate with this serial number, and its key.
func pair(t *testing.T, c TLS, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	made := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, made, made, &key.PublicKey, key)
	require.NoError(t, err)
	text, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(c.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(c.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}), 0o600))
}

func TestAClientCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	c := TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	pair(t, c, 1)
	var log bytes.Buffer
	config, err := c.config(slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)
	want := func(serial int64) {
		t.Helper()
		given, err := config.GetClientCertificate(nil)
		require.NoError(t, err)
		parsed, err := x509.ParseCertificate(given.Certificate[0])
		require.NoError(t, err)
		require.Equal(t, serial, parsed.SerialNumber.Int64())
	}
	want(1)
	key, err := os.ReadFile(c.KeyFile)
	require.NoError(t, err)
	pair(t, c, 2)
	want(2)
	require.Empty(t, log.String())
	require.NoError(t, os.WriteFile(c.KeyFile, key, 0o600))
	want(2) // the key is not that of the certificate
	require.Contains(t, log.String(), "does not match")
	pair(t, c, 3)
	log.Reset()
	require.NoError(t, os.Chmod(c.KeyFile, 0o640))
	want(2)
	require.Contains(t, log.String(), "chmod 600")
	require.NoError(t, os.Chmod(c.KeyFile, 0o600))
	want(3)
}
