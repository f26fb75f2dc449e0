package auth

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/printable"
)

// CertificateRule gives a role to the holder of a client certificate. Exactly one of URI,
// DNS and SHA256 is set; the common name never counts.
type CertificateRule struct {
	URI    string // a subject alternative name, such as spiffe://example.com/monitor
	DNS    string // a subject alternative name
	SHA256 string // of the certificate, hex, with or without colons
	Role   Role
	// ResourceManager marks the certificate of Azure Resource Manager, by SHA256 only:
	// behind it the caller is read from x-ms-client-* headers. Resource Manager has then
	// authorized the caller by its own role assignments, and Role applies to all of them.
	ResourceManager bool
}

// Certificates recognizes client certificates.
type Certificates struct {
	pool  *x509.CertPool
	rules []CertificateRule
}

// NewCertificates examines the rules. The pool holds the authorities of clients, and no
// others. CONFIG_INVALID for a rule that names nothing, or too much.
func NewCertificates(pool *x509.CertPool, rules []CertificateRule) (*Certificates, error) {
	if pool == nil {
		return nil, fault.Newf(fault.ConfigInvalid, "client certificates need the certificate authorities that issue them")
	}
	c := &Certificates{pool: pool}
	for i, rule := range rules {
		rule.SHA256 = strings.ToLower(strings.ReplaceAll(rule.SHA256, ":", ""))
		rule.DNS = strings.ToLower(strings.TrimSuffix(rule.DNS, "."))
		names := 0
		for _, name := range []string{rule.URI, rule.DNS, rule.SHA256} {
			if name != "" {
				names++
			}
		}
		pin, err := hex.DecodeString(rule.SHA256)
		switch {
		case names != 1:
			return nil, fault.Newf(fault.ConfigInvalid, "certificate rule %d needs one of URI, DNS name and SHA-256", i+1)
		case rule.SHA256 != "" && (err != nil || len(pin) != sha256.Size):
			return nil, fault.Newf(fault.ConfigInvalid, "certificate rule %d: its SHA-256 is not 64 hexadecimal digits", i+1)
		case !rule.Role.Valid():
			return nil, fault.Newf(fault.ConfigInvalid, "certificate rule %d: role %s is unknown", i+1, printable.Quote(string(rule.Role)))
		case rule.ResourceManager && rule.SHA256 == "":
			return nil, fault.Newf(fault.ConfigInvalid, "certificate rule %d: the certificate of Azure Resource Manager is named by its SHA-256", i+1)
		}
		c.rules = append(c.rules, rule)
	}
	return c, nil
}

// Configure lets a server accept client certificates of the pool, and connections without.
func (c *Certificates) Configure(config *tls.Config) {
	if c == nil {
		return
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.ClientCAs = c.pool
}

// leaf returns the certificate that the client has proven to hold, nil without one.
func leaf(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// find returns the rule of a certificate; of several the one with the highest role.
func (c *Certificates) find(cert *x509.Certificate) (best CertificateRule, name string, found bool) {
	sum := sha256.Sum256(cert.Raw)
	pin := hex.EncodeToString(sum[:])
	for _, rule := range c.rules {
		by := ""
		switch {
		case rule.SHA256 != "" && rule.SHA256 == pin:
			by = pin
		case rule.DNS != "":
			for _, dns := range cert.DNSNames {
				if strings.EqualFold(strings.TrimSuffix(dns, "."), rule.DNS) {
					by = rule.DNS
				}
			}
		case rule.URI != "":
			for _, uri := range cert.URIs {
				if uri.String() == rule.URI {
					by = rule.URI
				}
			}
		}
		// That of Resource Manager comes first: with another rule for the same certificate
		// its callers would all be one.
		if by != "" && (!found || rule.ResourceManager && !best.ResourceManager || best.ResourceManager == rule.ResourceManager && !best.Role.Covers(rule.Role)) {
			best, name, found = rule, by, true
		}
	}
	return best, name, found
}

// recognize makes the principal of a request with a client certificate.
func (c *Certificates) recognize(r *http.Request, cert *x509.Certificate, now time.Time) (Principal, error) {
	if now.After(cert.NotAfter) || now.Before(cert.NotBefore) { // the connection may be older
		return Principal{}, unauthorized(CodeExpiredToken, "The client certificate has expired.", nil)
	}
	rule, name, found := c.find(cert)
	if !found {
		return Principal{}, unauthorized(CodeAuthenticationFailed, "The client certificate has no role here.", nil)
	}
	if !rule.ResourceManager {
		return newPrincipal("certificate:"+name, "", rule.Role, MethodCertificate), nil
	}
	object := r.Header.Get("x-ms-client-object-id")
	if object == "" {
		object = r.Header.Get("x-ms-client-principal-id")
	}
	if object == "" {
		object = r.Header.Get("x-ms-client-app-id")
	}
	if object == "" {
		return Principal{}, unauthorized(CodeAuthenticationFailed, "Azure Resource Manager names no caller in x-ms-client-object-id.", nil)
	}
	subject := subjectForwarded + r.Header.Get("x-ms-client-tenant-id") + "|" + object
	return newPrincipal(subject, r.Header.Get("x-ms-client-principal-name"), rule.Role, MethodCertificate), nil
}

// thumbprint is what RFC 8705 calls x5t#S256.
func thumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
