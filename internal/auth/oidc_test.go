package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

const audience = "https://backup.test/api"

// issuer is an OpenID Connect issuer of the tests, as AD FS is one: access tokens name
// another issuer than the discovery document.
type issuer struct {
	*httptest.Server
	t     *testing.T
	clock *clock

	mu    sync.Mutex
	keys  map[string]crypto.Signer
	codes map[string]url.Values // what a code was given for

	discoveries, fetches atomic.Int64
	broken               atomic.Bool
	idClaims             jwt.MapClaims // beside the usual ones
}

func newIssuer(t *testing.T, c *clock) *issuer {
	t.Helper()
	i := &issuer{t: t, clock: c, keys: map[string]crypto.Signer{}, codes: map[string]url.Values{}}
	i.addKey("rsa-1")
	i.Server = httptest.NewTLSServer(i)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) addKey(kid string) {
	var key crypto.Signer
	var err error
	if kid[0] == 'e' {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	require.NoError(i.t, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys[kid] = key
}

func (i *issuer) name() string       { return i.URL + "/adfs" }
func (i *issuer) accessName() string { return "http://adfs.test/adfs/services/trust" }
func (i *issuer) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.Certificate())
	return pool
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if i.broken.Load() {
		i.count(r)
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	b64 := base64.RawURLEncoding.EncodeToString
	switch r.URL.Path {
	case "/adfs/.well-known/openid-configuration":
		i.count(r)
		i.answer(w, map[string]any{"issuer": i.name(), "access_token_issuer": i.accessName(), "jwks_uri": i.URL + "/keys",
			"authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "end_session_endpoint": i.URL + "/end",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}})
	case "/keys":
		i.count(r)
		i.mu.Lock()
		defer i.mu.Unlock()
		keys := []map[string]any{}
		for kid, key := range i.keys {
			switch pub := key.Public().(type) {
			case *rsa.PublicKey:
				keys = append(keys, map[string]any{"kid": kid, "kty": "RSA", "use": "sig", "n": b64(pub.N.Bytes()), "e": b64(big.NewInt(int64(pub.E)).Bytes())})
			case *ecdsa.PublicKey:
				point, err := pub.Bytes()
				require.NoError(i.t, err)
				keys = append(keys, map[string]any{"kid": kid, "kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])})
			}
		}
		i.answer(w, map[string]any{"keys": keys})
	case "/token":
		i.redeem(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) count(r *http.Request) {
	if r.URL.Path == "/keys" {
		i.fetches.Add(1)
	} else {
		i.discoveries.Add(1)
	}
}

func (i *issuer) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// authorize is the browser's visit: it returns the address to come back to.
func (i *issuer) authorize(location string) string {
	u, err := url.Parse(location)
	require.NoError(i.t, err)
	q := u.Query()
	require.Equal(i.t, "S256", q.Get("code_challenge_method"))
	require.Equal(i.t, "code", q.Get("response_type"))
	i.mu.Lock()
	defer i.mu.Unlock()
	code := base64.RawURLEncoding.EncodeToString([]byte(q.Get("state")))[:16]
	i.codes[code] = q
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
}

func (i *issuer) redeem(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	i.mu.Lock()
	asked, ok := i.codes[r.Form.Get("code")]
	delete(i.codes, r.Form.Get("code"))
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(r.Form.Get("code_verifier")))
	if id, secret, _ := r.BasicAuth(); !ok || id != "page" || secret != "hush" || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := jwt.MapClaims{"iss": i.name(), "aud": "page", "nonce": asked.Get("nonce"), "auth_time": i.clock.now().Unix()}
	maps.Copy(claims, i.idClaims)
	i.answer(w, map[string]any{"access_token": "opaque", "token_type": "bearer", "id_token": i.sign("rsa-1", claims)})
}

// sign makes a token; claims replace what it usually has.
func (i *issuer) sign(kid string, claims jwt.MapClaims) string {
	all := jwt.MapClaims{"iss": i.accessName(), "aud": audience, "sub": "S-1-5-21", "upn": "ann@corp.test", "group": []string{"CORP\\Backup Operators", "x"},
		"exp": i.clock.now().Add(time.Hour).Unix(), "nbf": i.clock.now().Unix(), "iat": i.clock.now().Unix()}
	maps.Copy(all, claims)
	i.mu.Lock()
	key := i.keys[kid]
	i.mu.Unlock()
	var method jwt.SigningMethod = jwt.SigningMethodRS256
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		method = jwt.SigningMethodES256
	}
	return i.signed(method, kid, key, all)
}

func (i *issuer) signed(method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	raw, err := token.SignedString(key)
	require.NoError(i.t, err)
	return raw
}

func (i *issuer) config() IssuerConfig {
	return IssuerConfig{URL: i.name(), Audiences: []string{audience}, Roots: i.roots(), Now: i.clock.now,
		Roles: []RoleRule{{"group", "CORP\\Backup Readers", Reader}, {"group", "CORP\\Backup Operators", Operator}, {"group", "CORP\\Backup Admins", Owner}, {"roles", "Owner", Owner}}}
}

func (i *issuer) authenticator(more ...*Issuer) *Authenticator {
	own, err := NewIssuer(i.config())
	require.NoError(i.t, err)
	return authenticator(i.t, AuthenticatorConfig{Issuers: append([]*Issuer{own}, more...), Now: i.clock.now})
}

func TestBearerTokens(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	i.addKey("ec-1")
	a := i.authenticator()
	public, err := x509.MarshalPKIXPublicKey(i.keys["rsa-1"].Public())
	require.NoError(t, err)
	stranger := newIssuer(t, c)
	usual := func(claims jwt.MapClaims) jwt.MapClaims {
		all := jwt.MapClaims{"iss": i.accessName(), "aud": audience, "sub": "s", "exp": c.now().Add(time.Hour).Unix()}
		maps.Copy(all, claims)
		return all
	}
	for name, test := range map[string]struct {
		token string
		code  string // empty when it lets in
		role  Role
	}{
		"as AD FS makes it":         {token: i.sign("rsa-1", nil), role: Operator},
		"with ECDSA":                {token: i.sign("ec-1", nil), role: Operator},
		"with the issuer's name":    {token: i.sign("rsa-1", jwt.MapClaims{"iss": i.name()}), role: Operator},
		"several audiences":         {token: i.sign("rsa-1", jwt.MapClaims{"aud": []string{"x", audience}}), role: Operator},
		"the highest role counts":   {token: i.sign("rsa-1", jwt.MapClaims{"group": []string{"CORP\\Backup Readers", "CORP\\Backup Admins"}}), role: Owner},
		"an app role":               {token: i.sign("rsa-1", jwt.MapClaims{"group": nil, "roles": "Owner"}), role: Owner},
		"no role":                   {token: i.sign("rsa-1", jwt.MapClaims{"group": "Owner", "roles": 7}), role: ""},
		"an application":            {token: i.sign("rsa-1", jwt.MapClaims{"sub": nil, "appid": "app"}), role: Operator},
		"expired":                   {token: i.sign("rsa-1", jwt.MapClaims{"exp": c.now().Add(-time.Second).Unix()}), code: CodeExpiredToken},
		"not yet":                   {token: i.sign("rsa-1", jwt.MapClaims{"nbf": c.now().Add(6 * time.Minute).Unix()}), code: CodeInvalidToken},
		"without end":               {token: i.sign("rsa-1", jwt.MapClaims{"exp": nil}), code: CodeInvalidToken},
		"of the page's client":      {token: i.sign("rsa-1", jwt.MapClaims{"aud": "page"}), code: CodeInvalidAudience},
		"without audience":          {token: i.sign("rsa-1", jwt.MapClaims{"aud": nil}), code: CodeInvalidAudience},
		"of nobody":                 {token: i.sign("rsa-1", jwt.MapClaims{"sub": nil}), code: CodeInvalidToken},
		"bound to a certificate":    {token: i.sign("rsa-1", jwt.MapClaims{"cnf": map[string]string{"x5t#S256": "x"}}), code: CodeInvalidToken},
		"bound to another key":      {token: i.sign("rsa-1", jwt.MapClaims{"cnf": map[string]string{"jkt": "x"}}), code: CodeInvalidToken},
		"another issuer's":          {token: i.sign("rsa-1", jwt.MapClaims{"iss": "https://evil.test"}), code: CodeInvalidToken},
		"another issuer's key":      {token: stranger.sign("rsa-1", jwt.MapClaims{"iss": i.name()}), code: CodeInvalidToken},
		"unsigned":                  {token: i.signed(jwt.SigningMethodNone, "rsa-1", jwt.UnsafeAllowNoneSignatureType, usual(nil)), code: CodeInvalidToken},
		"HMAC with the public key":  {token: i.signed(jwt.SigningMethodHS256, "rsa-1", public, usual(nil)), code: CodeInvalidToken},
		"another algorithm":         {token: i.signed(jwt.SigningMethodPS256, "rsa-1", i.keys["rsa-1"], usual(nil)), code: CodeInvalidToken},
		"an unknown key":            {token: i.signed(jwt.SigningMethodRS256, "rsa-9", i.keys["rsa-1"], usual(nil)), code: CodeInvalidToken},
		"changed":                   {token: i.sign("rsa-1", nil) + "A", code: CodeInvalidToken},
		"garbage":                   {token: "garbage", code: CodeInvalidToken},
		"dots":                      {token: "..", code: CodeInvalidToken},
		"an API token":              {token: tokenPrefix + "x", code: CodeInvalidToken},
		"claims that are no object": {token: base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`[]`)) + ".x", code: CodeInvalidToken},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second time it is remembered, if it was good
				p, err := a.Authenticate(request(test.token))
				if test.code != "" {
					r := refused(t, err, http.StatusUnauthorized, test.code)
					require.Contains(t, r.Challenge, `authorization_uri="`+i.name()+`"`)
					require.NotContains(t, err.Error(), test.token)
					require.Zero(t, p)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, test.role, p.Role)
				require.Equal(t, MethodOIDC, p.Method)
				require.Contains(t, p.Subject, "|")
			}
		})
	}
	require.EqualValues(t, 1, i.discoveries.Load())
	require.EqualValues(t, 1, i.fetches.Load(), "whatever was sent, the issuer was asked once")
	require.Zero(t, stranger.fetches.Load())
}

