package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Azure is the stamp: one source for the services ARM, CRP, SRP, NRP, KeyVault and
// RBAC, which are captured all or none.
type Azure struct {
	ManagementURL      string `yaml:"managementUrl"`      // https://management.<region>.<fqdn>, where tenants work
	AdminManagementURL string `yaml:"adminManagementUrl"` // https://adminmanagement.<region>.<fqdn>, where the operator works
	AuthorityURL       string `yaml:"authorityUrl"`       // identity provider without tenant; what the stamp says must agree
	Tenant             string `yaml:"tenant"`             // adfs, the default, or the ID of an Entra style directory
	ClientID           string `yaml:"clientId"`           // application that reads
	ClientSecretFile   string `yaml:"clientSecretFile"`   // its secret, or
	ClientCertFile     string `yaml:"clientCertFile"`     // its certificate with private key, PEM or PKCS#12 without password
	CAFile             string `yaml:"caFile"`             // PEM; the CAs, and only those, of the stamp's certificates; the system's when left out
	Resolver           string `yaml:"resolver"`           // host:port of a DNS server that knows the stamp's names; the host's own when left out
	VaultDomain        string `yaml:"vaultDomain"`        // domain of vaults; vault.<region>.<fqdn> when left out
	VaultAudience      string `yaml:"vaultAudience"`      // whom vault tokens are for; found out when left out
	// UnreadableSubscriptions says what becomes of user subscriptions that the client
	// cannot see: fail, the default, or gap.
	UnreadableSubscriptions string `yaml:"unreadableSubscriptions"`
}

// The values of Azure.UnreadableSubscriptions.
const (
	UnreadableFail = "fail"
	UnreadableGap  = "gap"
)

var tenantPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,251}$`) })

func (a Azure) validate() error {
	for _, u := range []struct{ key, value string }{
		{"managementUrl", a.ManagementURL}, {"adminManagementUrl", a.AdminManagementURL}, {"authorityUrl", a.AuthorityURL},
	} {
		parsed, err := url.Parse(u.value)
		if err != nil || parsed.Scheme != "https" || parsed.Hostname() == "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || strings.Trim(parsed.Path, "/") != "" {
			return wrong("sources.azure."+u.key, "%s", missing(u.value, "want https://host or https://host:port"))
		}
	}
	switch {
	case a.Tenant != "" && !tenantPattern().MatchString(a.Tenant):
		return wrong("sources.azure.tenant", "want adfs or the ID of a directory")
	case a.ClientID == "" || len(a.ClientID) > maxText || strings.ContainsAny(a.ClientID, " \x00\r\n"):
		return wrong("sources.azure.clientId", "%s", missing(a.ClientID, "want the ID of an application"))
	case (a.ClientSecretFile == "") == (a.ClientCertFile == ""):
		return wrong("sources.azure", "give clientSecretFile or clientCertFile, and not both")
	case a.Resolver != "" && !isHostPort(a.Resolver):
		return wrong("sources.azure.resolver", "want host:port")
	case a.VaultDomain != "" && !domainPattern().MatchString(strings.SplitN(a.VaultDomain, ":", 2)[0]):
		return wrong("sources.azure.vaultDomain", "want a domain name")
	case a.VaultAudience != "" && !strings.HasPrefix(a.VaultAudience, "https://"):
		return wrong("sources.azure.vaultAudience", "want https://…")
	case a.UnreadableSubscriptions != "" && !slices.Contains([]string{UnreadableFail, UnreadableGap}, a.UnreadableSubscriptions):
		return wrong("sources.azure.unreadableSubscriptions", "want fail or gap")
	}
	return nil
}
