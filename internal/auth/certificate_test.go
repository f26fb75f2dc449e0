package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

// clientCertificate makes a certificate; what a handshake verifies is not looked at again.
func clientCertificate(t *testing.T, c *clock, name string, dns []string, uris ...string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: dns, NotBefore: c.now().Add(-time.Hour), NotAfter: c.now().Add(time.Hour)}
	for _, text := range uris {
		u, err := url.Parse(text)
		require.NoError(t, err)
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func withCertificate(r *http.Request, cert *x509.Certificate, verified bool) *http.Request {
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	if verified {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{cert}}
	}
	return r
}

func pinOf(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func TestClientCertificates(t *testing.T) {
	c := newClock()
	pinned := clientCertificate(t, c, "monitor.test", nil)
	certificates, err := NewCertificates(x509.NewCertPool(), []CertificateRule{
		{DNS: "Monitor.test", Role: Reader}, {URI: "spiffe://test/operator", Role: Operator}, {SHA256: pinOf(pinned), Role: Owner},
	})
	require.NoError(t, err)
	a := authenticator(t, AuthenticatorConfig{Certificates: certificates, Now: c.now})
	for name, test := range map[string]struct {
		cert    *x509.Certificate
		subject string // empty when refused
		role    Role
	}{
		"a DNS name":       {clientCertificate(t, c, "x", []string{"y.test", "MONITOR.test"}), "certificate:monitor.test", Reader},
		"a URI":            {clientCertificate(t, c, "x", nil, "spiffe://test/operator"), "certificate:spiffe://test/operator", Operator},
		"the highest role": {clientCertificate(t, c, "x", []string{"monitor.test"}, "spiffe://test/operator"), "certificate:spiffe://test/operator", Operator},
		"a pin":            {pinned, "certificate:" + strings.ToLower(pinOf(pinned)), Owner},
		"a common name":    {clientCertificate(t, c, "monitor.test", nil), "", ""},
		"below a name":     {clientCertificate(t, c, "x", []string{"a.monitor.test", "*.test"}), "", ""},
		"another URI":      {clientCertificate(t, c, "x", nil, "spiffe://test/operator/x"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := withCertificate(request(""), test.cert, true)
			r.Header.Set("x-ms-client-object-id", "forged")
			p, err := a.Authenticate(r)
			if test.subject == "" {
				refused(t, err, http.StatusUnauthorized, CodeAuthenticationFailed)
				return
			}
			require.NoError(t, err)
			require.Equal(t, Principal{Subject: test.subject, Name: test.subject, Role: test.role, Method: MethodCertificate}, p)
			_, err = a.Authenticate(withCertificate(request(""), test.cert, false))
			refused(t, err, http.StatusUnauthorized, CodeAuthenticationFailed)
			_, err = a.Authenticate(withCertificate(request("bad"), test.cert, true))
			refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
		})
	}
	c.advance(2 * time.Hour)
	_, err = a.Authenticate(withCertificate(request(""), pinned, true))
	refused(t, err, http.StatusUnauthorized, CodeExpiredToken)
}

func TestBehindResourceManager(t *testing.T) {
	c := newClock()
	arm, other := clientCertificate(t, c, "arm", []string{"arm.test"}), clientCertificate(t, c, "arm", []string{"arm.test"})
	certificates, err := NewCertificates(x509.NewCertPool(), []CertificateRule{{DNS: "arm.test", Role: Reader}, {SHA256: pinOf(arm), Role: Operator, ResourceManager: true}})
	require.NoError(t, err)
	a := authenticator(t, AuthenticatorConfig{Certificates: certificates, Now: c.now})
	forwarded := func(cert *x509.Certificate) *http.Request {
		r := withCertificate(request(""), cert, true)
		r.Header.Set("x-ms-client-object-id", "o1")
		r.Header.Set("x-ms-client-tenant-id", "t1")
		r.Header.Set("x-ms-client-principal-name", "ann@corp.test")
		return r
	}
	p, err := a.Authenticate(forwarded(arm))
	require.NoError(t, err)
	require.Equal(t, Principal{Subject: "arm:t1|o1", Name: "ann@corp.test", Role: Operator, Method: MethodCertificate}, p)
	p, err = a.Authenticate(forwarded(other))
	require.NoError(t, err)
	require.Equal(t, "certificate:arm.test", p.Subject, "its headers are not read")
	_, err = a.Authenticate(withCertificate(request(""), arm, true))
	refused(t, err, http.StatusUnauthorized, CodeAuthenticationFailed)
}

func TestTokensBoundToACertificate(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	a := i.authenticator()
	own, other := clientCertificate(t, c, "x", nil), clientCertificate(t, c, "x", nil)
	raw := i.sign("rsa-1", jwt.MapClaims{"cnf": map[string]string{"x5t#S256": thumbprint(own)}})
	for range 2 {
		_, err := a.Authenticate(withCertificate(request(raw), own, true))
		require.NoError(t, err)
		_, err = a.Authenticate(withCertificate(request(raw), other, true))
		refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
		_, err = a.Authenticate(withCertificate(request(raw), own, false))
		refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
		_, err = a.Authenticate(request(raw))
		refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
	}
}

func TestCertificateRuleRefusals(t *testing.T) {
	for name, rule := range map[string]CertificateRule{
		"names nothing":              {Role: Reader},
		"names two things":           {DNS: "a", URI: "b:c", Role: Reader},
		"a short pin":                {SHA256: "ab", Role: Reader},
		"an unknown role":            {DNS: "a", Role: "root"},
		"Resource Manager by a name": {DNS: "arm.test", Role: Owner, ResourceManager: true},
	} {
		_, err := NewCertificates(x509.NewCertPool(), []CertificateRule{rule})
		require.Error(t, err, name)
	}
	_, err := NewCertificates(nil, nil)
	require.Error(t, err)
	(*Certificates)(nil).Configure(&tls.Config{})
	config := &tls.Config{}
	certificates, err := NewCertificates(x509.NewCertPool(), nil)
	require.NoError(t, err)
	certificates.Configure(config)
	require.Equal(t, tls.VerifyClientCertIfGiven, config.ClientAuth)
}