func TestBearerTokenEndsAlthoughItIsKnown(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	a := i.authenticator()
	raw := i.sign("rsa-1", nil)
	_, err := a.AuthenticateKnown(request(raw))
	refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
	for range 3 {
		_, err := a.Authenticate(request(raw))
		require.NoError(t, err)
	}
	_, err = a.AuthenticateKnown(request(raw))
	require.NoError(t, err)
	c.advance(time.Hour + time.Second)
	_, err = a.Authenticate(request(raw))
	refused(t, err, http.StatusUnauthorized, CodeExpiredToken)
}

// An issuer cannot be flooded through us: tokens with unknown keys and with bad signatures
// make one request for keys in 30 seconds, also from many connections at once.
func TestIssuerIsNotFlooded(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	a := i.authenticator()
	raw := i.sign("rsa-1", nil)
	bad := []string{raw[:len(raw)-4] + "AAAA", i.signed(jwt.SigningMethodRS256, "new", i.keys["rsa-1"], jwt.MapClaims{"iss": i.name()})}
	flood := func() {
		var all sync.WaitGroup
		for n := range 40 {
			all.Go(func() {
				if _, err := a.Authenticate(request(bad[n%2])); err == nil {
					t.Error("a bad token was let in")
				}
			})
		}
		all.Wait()
	}
	flood()
	require.EqualValues(t, 1, i.fetches.Load())
	c.advance(refetchEvery)
	flood()
	require.EqualValues(t, 2, i.fetches.Load())

	i.addKey("rsa-2") // a rotation, in the midst of it
	rotated := i.sign("rsa-2", nil)
	_, err := a.Authenticate(request(rotated))
	refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
	c.advance(refetchEvery)
	_, err = a.Authenticate(request(rotated))
	require.NoError(t, err)
	_, err = a.Authenticate(request(raw))
	require.NoError(t, err)
	require.EqualValues(t, 3, i.fetches.Load())
	require.EqualValues(t, 1, i.discoveries.Load())
}

