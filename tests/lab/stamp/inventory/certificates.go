package inventory

import (
	"crypto/sha1" // Key Vault's thumbprint
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"time"
)

type certificateBundle struct {
	ID         string            `json:"id"`
	KID        string            `json:"kid"`
	SID        string            `json:"sid"`
	X5T        string            `json:"x5t"`
	CER        string            `json:"cer"`
	Attributes attributes        `json:"attributes"`
	Tags       map[string]string `json:"tags,omitempty"`
	Policy     raw               `json:"policy"`
}

type certificatePolicy struct {
	ID       string `json:"id"`
	KeyProps struct {
		Exportable bool   `json:"exportable"`
		KTY        string `json:"kty"`
		KeySize    int    `json:"key_size,omitempty"`
		ReuseKey   bool   `json:"reuse_key"`
	} `json:"key_props"`
	SecretProps struct {
		ContentType string `json:"contentType"`
	} `json:"secret_props"`
	X509Props struct {
		Subject        string   `json:"subject"`
		EKUs           []string `json:"ekus"`
		KeyUsage       []string `json:"key_usage"`
		ValidityMonths int      `json:"validity_months"`
	} `json:"x509_props"`
	LifetimeActions []lifetimeAction `json:"lifetime_actions"`
	Issuer          struct {
		Name string `json:"name"`
	} `json:"issuer"`
	Attributes attributes `json:"attributes"`
}

type lifetimeAction struct {
	Trigger struct {
		LifetimePercentage int `json:"lifetime_percentage"`
	} `json:"trigger"`
	Action struct {
		ActionType string `json:"action_type"`
	} `json:"action"`
}

// certificate makes a certificate with its managed key and secret, which have the
// same name and versions. It returns <vault>/certificates/<name>.
func (b *builder) certificate(v *vault, issuer *Issuer, versions int, exportable bool) string {
	name := b.name("cert")
	pair := pick(b, b.keys.pool)
	policy := b.policyOf(v, name, pair, exportable, issuer)
	c := VaultObject{Vault: v.name, Kind: "certificates", Name: name, Policy: policy}
	k := VaultObject{Vault: v.name, Kind: "keys", Name: name, Managed: true}
	s := VaultObject{Vault: v.name, Kind: "secrets", Name: name, Managed: true}
	for i := range versions {
		version := b.hex32()
		der, err := b.issue(name, pair, issuer, versions > 1 && i == 0)
		if err != nil {
			if b.err == nil {
				b.err = err
			}
			return ""
		}
		kid, sid := v.uri+"keys/"+name+"/"+version, v.uri+"secrets/"+name+"/"+version
		a := b.validity(der)
		tags := b.tags()
		sum := sha1.Sum(der.Raw)
		body := certificateBundle{ID: v.uri + "certificates/" + name + "/" + version, KID: kid, SID: sid, X5T: url64(sum[:]),
			CER: base64.StdEncoding.EncodeToString(der.Raw), Attributes: a, Tags: tags, Policy: policy}
		j := pair.jwk
		j.KID = kid
		value := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der.Raw}))
		if exportable {
			value = pair.pem + value
			b.s.Canaries = append(b.s.Canaries, pair.canary)
		}
		c.Versions = append(c.Versions, b.version(version, body, a))
		k.Versions = append(k.Versions, b.version(version, keyBundle{Key: j, Attributes: a, Tags: tags, Managed: true}, a))
		s.Versions = append(s.Versions, b.version(version, secretBundle{Value: value, ContentType: "application/x-pem-file", ID: sid, KID: kid, Attributes: a, Tags: tags, Managed: true}, a))
		c.Versions[i].Exportable, s.Versions[i].Exportable = exportable, exportable
	}
	b.s.VaultObjects = append(b.s.VaultObjects, c, k, s)
	return v.name + "/certificates/" + name
}

func (b *builder) policyOf(v *vault, name string, pair *keyPair, exportable bool, issuer *Issuer) raw {
	var p certificatePolicy
	p.ID = v.uri + "certificates/" + name + "/policy"
	p.KeyProps.Exportable, p.KeyProps.KTY, p.KeyProps.KeySize, p.KeyProps.ReuseKey = exportable, pair.jwk.KTY, pair.rsaSize, true
	p.SecretProps.ContentType = "application/x-pem-file"
	p.X509Props.Subject = "CN=" + name + "." + b.o.Domain
	p.X509Props.EKUs = []string{"1.3.6.1.5.5.7.3.1"}
	p.X509Props.KeyUsage = []string{"digitalSignature"}
	p.X509Props.ValidityMonths = 12
	action := lifetimeAction{}
	action.Trigger.LifetimePercentage, action.Action.ActionType = 80, "EmailContacts"
	p.LifetimeActions = []lifetimeAction{action}
	p.Issuer.Name = "Self"
	if issuer != nil {
		p.Issuer.Name = "Unknown"
	}
	p.Attributes = b.attributes(0)
	p.Attributes.RecoveryLevel, p.Attributes.Expires = "", nil
	return b.encode(p)
}

// validity takes a version's attributes from its certificate.
func (b *builder) validity(c *x509.Certificate) attributes {
	from, to := c.NotBefore.Unix(), c.NotAfter.Unix()
	return attributes{Enabled: true, NotBefore: &from, Expires: &to, Created: from, Updated: from, RecoveryLevel: "Purgeable"}
}

// issue makes an X.509 certificate: by the issuer, or self-signed without one.
// Signatures take no randomness (RSA PKCS #1 v1.5, deterministic ECDSA), so the
// bytes repeat.
func (b *builder) issue(name string, pair *keyPair, issuer *Issuer, expired bool) (*x509.Certificate, error) {
	var serial [12]byte
	b.fill(serial[:])
	serial[0] = serial[0]&0x7f | 0x40
	from := b.ago(200)
	if expired {
		from = from.AddDate(-2, 0, 0)
	}
	host := name + "." + b.o.Domain
	t := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: from.Truncate(time.Second), NotAfter: from.AddDate(1, 0, 0).Truncate(time.Second),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, SubjectKeyId: pair.id,
	}
	parent, key := t, pair.signer
	if issuer != nil {
		parent, key = issuer.Certificate, issuer.Key
	}
	der, err := x509.CreateCertificate(nil, t, parent, pair.signer.Public(), key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
