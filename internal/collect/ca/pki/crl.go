package pki

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"infrabackup/internal/collect/ca/openssl"
)

// CRL is a CRL (RFC 5280 5.1), version 1 or 2: openssl makes version 1 unless
// it is told to number them.
type CRL struct {
	Issuer     []byte // DER of the name
	ThisUpdate time.Time
	NextUpdate time.Time // zero when there is none
	Number     openssl.Serial
	Numbered   bool
	Delta      bool
	// entries is the DER of revokedCertificates; they are read one by one, since there
	// may be hundreds of thousands.
	entries cryptobyte.String

	Signed    []byte
	Algorithm x509.SignatureAlgorithm
	Signature []byte
}

var errNoCRL = errors.New("is no CRL in DER")

// deltaIndicator marks a CRL that holds changes only (RFC 5280 5.2.4), crlNumber
// numbers them (5.2.3).
var (
	deltaIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	crlNumber      = asn1.ObjectIdentifier{2, 5, 29, 20}
)

// ParseCRL reads a CRL without looking into its entries.
func ParseCRL(data []byte) (*CRL, error) {
	c := &CRL{}
	input := cryptobyte.String(data)
	var outer, tbs, issuer cryptobyte.String
	if !input.ReadASN1(&outer, der.SEQUENCE) || !outer.ReadASN1Element(&tbs, der.SEQUENCE) {
		return nil, errNoCRL
	}
	c.Signed = tbs
	ok := false
	if c.Algorithm, c.Signature, ok = readSignature(outer); !ok || !tbs.ReadASN1(&tbs, der.SEQUENCE) {
		return nil, errNoCRL
	}
	if !tbs.SkipOptionalASN1(der.INTEGER) || !tbs.SkipASN1(der.SEQUENCE) || !tbs.ReadASN1Element(&issuer, der.SEQUENCE) {
		return nil, errNoCRL
	}
	c.Issuer = issuer
	if c.ThisUpdate, ok = readTime(&tbs); !ok {
		return nil, errNoCRL
	}
	if tbs.PeekASN1Tag(der.UTCTime) || tbs.PeekASN1Tag(der.GeneralizedTime) {
		if c.NextUpdate, ok = readTime(&tbs); !ok {
			return nil, errNoCRL
		}
	}
	var has bool
	if !tbs.ReadOptionalASN1(&c.entries, &has, der.SEQUENCE) {
		return nil, errNoCRL
	}
	eachExtension(&tbs, 0, func(id asn1.ObjectIdentifier, value cryptobyte.String) {
		switch {
		case id.Equal(deltaIndicator):
			c.Delta = true
		case id.Equal(crlNumber):
			if n, ok := readNumber(&value); ok && n.Sign() >= 0 {
				number, err := openssl.SerialOf(n)
				c.Number, c.Numbered = number, err == nil
			}
		}
	})
	if !tbs.Empty() {
		return nil, errNoCRL
	}
	return c, nil
}

// Each calls fn for every entry's serial number. It returns an error when the entries
// are malformed, and errLongSerial when one is too long to be compared.
func (c *CRL) Each(fn func(openssl.Serial)) error {
	var long error
	for rest := c.entries; !rest.Empty(); {
		var one cryptobyte.String
		if !rest.ReadASN1(&one, der.SEQUENCE) {
			return errNoCRL
		}
		raw, ok := readNumber(&one)
		if !ok {
			return errNoCRL
		}
		if _, ok := readTime(&one); !ok {
			return errNoCRL
		}
		n, err := openssl.SerialOf(raw)
		if err != nil {
			long = err
			continue
		}
		fn(n)
	}
	return long
}
