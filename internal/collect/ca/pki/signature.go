package pki

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
)

// CheckSignedBy checks a signature by the key alone: whether the parent may sign is
// checked once, on the parent.
func CheckSignedBy(cert, parent *x509.Certificate) error {
	return CheckSignature(parent, cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature)
}

// RSA moduli that signatures are checked with, in bits: crypto/rsa refuses smaller
// ones, and larger ones would take very long.
const (
	minRSABits = 1024
	maxRSABits = 16384
)

// CheckSignature checks what a CA signed, by the key of its certificate. Kinds and sizes of keys
// that are not supported are errors for [IsUnsupported].
func CheckSignature(parent *x509.Certificate, algorithm x509.SignatureAlgorithm, signed, signature []byte) error {
	if parent.PublicKey == nil {
		return x509.ErrUnsupportedAlgorithm
	}
	if key, ok := parent.PublicKey.(*rsa.PublicKey); ok && (key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits) {
		return x509.ErrUnsupportedAlgorithm
	}
	return parent.CheckSignature(algorithm, signed, signature)
}

// IsUnsupported tells what cannot be checked here from what is wrong.
func IsUnsupported(err error) bool {
	var insecure x509.InsecureAlgorithmError
	return errors.Is(err, x509.ErrUnsupportedAlgorithm) || errors.As(err, &insecure)
}
