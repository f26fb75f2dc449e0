package ca

import (
	"crypto/sha1" // RFC 5280 names keys by it; nothing is secured with it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/ca/pki"
)

// aliases are the names under which certificates elsewhere refer to the CA
// certificates of a file: their subject key identifiers, which stand as authority key
// identifiers in what they signed.
func (a *authority) aliases(certificates []pki.Certificate) []string {
	var out []string
	for _, cert := range certificates {
		if cert.Parsed == nil || !cert.Parsed.IsCA && !a.owns(cert) {
			continue
		}
		alias, ok := keyAlias(cert.Parsed)
		if ok && len(out) < backup.MaxAliases && !slices.Contains(out, alias) {
			out = append(out, alias)
		}
	}
	return out
}

func (a *authority) owns(cert pki.Certificate) bool {
	return slices.ContainsFunc(a.own, func(c caCertificate) bool { return c.digest == cert.Digest })
}

// keyAlias is key-id: and the subject key identifier of a certificate: that of the
// extension, else the one of method 1 in RFC 5280 4.2.1.2, which is what others would
// have made up. An identifier that is longer than any digest is no name.
func keyAlias(cert *x509.Certificate) (alias string, ok bool) {
	id := cert.SubjectKeyId
	if len(id) == 0 {
		var info struct {
			Algorithm pkix.AlgorithmIdentifier
			Key       asn1.BitString
		}
		if rest, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &info); err != nil || len(rest) > 0 {
			return "", false // the certificate could not have been parsed
		}
		sum := sha1.Sum(info.Key.Bytes)
		id = sum[:]
	}
	alias = "key-id:" + hex.EncodeToString(id)
	return alias, len(alias) <= backup.MaxAliasBytes
}
