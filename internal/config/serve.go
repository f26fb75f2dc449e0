package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"infrabackup/internal/backup"
)

// Serve is the configuration of the process that answers for the Backup Resource
// Provider: its API and its page. Paths are absolute after [LoadServe].
type Serve struct {
	// Listen is where to listen, host:port; [DefaultListen] when empty.
	Listen string `yaml:"listen"`
	// BaseURL is how callers reach it, such as https://backup.local.azurestack.external:
	// the only origin that answers name. Its host is always accepted, and so are Hosts.
	BaseURL string   `yaml:"baseUrl"`
	Hosts   []string `yaml:"hosts"`
	// Certificate is what the listener shows; there is no listening without TLS.
	Certificate Certificate `yaml:"tls"`
	// SubscriptionID is the operator's subscription, a GUID: the one that paths name.
	SubscriptionID string `yaml:"subscriptionId"`
	// Temporal and Codec are those of the workers.
	Temporal Temporal `yaml:"temporal"`
	Codec    Codec    `yaml:"codec"`
	// Instances are what is served, at least one.
	Instances []ServedInstance `yaml:"instances"`
	// StateDir holds the API tokens.
	StateDir string `yaml:"stateDir"`
	// Issuer signs people and programs in; left out, only API tokens and certificates do.
	Issuer *Issuer `yaml:"issuer"`
	// ClientCertificates lets programs in by certificate.
	ClientCertificates *ClientCertificates `yaml:"clientCertificates"`
	// TemporalUI is the address of Temporal's Web UI, for links; no links when empty.
	TemporalUI string `yaml:"temporalUi"`
	// Webhook is told when alerts open and close.
	Webhook *Webhook `yaml:"webhook"`
	Log     Log      `yaml:"log"`
}

// DefaultListen is reached from this host only.
const DefaultListen = "127.0.0.1:30443"

// locationPattern is what can be a location in the addresses of the API, which a region with
// blanks cannot.
var locationPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`) })

// ServedInstance is an instance under the name of its location, the region's when empty.
type ServedInstance struct {
	Name         string `yaml:"name"`
	FQDN         string `yaml:"fqdn"`
	Region       string `yaml:"region"`
	DeploymentID string `yaml:"deploymentId"`
	Location     string `yaml:"location"`
	// Restore is what the restore of the Backup Resource Provider writes to, which names no target
	// itself; it is refused when left out.
	Restore *ServedRestore `yaml:"restore"`
}

// ServedRestore is a target of the instance's workers.
type ServedRestore struct {
	Target string `yaml:"target"` // as the workers' configuration names it
	// Production agrees that the target may be the cloud that was backed up.
	Production bool `yaml:"production"`
}

func (i ServedInstance) instance() Instance {
	return Instance{Name: i.Name, FQDN: i.FQDN, Region: i.Region, DeploymentID: i.DeploymentID}
}

// Certificate is a key pair in PEM files, which may be replaced while it is in use.
type Certificate struct {
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// Issuer is an OpenID Connect issuer, such as AD FS or Entra.
type Issuer struct {
	URL              string            `yaml:"url"`       // discovery is below it
	Tenant           string            `yaml:"tenant"`    // that tokens have to name in the claim tid; any when empty
	Audiences        []string          `yaml:"audiences"` // of access tokens for the API
	CAFile           string            `yaml:"caFile"`    // PEM; the system's CAs when empty
	ClientID         string            `yaml:"clientId"`  // of the page; no sign-in there when empty
	ClientSecretFile string            `yaml:"clientSecretFile"`
	RoleClaim        string            `yaml:"roleClaim"` // "roles" when empty
	Roles            map[string]string `yaml:"roles"`     // value of the claim: reader, operator or owner
}

// ClientCertificates are the certificates of programs.
type ClientCertificates struct {
	CAFile string            `yaml:"caFile"`
	Roles  map[string]string `yaml:"roles"` // DNS or URI name, or SHA-256 of the certificate: role
	// ResourceManager is the SHA-256 of the certificate of the Azure Resource Manager
	// before this service, whose callers it has authorized; none when empty. Roles has to name
	// it, too: that is the most that its callers may do.
	ResourceManager string `yaml:"resourceManager"`
}

// Webhook is where alerts are told.
type Webhook struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secretFile"`
	CAFile     string `yaml:"caFile"`
}

