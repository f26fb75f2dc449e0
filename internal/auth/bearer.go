package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// maxKnownTokens bounds how many verified tokens are remembered.
const maxKnownTokens = 4096

// verified is a bearer token whose signature and claims were examined.
type verified struct {
	principal Principal
	expires   time.Time
	boundTo   string // thumbprint of the certificate that the token is for, empty for none
}

// claimedIssuer reads who says to have issued a token, before anything is verified.
func claimedIssuer(raw string) (string, bool) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Issuer == "" {
		return "", false
	}
	return claims.Issuer, true
}

// verifyAccess verifies an access token for the API.
func (i *Issuer) verifyAccess(ctx context.Context, issuer, raw string) (verified, error) {
	d, err := i.discover(ctx)
	if err != nil {
		return verified{}, err
	}
	if !slices.Contains(d.names, issuer) {
		return verified{}, unauthorized(CodeInvalidToken, "The bearer token is of an unknown issuer.", nil)
	}
	token, claims, err := i.verify(ctx, d, issuer, raw, &oidc.Config{SkipClientIDCheck: true})
	if err != nil {
		return verified{}, err
	}
	if !slices.ContainsFunc(token.Audience, func(a string) bool { return slices.Contains(i.config.Audiences, a) }) {
		return verified{}, unauthorized(CodeInvalidAudience, "The bearer token is for another audience.", nil)
	}
	known := verified{expires: token.Expiry}
	if known.principal, err = i.principal(token, claims); err != nil {
		return verified{}, err
	}
	if confirmation, ok := claims["cnf"]; ok {
		members, _ := confirmation.(map[string]any)
		if known.boundTo, _ = members["x5t#S256"].(string); known.boundTo == "" {
			return verified{}, unauthorized(CodeInvalidToken, "The bearer token is bound to a key in a way that is not supported here.", nil)
		}
	}
	return known, nil
}

// verify examines signature, issuer, times and tenant. The audience is that of config, or
// left to the caller.
func (i *Issuer) verify(ctx context.Context, d *discovered, issuer, raw string, config *oidc.Config) (*oidc.IDToken, map[string]any, error) {
	config.SupportedSigningAlgs = algorithms
	config.Now = i.config.Now
	keys := &examined{keySet: d.keys}
	token, err := oidc.NewVerifier(issuer, keys, config).Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return nil, nil, unauthorized(CodeExpiredToken, "The bearer token has expired.", nil)
	case err != nil && keys.refused && d.keys.failing():
		return nil, nil, unavailable("The keys of the issuer of tokens cannot be read.", "Check the issuer, and the service's connection to it.", err)
	case err != nil:
		return nil, nil, unauthorized(CodeInvalidToken, "The bearer token is malformed, or is not signed by its issuer.", err)
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, nil, unauthorized(CodeInvalidToken, "The claims of the bearer token are malformed.", err)
	}
	if tenant, _ := claims["tid"].(string); i.config.Tenant != "" && tenant != i.config.Tenant {
		return nil, nil, unauthorized(CodeInvalidToken, "The bearer token is of another tenant.", nil)
	}
	return token, claims, nil
}

// examined remembers that a signature did not verify, which the verifier's error does not tell
// apart.
type examined struct {
	*keySet
	refused bool
}

// VerifySignature implements [oidc.KeySet].
func (e *examined) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := e.keySet.VerifySignature(ctx, jwt)
	e.refused = err != nil
	return payload, err
}

// knownTokens remembers verified tokens by their hash until they expire, so that the same
// token costs a hash instead of a signature each time.
type knownTokens struct {
	mu     sync.RWMutex
	byHash map[[sha256.Size]byte]verified
}

func (k *knownTokens) get(raw string, now time.Time) (verified, bool) {
	hash := sha256.Sum256([]byte(raw))
	k.mu.RLock()
	defer k.mu.RUnlock()
	v, ok := k.byHash[hash]
	return v, ok && now.Before(v.expires)
}

func (k *knownTokens) put(raw string, v verified, now time.Time) {
	hash := sha256.Sum256([]byte(raw))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byHash == nil {
		k.byHash = map[[sha256.Size]byte]verified{}
	}
	if len(k.byHash) >= maxKnownTokens {
		for old, held := range k.byHash {
			if !now.Before(held.expires) {
				delete(k.byHash, old)
			}
		}
	}
	if len(k.byHash) >= maxKnownTokens {
		for old := range k.byHash { // any of them: it is verified again when it comes again
			delete(k.byHash, old)
			break
		}
	}
	k.byHash[hash] = v
}