func TestIssuerThatIsAway(t *testing.T) {
	c := newClock()
	i := newIssuer(t, c)
	i.broken.Store(true)
	tokens := openTokens(t, c)
	_, text := create(t, tokens, Reader)
	own, err := NewIssuer(i.config())
	require.NoError(t, err)
	a := authenticator(t, AuthenticatorConfig{Issuers: []*Issuer{own}, Tokens: tokens, Now: c.now})
	raw := i.sign("rsa-1", nil)
	for range 5 {
		_, err := a.Authenticate(request(raw))
		r := refused(t, err, http.StatusServiceUnavailable, CodeUnavailable)
		require.Equal(t, refetchEvery, r.RetryAfter)
		require.Empty(t, r.Challenge)
		_, err = a.Authenticate(request(text))
		require.NoError(t, err, "API tokens need no issuer")
	}
	require.EqualValues(t, 1, i.discoveries.Load())
	i.broken.Store(false)
	c.advance(refetchEvery)
	_, err = a.Authenticate(request(raw))
	require.NoError(t, err)

	i.broken.Store(true) // with the keys at hand it is not needed
	c.advance(refetchEvery)
	_, err = a.Authenticate(request(i.sign("rsa-1", jwt.MapClaims{"sub": "another"})))
	require.NoError(t, err)
	i.addKey("rsa-2")
	_, err = a.Authenticate(request(i.sign("rsa-2", nil)))
	refused(t, err, http.StatusServiceUnavailable, CodeUnavailable)
}