// LoadServe is [Load] for the process that serves API and page.
func LoadServe(path string) (*Serve, error) {
	s := &Serve{}
	if err := load(path, s, nil); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Serve) fillDefaults(func() (string, error)) error {
	if s.Listen == "" {
		s.Listen = DefaultListen
	}
	for i := range s.Instances {
		if s.Instances[i].Location == "" {
			s.Instances[i].Location = s.Instances[i].Region
		}
	}
	if s.Issuer != nil && s.Issuer.RoleClaim == "" {
		s.Issuer.RoleClaim = "roles"
	}
	s.Log.fillDefaults()
	return nil
}

func (s *Serve) paths() []named {
	all := append([]named{
		{key: "codec.keyFile", path: &s.Codec.KeyFile, file: true, secret: true},
		{key: "tls.certFile", path: &s.Certificate.CertFile, file: true},
		{key: "tls.keyFile", path: &s.Certificate.KeyFile, file: true, secret: true},
		{key: "stateDir", path: &s.StateDir}, // created when missing
	}, s.Temporal.paths()...)
	if i := s.Issuer; i != nil {
		all = append(all,
			named{key: "issuer.caFile", path: &i.CAFile, file: true},
			named{key: "issuer.clientSecretFile", path: &i.ClientSecretFile, file: true, secret: true})
	}
	if c := s.ClientCertificates; c != nil {
		all = append(all, named{key: "clientCertificates.caFile", path: &c.CAFile, file: true})
	}
	if w := s.Webhook; w != nil {
		all = append(all,
			named{key: "webhook.secretFile", path: &w.SecretFile, file: true, secret: true},
			named{key: "webhook.caFile", path: &w.CAFile, file: true})
	}
	return all
}

