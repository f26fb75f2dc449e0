package azure

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

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
	label, domain, ok := strings.Cut(strings.ToLower(u.Host), ".")
	if !ok || label == "" || !strings.EqualFold(domain, s.target.vaultDomain) {
		return nil, fault.Newf(fault.SourceInvalid, "the vault's address %.200q is not below %s", uri, s.target.vaultDomain)
	}
	c := &Client{endpoint: Vault, name: "vault " + label, base: &url.URL{Scheme: "https", Host: u.Host}, plain: s.newPipeline(nil)}
	c.audience = func(ctx context.Context) (string, error) {
		return s.vaultAudience.get(ctx, func(ctx context.Context) (string, error) { return s.challenged(ctx, c) })
	}
	c.pipeline = s.newPipeline(&bearer{s.tokens, c.audience})
	return c, nil
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
	req, err := runtime.NewRequest(ctx, http.MethodGet, c.at("/secrets", vaultProbeVersion, url.Values{"maxresults": {"1"}}))
	if err != nil {
		return "", fault.New(fault.SourceInvalid, what, err)
	}
	resp, err := c.plain.Do(req)
	if err != nil {
		return "", transportFault(ctx, what, err)
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return "", answerFault(what, resp, nil)
	}
	authority, resource := parseChallenge(resp.Header.Values("WWW-Authenticate"))
	u, err := url.Parse(authority)
	if err != nil || u.Scheme != "https" || !strings.EqualFold(u.Host, s.target.authority.Host) {
		return "", fault.Newf(fault.SourceInvalid, "%s: it names %.200q, configured is %s", what, authority, s.target.authority)
	}
	if !strings.EqualFold(strings.TrimSuffix(resource, "/"), strings.TrimSuffix(expected, "/")) {
		return "", fault.Newf(fault.SourceInvalid, "%s: it wants a token for %.200q, expected is %s; configure it when that is right", what, resource, expected)
	}
	return strings.TrimSuffix(resource, "/"), nil
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
