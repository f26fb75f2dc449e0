package authority

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"infrabackup/internal/collect/ca/openssl"
	"infrabackup/internal/collect/ca/pki"
	"infrabackup/internal/diff/result"
)

// list is what matters of a revocation list.
type list struct {
	*pki.CRL
	revoked    map[string]string // date and reason by serial number
	extensions map[string]string // values by OID; nil where they cannot be read
}

// crlNumber is the extension that numbers a list (RFC 5280 5.2.3).
const crlNumber = "2.5.29.20"

func readList(data []byte) (*list, bool) {
	if len(data) > pki.MaxCRLBytes {
		return nil, false
	}
	der := pki.CRLOf(data)
	crl, err := pki.ParseCRL(der)
	if err != nil {
		return nil, false
	}
	l := &list{CRL: crl, revoked: map[string]string{}}
	if err := crl.Each(func(n openssl.Serial) { l.revoked[n.String()] = "" }); err != nil {
		return nil, false
	}
	full, err := x509.ParseRevocationList(der)
	if err != nil {
		return l, true // of version 1, or of a form that openssl takes and x509 does not
	}
	l.extensions = map[string]string{}
	for _, e := range full.Extensions {
		if id := e.Id.String(); id != crlNumber {
			l.extensions[id] = hex.EncodeToString(e.Value)
		}
	}
	for _, e := range full.RevokedCertificateEntries {
		if n, err := openssl.SerialOf(e.SerialNumber); err == nil {
			l.revoked[n.String()] = fmt.Sprintf("%s, reason %d", e.RevocationTime.UTC().Format("2006-01-02 15:04:05Z"), e.ReasonCode)
		}
	}
	return l, true
}

// revocations compares two revocation lists.
func revocations(a, b []byte, to *result.Details) {
	x, okA := readList(a)
	y, okB := readList(b)
	if !okA || !okB {
		content(a, b, to)
		return
	}
	if !bytes.Equal(x.Issuer, y.Issuer) {
		to.Change("issuer", hex.EncodeToString(x.Issuer), hex.EncodeToString(y.Issuer))
	}
	if x.Algorithm != y.Algorithm {
		to.Change("algorithm", x.Algorithm.String(), y.Algorithm.String())
	}
	if x.Delta != y.Delta {
		to.Change("delta", fmt.Sprint(x.Delta), fmt.Sprint(y.Delta))
	}
	switch {
	case x.Numbered && y.Numbered && x.Number != y.Number:
		counter(x.Number, y.Number, to)
	case x.Numbered && !y.Numbered:
		to.Remove("number", x.Number.String())
	case !x.Numbered && y.Numbered:
		to.Add("number", y.Number.String())
	}
	full := x.extensions != nil && y.extensions != nil
	if full {
		values(x.extensions, y.extensions, "extension", true, to)
	}
	values(x.revoked, y.revoked, "revoked", full, to)
	if !x.ThisUpdate.Equal(y.ThisUpdate) || !x.NextUpdate.Equal(y.NextUpdate) || !bytes.Equal(x.Signature, y.Signature) {
		to.Ignore(ReasonIssued)
	}
}

// values compares two maps. Without deep only the keys count.
func values(a, b map[string]string, path string, deep bool, to *result.Details) {
	for _, key := range sortedKeys(a) {
		switch after, ok := b[key]; {
		case !ok:
			to.Remove(path+"["+key+"]", a[key])
		case deep && after != a[key]:
			to.Change(path+"["+key+"]", a[key], after)
		}
	}
	for _, key := range sortedKeys(b) {
		if _, ok := a[key]; !ok {
			to.Add(path+"["+key+"]", b[key])
		}
	}
}
