package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

const (
	maxKeys    = 100
	minRSABits = 2048
	maxRSABits = 8192
)

// errAskedLately says that an issuer was not asked because it was asked lately.
var errAskedLately = errors.New("the issuer was asked for its keys less than 30 seconds ago")

// keySet is the keys of an issuer. [oidc.RemoteKeySet] asks the issuer for each token that does
// not verify, so that anybody could have us flood it; this one asks once in refetchEvery.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time
	flight singleflight.Group

	mu     sync.Mutex
	keys   []publicKey
	asked  time.Time
	failed bool // the last request has brought no keys
}

// publicKey is a key that tokens may be signed with.
type publicKey struct {
	id  string
	key crypto.PublicKey
}

// VerifySignature implements [oidc.KeySet]. The verifier has examined the algorithm before.
func (k *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	id, err := keyID(jwt)
	if err != nil {
		return nil, err
	}
	if payload, err := k.try(ctx, id, jwt); err == nil {
		return payload, nil
	}
	fetched := k.flight.DoChan("", func() (any, error) { return nil, k.fetch(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-fetched:
		err = result.Err
	}
	payload, again := k.try(ctx, id, jwt) // another request may have brought the key meanwhile
	if again == nil {
		return payload, nil
	}
	return nil, errors.Join(again, err)
}

// try verifies with the keys at hand. A key without an id, and a token without one, go with
// any.
func (k *keySet) try(ctx context.Context, id, jwt string) ([]byte, error) {
	k.mu.Lock()
	keys := k.keys
	k.mu.Unlock()
	static := &oidc.StaticKeySet{}
	for _, key := range keys {
		if id == "" || key.id == "" || key.id == id {
			static.PublicKeys = append(static.PublicKeys, key.key)
		}
	}
	if len(static.PublicKeys) == 0 {
		return nil, errors.New("the issuer has no such key")
	}
	return static.VerifySignature(ctx, jwt)
}

// failing reports whether the last request brought no keys.
func (k *keySet) failing() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.failed
}

// fetch asks the issuer, unless it was asked lately.
func (k *keySet) fetch(ctx context.Context) error {
	k.mu.Lock()
	now := k.now()
	if !k.asked.IsZero() && now.Sub(k.asked) < refetchEvery {
		k.mu.Unlock()
		return errAskedLately
	}
	k.asked = now
	k.mu.Unlock()
	keys, err := k.ask(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed = err != nil; err == nil {
		k.keys = keys
	}
	return err
}

func (k *keySet) ask(ctx context.Context) ([]publicKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	answer, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }() // it was read
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the issuer answers %d when it is asked for its keys", answer.StatusCode)
	}
	data, err := io.ReadAll(answer.Body) // bounded by the transport
	if err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	return parseKeys(data)
}

// parseKeys reads a key set (RFC 7517). Keys of other kinds are passed over.
func parseKeys(data []byte) ([]publicKey, error) {
	var set struct {
		Keys []struct {
			ID    string `json:"kid"`
			Type  string `json:"kty"`
			Use   string `json:"use"`
			Curve string `json:"crv"`
			N     string `json:"n"`
			E     string `json:"e"`
			X     string `json:"x"`
			Y     string `json:"y"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("the issuer's keys are no key set in JSON")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("the issuer has more than %d keys", maxKeys)
	}
	var keys []publicKey
	for _, k := range set.Keys {
		var key crypto.PublicKey
		switch {
		case k.Use != "" && k.Use != "sig":
		case k.Type == "RSA":
			key = rsaKey(k.N, k.E)
		case k.Type == "EC" && k.Curve == "P-256":
			key = ecKey(k.X, k.Y)
		}
		if key != nil {
			keys = append(keys, publicKey{id: k.ID, key: key})
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the issuer has no RSA key and no key on P-256 to verify signatures with")
	}
	return keys, nil
}

// rsaKey returns nil for what is no usable key.
func rsaKey(modulus, exponent string) crypto.PublicKey {
	n, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(modulus, "="))
	e, err2 := base64.RawURLEncoding.DecodeString(strings.TrimRight(exponent, "="))
	if err != nil || err2 != nil || len(e) == 0 || len(e) > 4 {
		return nil
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits || key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return nil
	}
	return key
}

// ecKey returns nil for what is no point on P-256.
func ecKey(x, y string) crypto.PublicKey {
	point := []byte{4} // uncompressed
	for _, text := range []string{x, y} {
		coordinate, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(coordinate) != 32 {
			return nil
		}
		point = append(point, coordinate...)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return nil
	}
	return key
}

// keyID reads which key a token says to be signed with.
func keyID(jwt string) (string, error) {
	first, _, _ := strings.Cut(jwt, ".")
	data, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return "", errors.New("the header of the token is malformed")
	}
	var header struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(data, &header); err != nil {
		return "", errors.New("the header of the token is malformed")
	}
	return header.KeyID, nil
}

// bodyLimit ends answers that are too long.
type bodyLimit struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (b *bodyLimit) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err == nil {
		answer.Body = http.MaxBytesReader(nil, answer.Body, maxIssuerBytes)
	}
	return answer, err
}
