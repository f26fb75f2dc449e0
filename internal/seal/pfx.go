package seal

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"unicode/utf8"

	"software.sslmate.com/src/go-pkcs12"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

const (
	// MaxPFX bounds a PFX file in bytes.
	MaxPFX = 64 << 10
	// maxPFXPassword bounds its password in bytes.
	maxPFXPassword = 1 << 10
	// maxIterations bounds the derivations of keys that a PFX asks for in sight. Programs
	// write 1 to some 100,000 (OpenSSL 3: 2048, Windows: 2000).
	maxIterations = 2_000_000
)

// ParseKeyFile is [ParseIdentities] of a key file that may also be a PFX (PKCS #12, RFC 7292)
// with its password: then it returns the RSA key that one of the certificates in it has.
// The password of another file is not looked at. KEY_PASSWORD for a wrong password, KEY_INVALID
// with the reason otherwise; no error repeats any of data.
//
// Iterations within what a PFX encrypts are known only when it is decrypted, so a hostile PFX
// takes hours, and the parser of PFX files is not ours: call it in a process that ends.
func ParseKeyFile(data []byte, password secret.String) ([]Identity, error) {
	if kind, _ := binaryKind(data); kind != aPFX {
		return ParseIdentities(data)
	}
	id, err := pfxIdentity(data, password)
	if err != nil {
		return nil, err
	}
	return []Identity{id}, nil
}

func pfxIdentity(data []byte, password secret.String) (Identity, error) {
	switch {
	case len(data) > MaxPFX:
		return Identity{}, fault.Newf(fault.KeyInvalid, "the PFX file has %d bytes, at most %d are taken", len(data), MaxPFX)
	case len(password.Reveal()) > maxPFXPassword:
		return Identity{}, fault.Newf(fault.KeyPassword, "the password of the PFX file is longer than %d bytes", maxPFXPassword)
	case !utf8.ValidString(password.Reveal()) || strings.ContainsFunc(password.Reveal(), func(r rune) bool { return r > 0xffff }):
		return Identity{}, fault.Newf(fault.KeyPassword, "the password of the PFX file has characters that such passwords cannot have")
	}
	if err := checkIterations(data); err != nil {
		return Identity{}, err
	}
	key, leaf, chain, err := pkcs12.DecodeChain(data, password.Reveal())
	if err != nil {
		return Identity{}, pfxError(err)
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return Identity{}, invalid("the private key in the PFX file is not an RSA key; only RSA can decrypt", nil)
	}
	for _, certificate := range append(chain, leaf) { // programs differ in which they write first
		if private.PublicKey.Equal(certificate.PublicKey) {
			return rsaIdentity(private)
		}
	}
	return Identity{}, invalid("the private key in the PFX file is not that of the certificate beside it", nil)
}

// pfxError says what is wrong with a PFX, in words of our own: those of the parsers might quote
// a part of it. The library has no values for what is missing; its words are those of the
// version that go.mod names, and a test holds it to them.
func pfxError(err error) error {
	var unknown pkcs12.NotImplementedError
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		return fault.New(fault.KeyPassword, "the password is not that of the PFX file", nil)
	case err.Error() == "pkcs12: private key missing":
		return invalid("the PFX file holds no private key; export it with the private key", nil)
	case err.Error() == "pkcs12: certificate missing":
		return invalid("the PFX file holds no certificate", nil)
	case err.Error() == "pkcs12: expected exactly one key bag":
		return invalid("the PFX file holds more than one private key", nil)
	case err.Error() == "pkcs12: no MAC in data":
		return invalid("the PFX file is not protected by a password, or nothing tells whether it is whole; export it again with a password", nil)
	case errors.As(err, &unknown):
		return invalid("the PFX file is encrypted or put together in a way that is not supported; export it again, with AES", nil)
	}
	return invalid("the PFX file is malformed, or is not in DER", nil)
}

// The parts of a PFX (RFC 7292, 4, and RFC 5652, 8) that say how often a key is to be derived.
type (
	pfxOuter struct {
		Version int
		Safe    pfxContent
		MAC     pfxMAC `asn1:"optional"`
	}
	pfxContent struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	pfxMAC struct {
		Digest struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	pfxEncrypted struct {
		Version int
		Content struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Data      asn1.RawValue `asn1:"optional"`
		}
	}
	pfxBag struct {
		Type       asn1.ObjectIdentifier
		Value      asn1.RawValue `asn1:"tag:0,explicit"`
		Attributes asn1.RawValue `asn1:"optional"`
	}
	pfxShrouded struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
)

// checkIterations refuses a PFX that asks for more work than any program does, as far as that
// can be seen without its password. What is malformed is left to the parser.
func checkIterations(data []byte) error {
	var outer pfxOuter
	if _, err := asn1.Unmarshal(data, &outer); err != nil {
		return invalid("the PFX file is malformed, or is not in DER", nil)
	}
	errs := []error{tooMany(int64(outer.MAC.Iterations)), boundedAlgorithm(outer.MAC.Digest.Algorithm)}
	var safe []byte
	var contents []pfxContent
	if parsed(outer.Safe.Content.Bytes, &safe) && parsed(safe, &contents) {
		for _, c := range contents {
			errs = append(errs, boundedContent(c.Content.Bytes))
		}
	}
	return cmp.Or(errs...)
}

// boundedContent looks at what is encrypted as a whole, or else at the keys that are encrypted
// one by one.
func boundedContent(data []byte) error {
	var encrypted pfxEncrypted
	if parsed(data, &encrypted) {
		return boundedAlgorithm(encrypted.Content.Algorithm)
	}
	var plain []byte
	var bags []pfxBag
	if !parsed(data, &plain) || !parsed(plain, &bags) {
		return nil
	}
	var errs []error
	for _, bag := range bags {
		var shrouded pfxShrouded
		if parsed(bag.Value.Bytes, &shrouded) {
			errs = append(errs, boundedAlgorithm(shrouded.Algorithm))
		}
	}
	return cmp.Or(errs...)
}

func parsed(data []byte, into any) bool {
	_, err := asn1.Unmarshal(data, into)
	return err == nil
}

// boundedAlgorithm looks for the count in the parameters of a derivation, which is an integer
// behind a salt in all of them (RFC 7292, appendix C, and RFC 8018, appendix A).
func boundedAlgorithm(a pkix.AlgorithmIdentifier) error {
	return boundedParameters(a.Parameters.FullBytes, 0)
}

// maxParameterDepth is deeper than parameters nest.
const maxParameterDepth = 8

func boundedParameters(data []byte, depth int) error {
	salt := false
	for len(data) > 0 && depth <= maxParameterDepth {
		var element asn1.RawValue
		rest, err := asn1.Unmarshal(data, &element)
		if err != nil {
			return nil
		}
		data = rest
		if element.Class == asn1.ClassUniversal && element.Tag == asn1.TagInteger && salt {
			n := int64(maxIterations + 1) // of an integer that is longer
			_, _ = asn1.Unmarshal(element.FullBytes, &n)
			if err := tooMany(n); err != nil {
				return err
			}
		}
		salt = element.Class == asn1.ClassUniversal && element.Tag == asn1.TagOctetString
		if element.IsCompound {
			if err := boundedParameters(element.Bytes, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func tooMany(iterations int64) error {
	if iterations > maxIterations {
		return fault.Newf(fault.KeyInvalid, "the PFX file asks for more than %d iterations to derive a key; export it again", maxIterations)
	}
	return nil
}
