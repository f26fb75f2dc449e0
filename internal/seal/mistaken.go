package seal

import (
	"bytes"
	"crypto/x509"
	"strings"
	"unicode/utf8"
)

// Tags of BER (X.690) that key material begins with.
const (
	tagInteger  = 0x02
	tagBits     = 0x03
	tagOctets   = 0x04
	tagObject   = 0x06
	tagSequence = 0x30
)

// Kinds of binary key material that are given by mistake.
const (
	aPFX          = "a PFX file, which holds a private key"
	aPrivateKey   = "a private key"
	anEncrypted   = "an encrypted private key"
	aPublicKey    = "a public key without a certificate"
	aCollection   = "a PKCS #7 file, which can hold several certificates"
	aCertificate  = "a certificate"
	aTextOfAKey   = "the text of a key or certificate"
	minimalHeader = 2 // bytes of tag and length
)

// binaryKind says what binary key material is by how it begins, so that a person is told what
// was given instead of a certificate: PFX (RFC 7292), private keys (RFC 5208, RFC 8017, RFC
// 5915), public keys (RFC 5280) and PKCS #7 (RFC 2315). Empty when it is none of these; whole
// says that nothing is missing or behind it. Files in BER with lengths that are not given,
// which DER forbids and some programs write, are recognized too.
func binaryKind(data []byte) (kind string, whole bool) {
	tag, body, rest, ok := element(data)
	if !ok || tag != tagSequence {
		return "", false
	}
	whole = len(rest) == 0
	first, value, after, ok := element(body)
	if !ok {
		return "", false
	}
	second, inner, _, _ := element(after)
	innermost, _, _, _ := element(inner)
	version := len(value) == 1 && value[0] <= 3
	switch {
	case first == tagInteger && version && value[0] == 3 && second == tagSequence:
		return aPFX, whole
	case first == tagInteger && version && (second == tagSequence && innermost == tagObject || second == tagInteger || second == tagOctets):
		return aPrivateKey, whole
	case first == tagInteger && second == tagInteger:
		return aPublicKey, whole
	case first == tagObject && bytes.HasPrefix(value, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07}):
		return aCollection, whole
	case first == tagSequence && second == tagOctets:
		return anEncrypted, whole
	case first == tagSequence && second == tagBits:
		return aPublicKey, whole
	}
	return "", whole
}

// element reads the first element of BER. What is cut short has what is there as its body, and
// so has one whose length is not given.
func element(data []byte) (tag byte, body, rest []byte, ok bool) {
	if len(data) < minimalHeader {
		return 0, nil, nil, false
	}
	tag, length, data := data[0], int(data[1]), data[2:]
	if length > 0x80 {
		n := length & 0x7f
		if n > 3 || n > len(data) {
			return 0, nil, nil, false
		}
		length = 0
		for _, b := range data[:n] {
			length = length<<8 | int(b)
		}
		data = data[n:]
	} else if length == 0x80 {
		length = len(data)
	}
	length = min(length, len(data))
	return tag, data[:length], data[length:], true
}

// notSymmetric says what the bytes of a symmetric key really are, when they are key material
// of another kind: a certificate is public, so that anybody who has it could open what is
// encrypted with a key that was made of it. Empty when they may be a symmetric key.
func notSymmetric(key []byte) string {
	if kind, whole := binaryKind(key); kind != "" && whole {
		return kind
	}
	if _, err := x509.ParseCertificate(key); err == nil {
		return aCertificate
	}
	if !utf8.Valid(key) {
		return ""
	}
	if bytes.Contains(key, []byte("-----BEGIN ")) || isPrivate(string(key)) {
		return aTextOfAKey
	}
	for line := range strings.Lines(string(key)) {
		if isPublicLine(strings.TrimSpace(line)) {
			return aTextOfAKey
		}
	}
	return ""
}

// isPublicLine reports whether a line begins as a public key does.
func isPublicLine(line string) bool {
	for _, prefix := range []string{"age1", "ssh-", "ecdsa-", "sk-"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// MayBeSecret reports whether a text that was given for public keys may hold a private one, or
// a symmetric one, so that it must not be shown again: everything but lines that begin as
// public keys do, comments, and what is too short for a key.
func MayBeSecret(text string) bool {
	if isPrivate(text) {
		return true
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !isPublicLine(line) && !strings.HasPrefix(line, "#") && len(line) >= minSymmetricKey {
			return true
		}
	}
	return false
}