func TestTwoIssuers(t *testing.T) {
	c := newClock()
	first, second := newIssuer(t, c), newIssuer(t, c)
	config := second.config()
	config.Tenant = "t1"
	other, err := NewIssuer(config)
	require.NoError(t, err)
	a := first.authenticator(other)
	p, err := a.Authenticate(request(second.sign("rsa-1", jwt.MapClaims{"iss": second.name(), "tid": "t1"})))
	require.NoError(t, err)
	require.Equal(t, second.name()+"|S-1-5-21", p.Subject)
	require.Equal(t, "ann@corp.test", p.Name)
	require.Zero(t, first.discoveries.Load(), "the other one is not asked")
	for _, tenant := range []any{"t2", nil, 1} {
		_, err = a.Authenticate(request(second.sign("rsa-1", jwt.MapClaims{"iss": second.name(), "tid": tenant})))
		refused(t, err, http.StatusUnauthorized, CodeInvalidToken)
	}
}

func TestKnownTokensAreBounded(t *testing.T) {
	var k knownTokens
	now := newClock().now()
	for n := range maxKnownTokens + 100 {
		k.put(string(rune(n)), verified{expires: now.Add(time.Hour)}, now)
	}
	require.Len(t, k.byHash, maxKnownTokens)
	k.put("later", verified{expires: now.Add(3 * time.Hour)}, now.Add(2*time.Hour))
	require.Len(t, k.byHash, 1, "what has expired goes first")
}

func TestIssuerRefusals(t *testing.T) {
	for name, change := range map[string]func(*IssuerConfig){
		"http":                         func(c *IssuerConfig) { c.URL = "http://adfs.test/adfs" },
		"no host":                      func(c *IssuerConfig) { c.URL = "https:///adfs" },
		"a query":                      func(c *IssuerConfig) { c.URL += "?a=b" },
		"a password":                   func(c *IssuerConfig) { c.URL = "https://a:b@adfs.test" },
		"every tenant":                 func(c *IssuerConfig) { c.URL = "https://login.microsoftonline.com/common/v2.0" },
		"every organization":           func(c *IssuerConfig) { c.URL = "https://login.microsoftonline.com/organizations" },
		"the page among the audiences": func(c *IssuerConfig) { c.ClientID = audience },
		"no redirect":                  func(c *IssuerConfig) { c.ClientID, c.RedirectURL = "page", "" },
		"a redirect without TLS":       func(c *IssuerConfig) { c.ClientID, c.RedirectURL = "page", "http://backup.test/" },
		"an empty audience":            func(c *IssuerConfig) { c.Audiences = append(c.Audiences, "") },
		"a role that there is not":     func(c *IssuerConfig) { c.Roles = []RoleRule{{"group", "x", "root"}} },
		"everybody without the claim":  func(c *IssuerConfig) { c.Roles = []RoleRule{{"group", "", Owner}} },
	} {
		config := IssuerConfig{URL: "https://adfs.test/adfs", Audiences: []string{audience}, RedirectURL: "https://backup.test/login/callback"}
		_, err := NewIssuer(config)
		require.NoError(t, err)
		change(&config)
		_, err = NewIssuer(config)
		require.Error(t, err, name)
	}
	_, err := NewAuthenticator(AuthenticatorConfig{})
	require.Error(t, err)
}

