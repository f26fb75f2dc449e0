package inventory

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1" // the identifier of a key, not a signature
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"sync"
)

// keys are the few key pairs that all vaults of a stamp share. Making RSA keys is
// slow, and the standard library makes none that a seed repeats.
type keys struct {
	pool []*keyPair
	err  error
}

type keyPair struct {
	signer  crypto.Signer
	pem     string // PKCS #8
	id      []byte // subject key identifier
	jwk     jwk
	rsaSize int    // 0 for an elliptic curve
	canary  string // a line of pem that holds private numbers only, with no public ones
}

type jwk struct {
	KID    string   `json:"kid"`
	KTY    string   `json:"kty"`
	KeyOps []string `json:"key_ops"`
	N      string   `json:"n,omitempty"`
	E      string   `json:"e,omitempty"`
	Crv    string   `json:"crv,omitempty"`
	X      string   `json:"x,omitempty"`
	Y      string   `json:"y,omitempty"`
}

// lastKeys are those of the last seed: tests make many stamps from one.
var lastKeys struct {
	sync.Mutex
	seed int64
	keys *keys
}

// keysOf are the keys of a seed. Nobody changes them once they are made.
func keysOf(seed int64) *keys {
	lastKeys.Lock()
	defer lastKeys.Unlock()
	if lastKeys.keys == nil || lastKeys.seed != seed {
		lastKeys.seed, lastKeys.keys = seed, newKeys(seed)
	}
	return lastKeys.keys
}

// newKeys makes two RSA keys and two elliptic-curve keys from the seed. They
// protect nothing: whoever has the seed has the keys.
func newKeys(seed int64) *keys {
	r := rand.New(rand.NewPCG(uint64(seed), 0x4e15))
	k := &keys{}
	for i := range 4 {
		var pair *keyPair
		var err error
		if i < 2 {
			pair, err = newRSA(r)
		} else {
			pair, err = newEC(r)
		}
		if err != nil {
			k.err = err
			return k
		}
		k.pool = append(k.pool, pair)
	}
	return k
}

// newRSA makes an RSA key of 2048 bits.
func newRSA(r *rand.Rand) (*keyPair, error) {
	e := big.NewInt(65537)
	one := big.NewInt(1)
	for {
		p, q := prime(r), prime(r)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		d := new(big.Int).ModInverse(e, phi)
		if d == nil || p.Cmp(q) == 0 {
			continue
		}
		key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q}}
		key.Precompute()
		if err := key.Validate(); err != nil {
			return nil, fmt.Errorf("RSA key: %w", err)
		}
		pair, err := newPair(key)
		if err != nil {
			return nil, err
		}
		pair.rsaSize = 2048
		pair.canary = strings.Split(pair.pem, "\n")[12] // behind the modulus and exponents
		pair.jwk = jwk{KTY: "RSA", N: url64(key.N.Bytes()), E: url64([]byte{1, 0, 1}), KeyOps: []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}}
		return pair, nil
	}
}

// prime is a random prime of 1024 bits whose product with another has 2048.
func prime(r *rand.Rand) *big.Int {
	b := make([]byte, 128)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0] |= 0xc0
	b[len(b)-1] |= 1
	n, two := new(big.Int).SetBytes(b), big.NewInt(2)
	for !n.ProbablyPrime(10) {
		n.Add(n, two)
	}
	return n
}

func newEC(r *rand.Rand) (*keyPair, error) {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	b[0] &= 0x7f // below the order of P-256
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b)
	if err != nil {
		return nil, fmt.Errorf("EC key: %w", err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, fmt.Errorf("EC key: %w", err)
	}
	pair, err := newPair(key)
	if err != nil {
		return nil, err
	}
	pair.canary = strings.Split(pair.pem, "\n")[1] // the public point comes later
	pair.jwk = jwk{KTY: "EC", Crv: "P-256", X: url64(point[1:33]), Y: url64(point[33:]), KeyOps: []string{"sign", "verify"}}
	return pair, nil
}

func newPair(key crypto.Signer) (*keyPair, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	id := sha1.Sum(public)
	return &keyPair{signer: key, id: id[:], pem: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}, nil
}

func url64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
