package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"infrabackup/internal/collect/ca/openssl"
)

const (
	// maxCertificateBytes bounds a certificate that is looked into. Large ones have some
	// KiB; those with scanned signatures or thousands of names some more.
	maxCertificateBytes = 128 << 10
	// maxExtensions bounds how many extensions of a certificate or CRL are looked at.
	maxExtensions = 1000
)

var errNoCertificate = errors.New("is no certificate in DER")

// parseCertificate reads a certificate. Package x509 refuses some that openssl takes,
// such as those with negative serial numbers, explicit curve parameters, characters
// that their kind of text does not have, or unusual times. Of these it makes what the
// checks here need; a public key of a kind that is not known stays nil, so that nothing
// is said about signatures by it.
func parseCertificate(data []byte) (*x509.Certificate, error) {
	if len(data) > maxCertificateBytes {
		return nil, errors.New("is larger than certificates that are looked into")
	}
	cert, err := x509.ParseCertificate(data)
	if err == nil {
		return cert, nil
	}
	if cert, ok := looseCertificate(data); ok {
		return cert, nil
	}
	return nil, errors.Join(errNoCertificate, err)
}

// looseCertificate reads the fields of RFC 5280 4.1 in their order.
func looseCertificate(data []byte) (*x509.Certificate, bool) {
	cert := &x509.Certificate{Version: 1}
	input := cryptobyte.String(data)
	var outer, tbs, element, validity, issuer, subject, key cryptobyte.String
	if !input.ReadASN1Element(&element, der.SEQUENCE) {
		return nil, false
	}
	cert.Raw = element
	if !element.ReadASN1(&outer, der.SEQUENCE) || !outer.ReadASN1Element(&tbs, der.SEQUENCE) {
		return nil, false
	}
	cert.RawTBSCertificate = tbs
	ok := false
	if cert.SignatureAlgorithm, cert.Signature, ok = readSignature(outer); !ok || !tbs.ReadASN1(&tbs, der.SEQUENCE) {
		return nil, false
	}
	var version cryptobyte.String
	var has bool
	if !tbs.ReadOptionalASN1(&version, &has, der.Tag(0).Constructed().ContextSpecific()) {
		return nil, false
	}
	if has {
		n, ok := readNumber(&version)
		if !ok || !n.IsInt64() || n.Int64() < 0 || n.Int64() > 2 {
			return nil, false
		}
		cert.Version = int(n.Int64()) + 1
	}
	if cert.SerialNumber, ok = readNumber(&tbs); !ok ||
		!tbs.SkipASN1(der.SEQUENCE) || !tbs.ReadASN1Element(&issuer, der.SEQUENCE) ||
		!tbs.ReadASN1(&validity, der.SEQUENCE) || !tbs.ReadASN1Element(&subject, der.SEQUENCE) || !tbs.ReadASN1Element(&key, der.SEQUENCE) {
		return nil, false
	}
	cert.RawIssuer, cert.RawSubject, cert.RawSubjectPublicKeyInfo = issuer, subject, key
	var before, after bool
	cert.NotBefore, before = readTime(&validity)
	cert.NotAfter, after = readTime(&validity)
	if !before || !after {
		return nil, false
	}
	readName(issuer, &cert.Issuer)
	readName(subject, &cert.Subject)
	if public, err := x509.ParsePKIXPublicKey(key); err == nil {
		cert.PublicKey = public
	}
	for _, n := range []uint8{1, 2} { // unique identifiers
		if !tbs.SkipOptionalASN1(der.Tag(n).ContextSpecific()) {
			return nil, false
		}
	}
	eachExtension(&tbs, 3, func(id asn1.ObjectIdentifier, value cryptobyte.String) { looseExtension(cert, id, value) })
	return cert, true
}

func looseExtension(cert *x509.Certificate, id asn1.ObjectIdentifier, value cryptobyte.String) {
	switch {
	case id.Equal(asn1.ObjectIdentifier{2, 5, 29, 14}):
		var key cryptobyte.String
		if value.ReadASN1(&key, der.OCTET_STRING) {
			cert.SubjectKeyId = key
		}
	case id.Equal(asn1.ObjectIdentifier{2, 5, 29, 15}):
		var usage asn1.BitString
		if value.ReadASN1BitString(&usage) {
			for i := range 9 {
				if usage.At(i) != 0 {
					cert.KeyUsage |= 1 << uint(i)
				}
			}
		}
	case id.Equal(asn1.ObjectIdentifier{2, 5, 29, 19}):
		var list cryptobyte.String
		if !value.ReadASN1(&list, der.SEQUENCE) {
			return
		}
		cert.BasicConstraintsValid = true
		var raw cryptobyte.String
		if list.PeekASN1Tag(der.BOOLEAN) && list.ReadASN1(&raw, der.BOOLEAN) && len(raw) == 1 {
			cert.IsCA = raw[0] != 0
		}
	}
}