func TestKeySets(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	n := b64(append([]byte{0x80}, make([]byte, 255)...))
	for name, test := range map[string]struct {
		text string
		keys int // -1 when the whole is refused
	}{
		"no JSON":                  {"<html>", -1},
		"empty":                    {`{"keys":[]}`, -1},
		"an RSA key":               {`{"keys":[{"kid":"a","kty":"RSA","n":"` + n + `","e":"AQAB"}]}`, 1},
		"padded":                   {`{"keys":[{"kid":"a","kty":"RSA","n":"` + n + `==","e":"AQAB"}]}`, 1},
		"for encryption":           {`{"keys":[{"kid":"a","kty":"RSA","use":"enc","n":"` + n + `","e":"AQAB"}]}`, -1},
		"a short one":              {`{"keys":[{"kid":"a","kty":"RSA","n":"` + b64([]byte("short")) + `","e":"AQAB"}]}`, -1},
		"a huge one":               {`{"keys":[{"kid":"a","kty":"RSA","n":"` + b64(append([]byte{1}, make([]byte, 2000)...)) + `","e":"AQAB"}]}`, -1},
		"an exponent of one":       {`{"keys":[{"kid":"a","kty":"RSA","n":"` + n + `","e":"AQ"}]}`, -1},
		"an even exponent":         {`{"keys":[{"kid":"a","kty":"RSA","n":"` + n + `","e":"AQAA"}]}`, -1},
		"a huge exponent":          {`{"keys":[{"kid":"a","kty":"RSA","n":"` + n + `","e":"AQABAQAB"}]}`, -1},
		"not on the curve":         {`{"keys":[{"kid":"a","kty":"EC","crv":"P-256","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(make([]byte, 32)) + `"}]}`, -1},
		"another curve":            {`{"keys":[{"kid":"a","kty":"EC","crv":"P-521","x":"AA","y":"AA"}]}`, -1},
		"a shared secret":          {`{"keys":[{"kid":"a","kty":"oct","k":"AA"}]}`, -1},
		"others beside a good one": {`{"keys":[{"kty":"oct"},{"kid":"a","kty":"RSA","n":"` + n + `","e":"AQAB"},{"kty":"OKP","crv":"Ed448"}]}`, 1},
		"too many":                 {`{"keys":[` + strings.Repeat(`{"kty":"oct"},`, maxKeys) + `{"kty":"oct"}]}`, -1},
	} {
		keys, err := parseKeys([]byte(test.text))
		if test.keys < 0 {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Len(t, keys, test.keys, name)
	}
}

// FuzzBearer reads what callers and issuers send before anything of it is verified.
func FuzzBearer(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJ4In0.x", []byte(`{"keys":[{"kid":"a","kty":"RSA","n":"AA","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add("ibk_22222222_x", []byte(`{}`))
	f.Fuzz(func(t *testing.T, token string, keys []byte) {
		if name, ok := claimedIssuer(token); ok {
			require.NotEmpty(t, name)
		}
		if id, ok := tokenID(token); ok {
			require.True(t, validID(id))
		}
		_, _ = keyID(token)
		if found, err := parseKeys(keys); err == nil {
			require.NotEmpty(t, found)
		}
	})
}
