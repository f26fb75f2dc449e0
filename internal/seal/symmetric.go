package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"

	"filippo.io/age"

	"infrabackup/internal/fault"
	"infrabackup/internal/secret"
)

// symmetricInfo separates the derivation from every other use of the key.
const symmetricInfo = "infrabackup operator key v1 x25519"

// symmetricIdentity stretches a base64 key with HKDF-SHA256 (RFC 5869, no salt) into
// the 32 bytes of an X25519 identity.
func symmetricIdentity(key secret.String) (*age.X25519Identity, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key.Reveal()))
	if err != nil {
		return nil, refused("the symmetric key is not base64") // the cause would show a part of it
	}
	if len(raw) < minSymmetricKey {
		return nil, refused("the symmetric key has %d bytes, at least %d are needed", len(raw), minSymmetricKey)
	}
	scalar, err := hkdf.Key(sha256.New, raw, nil, symmetricInfo, 32)
	if err != nil {
		return nil, fmt.Errorf("stretch the symmetric key: %w", err)
	}
	return identityFromScalar([32]byte(scalar))
}

// DeriveIdentity makes the X25519 identity, and its recipient, that belongs to a
// seed: the same seed gives the same pair.
func DeriveIdentity(seed [32]byte) (Identity, string, error) {
	identity, err := identityFromScalar(seed)
	if err != nil {
		return Identity{}, "", err
	}
	return Identity{age: identity}, identity.Recipient().String(), nil
}

func identityFromScalar(scalar [32]byte) (*age.X25519Identity, error) {
	identity, err := age.ParseX25519Identity(encodeBech32("AGE-SECRET-KEY-", scalar[:]))
	if err != nil {
		return nil, fault.Newf(fault.Internal, "a derived key was refused") // the cause would show it
	}
	return identity, nil
}

// encodeBech32 writes data as Bech32 (BIP 173) in upper case, the form of an age
// identity. Age keeps its own encoder to itself.
func encodeBech32(prefix string, data []byte) string {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	values := toFiveBits(data)
	lower := strings.ToLower(prefix)
	sum := make([]byte, 0, 2*len(lower)+1+len(values)+6)
	for _, c := range []byte(lower) {
		sum = append(sum, c>>5)
	}
	sum = append(sum, 0)
	for _, c := range []byte(lower) {
		sum = append(sum, c&31)
	}
	sum = append(append(sum, values...), 0, 0, 0, 0, 0, 0)
	check := bech32Polymod(sum) ^ 1
	for i := range 6 {
		values = append(values, byte(check>>(5*(5-i))&31))
	}
	var out strings.Builder
	out.WriteString(lower + "1")
	for _, v := range values {
		out.WriteByte(alphabet[v])
	}
	return strings.ToUpper(out.String())
}

// toFiveBits regroups bytes into groups of five bits, padded with zeroes.
func toFiveBits(data []byte) []byte {
	var out []byte
	var buffer, bits uint
	for _, b := range data {
		buffer, bits = buffer<<8|uint(b), bits+8
		for bits >= 5 {
			bits -= 5
			out = append(out, byte(buffer>>bits&31))
		}
	}
	if bits > 0 {
		out = append(out, byte(buffer<<(5-bits)&31))
	}
	return out
}

// bech32Polymod is the checksum of BIP 173.
func bech32Polymod(values []byte) uint32 {
	generator := [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3}
	check := uint32(1)
	for _, v := range values {
		top := check >> 25
		check = (check&0x1ffffff)<<5 ^ uint32(v)
		for i, g := range generator {
			if top>>i&1 == 1 {
				check ^= g
			}
		}
	}
	return check
}
