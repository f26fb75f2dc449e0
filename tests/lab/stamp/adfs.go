package stamp

import (
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// assertionType is the only kind of client assertion, RFC 7523.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authority answers as AD FS and, below any other first segment, as an Entra-like
// authority with that tenant.
func (s *Stamp) authority(r *http.Request) *answer {
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	tenant, rest := segments[0], strings.Join(segments[1:], "/")
	base := s.AuthorityURL() + tenant
	adfs := strings.EqualFold(tenant, "adfs")
	switch strings.ToLower(rest) {
	case ".well-known/openid-configuration", "v2.0/.well-known/openid-configuration":
		if r.Method != http.MethodGet {
			return fail(http.StatusMethodNotAllowed, "MethodNotAllowed", "The discovery document can only be read.")
		}
		discovery := map[string]any{
			"issuer": base, "authorization_endpoint": base + "/oauth2/authorize/", "token_endpoint": base + "/oauth2/token/", "jwks_uri": base + "/discovery/keys",
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
			"response_types_supported":              []string{"code"}, "subject_types_supported": []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"RS256"}, "grant_types_supported": []string{"client_credentials"},
		}
		if !adfs {
			discovery["issuer"] = base + "/v2.0"
			discovery["authorization_endpoint"] = base + "/oauth2/v2.0/authorize"
			discovery["token_endpoint"] = base + "/oauth2/v2.0/token"
		}
		return object(http.StatusOK, discovery)
	case "discovery/keys":
		// The tokens are opaque, so there is nothing to check them with.
		return object(http.StatusOK, map[string]any{"keys": []any{}})
	case "oauth2/token", "oauth2/v2.0/token":
		return s.token(r)
	}
	return fail(http.StatusNotFound, "NotFound", "AD FS has no "+r.URL.Path+".")
}

// token answers the token endpoint, RFC 6749 part 4.4.
func (s *Stamp) token(r *http.Request) *answer {
	if r.Method != http.MethodPost {
		return refuse(http.StatusMethodNotAllowed, "invalid_request", "MSIS9605: a token request is a POST.")
	}
	if err := r.ParseForm(); err != nil {
		return refuse(http.StatusBadRequest, "invalid_request", "MSIS9605: the form cannot be read.")
	}
	form := r.PostForm
	if form.Get("grant_type") != "client_credentials" {
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "MSIS9611: only client_credentials is offered.")
	}
	client, err := s.authenticate(r, form)
	if err != nil {
		return refuse(http.StatusUnauthorized, "invalid_client", "MSIS9622: Client authentication failed: "+err.Error()+".")
	}
	audience := form.Get("resource")
	for scope := range strings.FieldsSeq(form.Get("scope")) {
		if resource, ok := strings.CutSuffix(scope, "/.default"); ok && audience == "" {
			audience = resource
		}
	}
	for _, known := range s.audience {
		if known == strings.TrimSuffix(audience, "/") {
			bearer := s.identity.issue(token{client: client.ID, audience: known, expires: s.now().Add(tokenLife)})
			return object(http.StatusOK, map[string]any{"access_token": bearer, "token_type": "bearer", "expires_in": int(tokenLife.Seconds())})
		}
	}
	return refuse(http.StatusBadRequest, "invalid_resource", "MSIS9602: The received 'resource' parameter is invalid: "+audience+".")
}

// authenticate finds out which client asks.
func (s *Stamp) authenticate(r *http.Request, form url.Values) (*Client, error) {
	client := s.identity.client(form.Get("client_id"))
	if client == nil {
		return nil, errors.New("the client is not registered")
	}
	if assertion := form.Get("client_assertion"); assertion != "" {
		if form.Get("client_assertion_type") != assertionType {
			return nil, errors.New("unknown client_assertion_type")
		}
		return client, s.checkAssertion(client, assertion, "https://"+r.Host+r.URL.Path)
	}
	if client.Secret == "" || subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(client.Secret)) != 1 {
		return nil, errors.New("wrong secret")
	}
	return client, nil
}

// checkAssertion verifies a JWT that the client signed for this token endpoint.
func (s *Stamp) checkAssertion(client *Client, assertion, endpoint string) error {
	if client.Certificate == nil {
		return errors.New("no certificate is registered")
	}
	endpoint = strings.TrimSuffix(endpoint, "/")
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(assertion, &claims, func(t *jwt.Token) (any, error) {
		thumbprint := sha1.Sum(client.Certificate.Raw)
		// x5t names the certificate as AD FS wants it; newer clients send x5t#S256 only.
		if x5t, ok := t.Header["x5t"].(string); ok && x5t != base64.StdEncoding.EncodeToString(thumbprint[:]) && x5t != base64.RawURLEncoding.EncodeToString(thumbprint[:]) {
			return nil, errors.New("the assertion was made with another certificate")
		}
		return client.Certificate.PublicKey, nil
	}, jwt.WithValidMethods([]string{"RS256", "PS256"}), jwt.WithExpirationRequired(), jwt.WithIssuer(client.ID), jwt.WithSubject(client.ID), jwt.WithTimeFunc(s.now))
	if err != nil {
		return err
	}
	for _, audience := range claims.Audience {
		if strings.EqualFold(strings.TrimSuffix(audience, "/"), endpoint) {
			return nil
		}
	}
	return errors.New("the assertion is for another endpoint")
}

// refuse is an OAuth error, RFC 6749 part 5.2.
func refuse(status int, code, description string) *answer {
	return object(status, map[string]any{"error": code, "error_description": description})
}
