package azure

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"infrabackup/internal/fault"
)

// Vault opens the data plane of the vault at uri, the vaultUri that its resource
// says. SOURCE_INVALID when that is not below the stamp's vault domain: a token and
// then secrets would go to a stranger. Nothing is sent yet.
func (s *Stamp) Vault(uri string) (*Client, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "https" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fault.Newf(fault.SourceInvalid, "the vault's address %.200q is not https://host", uri)
	}
	label, domain, ok := strings.Cut(plainHost(u), ".")
	if !ok || label == "" || len(label) > 63 || domain != s.target.vaultDomain {
		return nil, fault.Newf(fault.SourceInvalid, "the vault's address %.200q is not below %s", uri, s.target.vaultDomain)
	}
	base := &url.URL{Scheme: "https", Host: plainHost(u)}
	c := &Client{endpoint: Vault, name: "vault " + label, base: base, stamp: s, pace: s.pacerOf(base)}
	c.audience = func(ctx context.Context) (string, error) {
		return s.vaultAudience.get(ctx, func(ctx context.Context) (string, error) { return s.challenged(ctx, c) })
	}
	return c, nil
}

// PathAt is the path, without escapes, of an address at a host, such as the ID of a
// secret. Host is as [Client.Host] says it; the address may name the port that it has
// anyway. It reports false for what is no plain https URL of the host, or has an escaped
// slash.
func PathAt(address, host string) (path string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" ||
		!sameHost(u, &url.URL{Scheme: "https", Host: host}) || strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return "", false
	}
	return u.Path, true
}

// challenged asks a vault without a token and learns from its refusal for whom the
// token must be. What the vault says is compared with what the stamp's own resource
// manager says, so that a vault cannot ask for a token for somebody else.
func (s *Stamp) challenged(ctx context.Context, c *Client) (string, error) {
	what := "ask " + c.name + " for its identity provider"
	expected := s.target.VaultAudience
	if expected == "" {
		manager, err := s.tenant.audience(ctx)
		if err != nil {
			return "", err
		}
		var ok bool
		if expected, ok = rooted(manager, "vault"); !ok {
			return "", fault.Newf(fault.SourceInvalid, "%s: the stamp's audience %q gives none for vaults; configure it", what, manager)
		}
	}
	challenge, err := c.challenge(ctx, what)
	if err != nil {
		return "", err
	}
	authority, resource := parseChallenge(challenge)
	u, err := url.Parse(authority)
	if err != nil || u.Scheme != "https" || !sameHost(u, s.target.authority) {
		return "", fault.Newf(fault.SourceInvalid, "%s: it names %.200q, configured is %s", what, authority, s.target.authority)
	}
	if !sameAudience(resource, expected) {
		return "", fault.Newf(fault.SourceInvalid, "%s: it wants a token for %.200q, expected is %s; configure it when that is right", what, resource, expected)
	}
	return strings.TrimSuffix(resource, "/"), nil
}

// challenge is what a vault answers to a request without a token.
func (c *Client) challenge(ctx context.Context, what string) ([]string, error) {
	probe := request{
		method: http.MethodGet, target: c.at("/secrets", vaultProbeVersion, url.Values{"maxresults": {"1"}}), what: what, anonymous: true,
	}
	err := c.do(ctx, probe, func(*reply) error { return nil })
	if err == nil {
		return nil, fault.Newf(fault.SourceInvalid, "%s: it answers without a token", what)
	}
	if said, ok := errors.AsType[*AnswerError](err); ok && said.Status == http.StatusUnauthorized {
		return said.challenge, nil
	}
	return nil, err
}

// sameAudience compares two URLs, in which a port and a slash at the end may be said or
// not.
func sameAudience(a, b string) bool {
	u, err := url.Parse(a)
	if err != nil {
		return false
	}
	v, err := url.Parse(b)
	return err == nil && u.Scheme == v.Scheme && sameHost(u, v) && strings.EqualFold(strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(v.Path, "/"))
}

// vaultProbeVersion is the data plane's api-version; the answer is a refusal in any
// version.
const vaultProbeVersion = "2016-10-01"

var challengeParameter = regexp.MustCompile(`([A-Za-z_]+)\s*=\s*"([^"]*)"`)

// parseChallenge reads Bearer authorization="…", resource="…" (RFC 6750, 3, with
// Key Vault's parameters). Both are empty when it is malformed.
func parseChallenge(headers []string) (authority, resource string) {
	for _, header := range headers {
		scheme, parameters, ok := strings.Cut(strings.TrimSpace(header), " ")
		if !ok || !strings.EqualFold(scheme, "Bearer") || len(parameters) > 4096 {
			continue
		}
		for _, found := range challengeParameter.FindAllStringSubmatch(parameters, 16) {
			switch strings.ToLower(found[1]) {
			case "authorization", "authorization_uri":
				authority = found[2]
			case "resource", "scope":
				resource = strings.TrimSuffix(found[2], "/.default")
			}
		}
		if authority != "" && resource != "" {
			return authority, resource
		}
	}
	return "", ""
}
