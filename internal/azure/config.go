package azure

import (
	"crypto"
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"infrabackup/internal/fault"
	"infrabackup/internal/roots"
	"infrabackup/internal/secret"
)

// Config says where a stamp is and as whom it is read.
type Config struct {
	// TenantURL and AdminURL are the resource managers, such as
	// https://management.local.azurestack.external and
	// https://adminmanagement.local.azurestack.external.
	TenantURL, AdminURL string
	// Authority is the identity provider without the tenant, such as
	// https://adfs.local.azurestack.external/. The stamp's own word for it must
	// agree, since a credential is shown there.
	Authority string
	// Tenant is "adfs", the default, or the ID of an Entra style directory.
	Tenant string
	// ClientID is the application that reads.
	ClientID string
	// ClientSecret or ClientCertificate authenticates it. The certificate is PEM or
	// PKCS#12 without password, with its private key.
	ClientSecret      secret.String
	ClientCertificate secret.String
	// CACertificates are PEM: the CAs, and only those, that the stamp's certificates
	// may come from. When empty, the system's.
	CACertificates []byte
	// Resolver is the host:port of a DNS server that knows the stamp's names, when
	// the host's own does not.
	Resolver string
	// VaultDomain is the domain below which vaults lie; when empty, that of TenantURL
	// with "vault" for its first label.
	VaultDomain string
	// VaultAudience is whom vault tokens are for; when empty, the audience of the
	// tenant's resource manager with "vault" for its host's first label.
	VaultAudience string
	// RetryDelay is the first of the growing delays between the tries of one request;
	// when zero, 800 ms.
	RetryDelay time.Duration
	// TryTimeout bounds how long one try of a request waits for the answer, and for each
	// MiB of it; when zero, two minutes.
	TryTimeout time.Duration
	// Patience bounds how long a host may answer nothing but that it has to be waited
	// for (429, and 503 with a time) until that is a failure; when zero, six hours.
	Patience time.Duration
}

// target is a validated configuration.
type target struct {
	Config
	tenant, admin, authority *url.URL
	vaultDomain              string // with its port, when there is one
	roots                    *x509.CertPool
	certificates             []*x509.Certificate
	key                      crypto.PrivateKey
}

func (c Config) validate() (target, error) {
	t := target{Config: c}
	var err error
	if t.tenant, err = baseURL("management URL", c.TenantURL); err != nil {
		return t, err
	}
	if t.admin, err = baseURL("administrator management URL", c.AdminURL); err != nil {
		return t, err
	}
	if t.authority, err = baseURL("authority", c.Authority); err != nil {
		return t, err
	}
	if t.TryTimeout == 0 {
		t.TryTimeout = defaultTryTimeout
	}
	if t.RetryDelay == 0 {
		t.RetryDelay = defaultRetryDelay
	}
	if t.Patience == 0 {
		t.Patience = defaultPatience
	}
	if t.Tenant == "" {
		t.Tenant = "adfs"
	}
	if strings.ContainsAny(t.Tenant, "/?#\\ ") {
		return t, invalid("the tenant is %q, want adfs or the ID of a directory", c.Tenant)
	}
	if c.ClientID == "" {
		return t, invalid("the client ID is missing")
	}
	if c.ClientSecret.IsZero() == c.ClientCertificate.IsZero() {
		return t, invalid("want a client secret or a client certificate, and not both")
	}
	if !c.ClientCertificate.IsZero() {
		if t.certificates, t.key, err = azidentity.ParseCertificates([]byte(c.ClientCertificate.Reveal()), nil); err != nil {
			return t, fault.New(fault.ConfigInvalid, "the client certificate of the stamp cannot be read: want PEM with certificate and private key", nil)
		}
	}
	if len(c.CACertificates) > 0 {
		if t.roots, err = roots.Pool(c.CACertificates); err != nil {
			return t, fault.New(fault.ConfigInvalid, "the file with the CAs of the stamp cannot be used", err)
		}
	}
	if c.Resolver != "" {
		if _, _, err := net.SplitHostPort(c.Resolver); err != nil {
			return t, invalid("the resolver is %q, want host:port", c.Resolver)
		}
	}
	t.vaultDomain = plainHost(&url.URL{Scheme: "https", Host: strings.Trim(c.VaultDomain, ".")})
	if t.vaultDomain == "" {
		_, parent, _ := strings.Cut(t.tenant.Host, ".")
		t.vaultDomain = "vault." + parent
	}
	return t, nil
}

// baseURL accepts https URLs without path, query and user.
func baseURL(what, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, invalid("the %s is %q, want https://host[:port]", what, text)
	}
	return &url.URL{Scheme: u.Scheme, Host: plainHost(u)}, nil
}

func invalid(format string, args ...any) error {
	return fault.Newf(fault.ConfigInvalid, "the source azure: "+format, args...)
}