// Validate checks the values' form. [LoadServe] has called it.
func (s *Serve) Validate() error {
	for _, check := range []func() error{
		s.validateListener, s.validateInstances, s.Temporal.validate, s.validateCallers, s.Log.validate,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Serve) validateListener() error {
	base, err := url.Parse(s.BaseURL)
	switch {
	case s.BaseURL == "":
		return wrong("baseUrl", "missing: how callers reach this service, such as https://backup.example.com")
	case err != nil || !isOrigin(base):
		return wrong("baseUrl", "want https://host or https://host:port, and nothing behind it")
	case !isHostPort(s.Listen):
		return wrong("listen", "want host:port")
	case s.Certificate.CertFile == "" || s.Certificate.KeyFile == "":
		return wrong("tls", "certFile and keyFile are needed: nothing is served without TLS")
	case s.Codec.KeyFile == "":
		return wrong("codec.keyFile", "missing")
	case s.StateDir == "":
		return wrong("stateDir", "missing")
	}
	for _, host := range s.Hosts {
		if net.ParseIP(host) == nil && !domainPattern().MatchString(host) {
			return wrong("hosts", "%.100q is neither a host name nor an address", host)
		}
	}
	if ui, err := url.Parse(s.TemporalUI); s.TemporalUI != "" && (err != nil || ui.Host == "" || ui.Scheme != "http" && ui.Scheme != "https") {
		return wrong("temporalUi", "want http://host:port or https://host:port")
	}
	if w := s.Webhook; w != nil {
		if target, err := url.Parse(w.URL); err != nil || target.Scheme != "https" || target.Host == "" {
			return wrong("webhook.url", "want an https:// address")
		}
		if w.SecretFile == "" {
			return wrong("webhook.secretFile", "missing: what is sent is signed with it")
		}
	}
	return nil
}

func isOrigin(u *url.URL) bool {
	return u.Scheme == "https" && u.Host != "" && u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

func (s *Serve) validateInstances() error {
	if _, err := backup.ParseID(strings.ToLower(s.SubscriptionID)); err != nil {
		return wrong("subscriptionId", "%s", missing(s.SubscriptionID, "want a GUID"))
	}
	if len(s.Instances) == 0 {
		return wrong("instances", "missing: what is served")
	}
	names, locations := map[string]bool{}, map[string]bool{}
	for n, i := range s.Instances {
		if err := i.instance().validate(); err != nil {
			var m *mistake
			if errors.As(err, &m) {
				m.key = strings.Replace(m.key, "instance.", fmt.Sprintf("instances[%d].", n), 1)
			}
			return err
		}
		location := strings.ToLower(i.Location)
		switch {
		case !locationPattern().MatchString(i.Location):
			return wrong("instances", "location %.100q: want letters, digits, '-' and '_', at most 63 and first a letter or digit; a region that is none needs a location", i.Location)
		case names[i.Name]:
			return wrong("instances", "instance %s is there twice", i.Name)
		case i.Restore != nil && !targetName.MatchString(i.Restore.Target):
			return wrong(fmt.Sprintf("instances[%d].restore.target", n), "%.100q: want the name of a target in the workers' configuration", i.Restore.Target)
		case locations[location]:
			return wrong("instances", "two instances have the location %s; give one another location", i.Location)
		}
		names[i.Name], locations[location] = true, true
	}
	return nil
}

func (s *Serve) validateCallers() error {
	if i := s.Issuer; i != nil {
		u, err := url.Parse(i.URL)
		switch {
		case err != nil || u.Scheme != "https" || u.Host == "":
			return wrong("issuer.url", "want an https:// address")
		case len(i.Audiences) == 0:
			return wrong("issuer.audiences", "missing: for whom access tokens are made that count here")
		case slices.Contains(i.Audiences, i.ClientID):
			return wrong("issuer.audiences", "the page's clientId is no audience: its ID tokens would count as access tokens")
		}
		if err := validateRoles("issuer.roles", i.Roles); err != nil {
			return err
		}
	}
	if c := s.ClientCertificates; c != nil {
		if c.CAFile == "" {
			return wrong("clientCertificates.caFile", "missing")
		}
		if err := validateRoles("clientCertificates.roles", c.Roles); err != nil {
			return err
		}
		return c.validateResourceManager()
	}
	return nil
}

// validateResourceManager wants a role for the certificate of the Resource Manager: without one, all
// that comes through it is refused, and it looks as if its callers were.
func (c *ClientCertificates) validateResourceManager() error {
	if c.ResourceManager == "" {
		return nil
	}
	digest, ok := CertificateDigest(c.ResourceManager)
	if !ok {
		return wrong("clientCertificates.resourceManager", "%.100q: want the SHA-256 of a certificate in hex", c.ResourceManager)
	}
	for name := range c.Roles {
		if named, ok := CertificateDigest(name); ok && named == digest {
			return nil
		}
	}
	return wrong("clientCertificates.resourceManager", "it has no role: name it in clientCertificates.roles, too")
}

// digestPattern is a SHA-256.
var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// CertificateDigest reads the SHA-256 of a certificate, which programs print with colons and in
// upper case; false for a text that is none.
func CertificateDigest(text string) (string, bool) {
	digest := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	return digest, digestPattern.MatchString(digest)
}

func validateRoles(key string, roles map[string]string) error {
	if len(roles) == 0 {
		return wrong(key, "missing: who may do what")
	}
	for name, role := range roles {
		if !slices.Contains([]string{"reader", "operator", "owner"}, role) {
			return wrong(key, "%.100q: want reader, operator or owner", name)
		}
	}
	return nil
}