// eachExtension calls fn for the extensions that stand in context tag n, if any.
func eachExtension(tbs *cryptobyte.String, n uint8, fn func(asn1.ObjectIdentifier, cryptobyte.String)) {
	var wrapped, list cryptobyte.String
	var has bool
	if !tbs.ReadOptionalASN1(&wrapped, &has, der.Tag(n).Constructed().ContextSpecific()) || !has || !wrapped.ReadASN1(&list, der.SEQUENCE) {
		return
	}
	for count := 0; !list.Empty() && count < maxExtensions; count++ {
		var one, value cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&id) ||
			!one.SkipOptionalASN1(der.BOOLEAN) || !one.ReadASN1(&value, der.OCTET_STRING) {
			return
		}
		fn(id, value)
	}
}

// readNumber reads an INTEGER of any length and sign.
func readNumber(s *cryptobyte.String) (*big.Int, bool) {
	var raw cryptobyte.String
	if !s.ReadASN1(&raw, der.INTEGER) || len(raw) == 0 {
		return nil, false
	}
	n := new(big.Int).SetBytes(raw)
	if raw[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	return n, true
}

func readTime(s *cryptobyte.String) (t time.Time, ok bool) {
	var raw cryptobyte.String
	var tag der.Tag
	if !s.ReadAnyASN1(&raw, &tag) {
		return t, false
	}
	switch tag {
	case der.UTCTime:
		return openssl.ParseUTCTime(string(raw))
	case der.GeneralizedTime:
		return openssl.ParseGeneralizedTime(string(raw))
	}
	return t, false
}

func readName(raw []byte, name *pkix.Name) {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &sequence); err == nil && len(rest) == 0 {
		name.FillFromRDNSequence(&sequence)
	}
}

// readSignature reads what stands behind the signed part.
func readSignature(s cryptobyte.String) (x509.SignatureAlgorithm, []byte, bool) {
	var algorithm cryptobyte.String
	var id asn1.ObjectIdentifier
	var signature asn1.BitString
	if !s.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&id) || !s.ReadASN1BitString(&signature) {
		return 0, nil, false
	}
	return algorithmOf(id, algorithm), signature.RightAlign(), true
}

// signatureAlgorithms are those that package x509 checks (RFC 3279, 4055, 5758, 8410).
var signatureAlgorithms = map[string]x509.SignatureAlgorithm{
	"1.2.840.113549.1.1.4": x509.MD5WithRSA, "1.2.840.113549.1.1.5": x509.SHA1WithRSA, "1.3.14.3.2.29": x509.SHA1WithRSA,
	"1.2.840.113549.1.1.11": x509.SHA256WithRSA, "1.2.840.113549.1.1.12": x509.SHA384WithRSA, "1.2.840.113549.1.1.13": x509.SHA512WithRSA,
	"1.2.840.10045.4.1": x509.ECDSAWithSHA1, "1.2.840.10045.4.3.2": x509.ECDSAWithSHA256,
	"1.2.840.10045.4.3.3": x509.ECDSAWithSHA384, "1.2.840.10045.4.3.4": x509.ECDSAWithSHA512, "1.3.101.112": x509.PureEd25519,
}

// pssHashes are those of RSASSA-PSS (RFC 4055 3.1), with their sizes in bytes, which
// are the only salts that package x509 checks.
var pssHashes = map[string]struct {
	algorithm x509.SignatureAlgorithm
	size      int
}{
	"2.16.840.1.101.3.4.2.1": {x509.SHA256WithRSAPSS, 32}, "2.16.840.1.101.3.4.2.2": {x509.SHA384WithRSAPSS, 48},
	"2.16.840.1.101.3.4.2.3": {x509.SHA512WithRSAPSS, 64},
}

type pssParameters struct {
	Hash         pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
	MGF          pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	SaltLength   int                      `asn1:"explicit,tag:2"`
	TrailerField int                      `asn1:"optional,explicit,tag:3,default:1"`
}

func algorithmOf(id asn1.ObjectIdentifier, parameters cryptobyte.String) x509.SignatureAlgorithm {
	if id.String() != "1.2.840.113549.1.1.10" {
		return signatureAlgorithms[id.String()]
	}
	var p pssParameters
	var mask pkix.AlgorithmIdentifier
	if _, err := asn1.Unmarshal(parameters, &p); err != nil {
		return x509.UnknownSignatureAlgorithm
	}
	if _, err := asn1.Unmarshal(p.MGF.Parameters.FullBytes, &mask); err != nil {
		return x509.UnknownSignatureAlgorithm
	}
	known := pssHashes[p.Hash.Algorithm.String()]
	if p.MGF.Algorithm.String() != "1.2.840.113549.1.1.8" || !mask.Algorithm.Equal(p.Hash.Algorithm) || p.SaltLength != known.size || p.TrailerField != 1 {
		return x509.UnknownSignatureAlgorithm
	}
	return known.algorithm
}
