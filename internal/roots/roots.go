package roots

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"infrabackup/internal/secret"
)

// maxCertificates bounds how many certificates a file may hold: public bundles have
// some hundred.
const maxCertificates = 10_000

// Parse reads certificates in PEM. Each of them must be usable: one that is passed over
// in silence is missed when a server shows it, and then the reason is hard to find. What
// is no certificate, such as text between them or a key, is passed over. Errors name the
// number of the certificate, never content.
func Parse(data []byte) ([]*x509.Certificate, error) {
	text, err := secret.Text(data)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	other := ""
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			other = block.Type
			continue
		}
		if len(all) == maxCertificates {
			return nil, fmt.Errorf("it holds more than %d certificates", maxCertificates)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it cannot be used: %w; issue a new one, or take it out", len(all)+1, err)
		}
		all = append(all, certificate)
	}
	switch {
	case len(all) > 0:
		return all, nil
	case len(bytes.TrimSpace(text)) == 0:
		return nil, errors.New("it is empty")
	case other != "":
		return nil, fmt.Errorf("it holds no certificate in PEM, but %q", other)
	}
	if _, err := x509.ParseCertificate(text); err == nil {
		return nil, errors.New("it holds a certificate in DER; convert it with: openssl x509 -inform DER -in FILE -out FILE.pem")
	}
	if bytes.Contains(text, []byte("-----BEGIN CERTIFICATE-----")) {
		return nil, errors.New("it begins like a certificate in PEM, but is cut off or damaged")
	}
	return nil, errors.New("it holds no certificate in PEM")
}

// maxFile bounds a file of certificates, in bytes: the bundle of a Linux distribution has about a
// quarter of a mebibyte.
const maxFile = 4 << 20

// File is [Pool] for a file. A regular file does not let it wait; what is none is refused.
func File(ctx context.Context, path string) (*x509.CertPool, error) {
	data, err := secret.File{MaxBytes: maxFile}.Read(ctx, path)
	if err != nil {
		return nil, err
	}
	return Pool(data)
}

// Pool is Parse for a pool.
func Pool(data []byte) (*x509.CertPool, error) {
	all, err := Parse(data)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, certificate := range all {
		pool.AddCert(certificate)
	}
	return pool, nil
}
