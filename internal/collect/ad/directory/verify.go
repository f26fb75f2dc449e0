package directory

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// subjectAltName is the extension with a certificate's names (RFC 5280 4.2.1.6).
var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// tlsConfig verifies a controller's certificate against the configured authorities and
// nothing else. The certificate that Samba makes for itself has its name in the common
// name only, as was usual before RFC 6125: that name counts when there is no other one
// (RFC 6125 6.4.4), which package x509 does not do.
func tlsConfig(host string, authorities *x509.CertPool) *tls.Config {
	return &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it, on resumed connections as well
		VerifyConnection:   func(state tls.ConnectionState) error { return verify(state.PeerCertificates, host, authorities) },
	}
}

func verify(chain []*x509.Certificate, host string, authorities *x509.CertPool) error {
	if len(chain) == 0 {
		return errors.New("the controller shows no certificate")
	}
	leaf := chain[0]
	options := x509.VerifyOptions{Roots: authorities, Intermediates: x509.NewCertPool()}
	for _, certificate := range chain[1:] {
		options.Intermediates.AddCert(certificate)
	}
	_, err := leaf.Verify(options)
	if err == nil {
		err = verifyName(leaf, host)
	}
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	return nil
}

func verifyName(leaf *x509.Certificate, host string) error {
	hasNames := slices.ContainsFunc(leaf.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(subjectAltName) })
	if hasNames {
		return leaf.VerifyHostname(host)
	}
	if name := leaf.Subject.CommonName; !strings.EqualFold(strings.TrimSuffix(name, "."), strings.TrimSuffix(host, ".")) {
		return fmt.Errorf("the certificate is for %.100q, has no other names (subjectAltName), and the URL says %s: use that name in the URL, or issue a certificate with this one", name, host)
	}
	return nil
}
