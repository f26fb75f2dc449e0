package roots

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/secret"
)

func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return der
}

func TestParse(t *testing.T) {
	der := certificate(t)
	good := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("canary")}))
	// A certificate whose structure is cut off.
	broken := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der[:len(der)-3]}))
	for name, row := range map[string]struct {
		in, want string
		n        int
	}{
		"one":                {in: good, n: 1},
		"two and text":       {in: "# the DC\r\n" + good + "\nissuer=/CN=x\n" + good, n: 2},
		"byte order mark":    {in: "\ufeff" + good, n: 1},
		"with a key":         {in: key + good, n: 1},
		"empty":              {in: " \n", want: "empty"},
		"only a key":         {in: key, want: `"EC PRIVATE KEY"`},
		"DER":                {in: string(der), want: "openssl x509 -inform DER"},
		"text":               {in: "hello", want: "no certificate in PEM"},
		"cut off":            {in: good[:len(good)-30], want: "cut off"},
		"one that is broken": {in: good + broken, want: "certificate 2 in it cannot be used"},
		"UTF-16":             {in: "\xff\xfe-\x00", want: secret.ErrEncoding.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(row.in))
			if row.want != "" {
				require.ErrorContains(t, err, row.want)
				require.NotContains(t, err.Error(), "canary")
				return
			}
			require.NoError(t, err)
			require.Len(t, got, row.n)
			pool, err := Pool([]byte(row.in))
			require.NoError(t, err)
			require.NotNil(t, pool)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := Parse(data); err == nil && len(got) == 0 {
			t.Fatal("no certificate and no error")
		}
	})
}

// TestFilesAreBounded: what is no file of certificates is not read to its end.
func TestFilesAreBounded(t *testing.T) {
	good := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate(t)})
	path := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(path, good, 0o600))
	pool, err := File(t.Context(), path)
	require.NoError(t, err)
	require.NotNil(t, pool)
	require.NoError(t, os.Truncate(path, maxFile+1))
	_, err = File(t.Context(), path)
	require.ErrorContains(t, err, path)
	_, err = File(t.Context(), os.DevNull)
	require.Error(t, err, "it is no regular file, and may have no end")
	_, err = File(t.Context(), path+".gone")
	require.ErrorIs(t, err, os.ErrNotExist)
}
