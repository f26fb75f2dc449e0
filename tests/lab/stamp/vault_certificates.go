package stamp

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // Key Vault's thumbprint
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// pending is a certificate that is being made.
type pending struct {
	key      crypto.Signer
	body     map[string]any // of the request
	policy   map[string]any
	csr      []byte
	issuer   string
	done     bool
	canceled bool
}

// importCertificate takes a certificate with its key as PEM. Real vaults also take PFX.
func (v *vaults) importCertificate(r *http.Request, vault, name string) *answer {
	if !validName(name) {
		return badName(name)
	}
	if refusal := v.freeCertificate(vault, name); refusal != nil {
		return refusal
	}
	body, refusal := vaultBody(r, "certificates/{}/import")
	if refusal != nil {
		return refusal
	}
	text, _ := body["value"].(string)
	certificate, key := readPEM([]byte(text))
	if certificate == nil || key == nil {
		return fail(http.StatusBadRequest, "BadParameter", "The specified PEM content is in an unexpected format, or has no certificate or no private key. The stand-in reads no PFX.")
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(certificate.PublicKey) {
		return fail(http.StatusBadRequest, "BadParameter", "The private key does not belong to the certificate.")
	}
	policy, _ := body["policy"].(map[string]any)
	return document(http.StatusOK, v.addCertificate(vault, name, certificate, text, policy, body))
}

// readPEM finds a certificate and a private key; nil for what is not there.
func readPEM(text []byte) (*x509.Certificate, crypto.Signer) {
	var certificate *x509.Certificate
	var key crypto.Signer
	for range 16 { // more blocks than a chain has
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		switch block.Type {
		case "CERTIFICATE":
			if c, err := x509.ParseCertificate(block.Bytes); err == nil && certificate == nil {
				certificate = c
			}
		case "PRIVATE KEY":
			if k, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
				key, _ = k.(crypto.Signer)
			}
		}
	}
	return certificate, key
}

// freeCertificate refuses a name that a deleted object, or an object that belongs to no
// certificate, has.
func (v *vaults) freeCertificate(vault, name string) *answer {
	if refusal := v.free(vault, "certificates", name); refusal != nil {
		return refusal
	}
	for _, kind := range []string{"keys", "secrets"} {
		if item := v.get(keyOf(vault, kind, name)); item != nil && !item.Managed {
			return vaultConflict("The name "+name+" is that of a "+kind[:len(kind)-1]+" which belongs to no certificate.", "NameInUse")
		}
		v.mu.RLock()
		deleted := v.deleted[keyOf(vault, kind, name)]
		v.mu.RUnlock()
		if deleted != nil {
			return vaultConflict("Object "+name+" is currently in a deleted but recoverable state.", "ObjectIsDeletedButRecoverable")
		}
	}
	return nil
}

// addCertificate stores a version of a certificate, and of the key and the secret that
// come with it.
func (v *vaults) addCertificate(vault, name string, c *x509.Certificate, secret string, policy, body map[string]any) []byte {
	name = v.named(vault, "certificates", name)
	attributes, version := v.version(vault, body)
	attributes["nbf"], attributes["exp"] = c.NotBefore.Unix(), c.NotAfter.Unix()
	policy = v.policyOf(vault, name, c, policy)
	exportable := true
	if props, ok := policy["key_props"].(map[string]any); ok && props["exportable"] == false {
		exportable = false
	}
	version.Exportable = exportable
	kid, sid := v.base(vault, "keys", name)+"/"+version.Version, v.base(vault, "secrets", name)+"/"+version.Version
	sum := sha1.Sum(c.Raw)
	bundle := carried(map[string]any{"id": v.base(vault, "certificates", name) + "/" + version.Version, "kid": kid, "sid": sid, "x5t": base64.RawURLEncoding.EncodeToString(sum[:]),
		"cer": base64.StdEncoding.EncodeToString(c.Raw), "attributes": attributes, "policy": policy}, body, "tags")
	if !exportable {
		secret = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	if jwk, err := publicJWK(c.PublicKey); err == nil && jwk != nil {
		jwk["kid"] = kid
		v.add(vault, "keys", name, version, carried(map[string]any{"key": jwk, "attributes": attributes, "managed": true}, body, "tags"), true)
	}
	v.add(vault, "secrets", name, version, carried(map[string]any{"value": secret, "contentType": "application/x-pem-file", "id": sid, "kid": kid, "attributes": attributes, "managed": true}, body, "tags"), true)
	raw := v.add(vault, "certificates", name, version, bundle, false)
	o := v.get(keyOf(vault, "certificates", name)).VaultObject
	o.Policy = encode(policy)
	v.put(o)
	return raw
}

// policyOf completes a policy, or keeps the one that the certificate has.
func (v *vaults) policyOf(vault, name string, c *x509.Certificate, policy map[string]any) map[string]any {
	if policy == nil {
		policy = map[string]any{}
		if item := v.get(keyOf(vault, "certificates", name)); item != nil && item.Policy != nil {
			policy = decode(item.Policy)
		}
	}
	policy["id"] = v.base(vault, "certificates", name) + "/policy"
	if policy["key_props"] == nil {
		policy["key_props"] = map[string]any{"exportable": true, "kty": "RSA", "key_size": 2048, "reuse_key": false}
	}
	if policy["secret_props"] == nil {
		policy["secret_props"] = map[string]any{"contentType": "application/x-pem-file"}
	}
	if policy["x509_props"] == nil && c != nil {
		policy["x509_props"] = map[string]any{"subject": "CN=" + c.Subject.CommonName, "validity_months": 12}
	}
	if policy["issuer"] == nil {
		policy["issuer"] = map[string]any{"name": "Unknown"}
	}
	now := v.stamp.now().Unix()
	policy["attributes"] = map[string]any{"enabled": true, "created": now, "updated": now}
	return policy
}

// createCertificate begins to make a certificate. The vault signs its own at once; for
// others there is a request to be signed, and the certificate is merged later.
func (v *vaults) createCertificate(r *http.Request, vault, name string) *answer {
	if !validName(name) {
		return badName(name)
	}
	if refusal := v.freeCertificate(vault, name); refusal != nil {
		return refusal
	}
	body, refusal := vaultBody(r, "certificates/{}/create")
	if refusal != nil {
		return refusal
	}
	policy, _ := body["policy"].(map[string]any)
	x509Props, _ := policy["x509_props"].(map[string]any)
	subject, _ := x509Props["subject"].(string)
	issuer, _ := policy["issuer"].(map[string]any)
	by, _ := issuer["name"].(string)
	common, ok := strings.CutPrefix(subject, "CN=")
	switch {
	case !ok:
		return fail(http.StatusBadRequest, "BadParameter", "The policy of certificate "+name+" has no subject that begins with CN=.")
	case by != "Self" && by != "Unknown" && v.get(keyOf(vault, "issuers", by)) == nil:
		return fail(http.StatusBadRequest, "BadParameter", "The issuer '"+by+"' of certificate "+name+" is not known.")
	}
	keyProps, _ := policy["key_props"].(map[string]any)
	p := &pending{body: body, policy: policy, issuer: by}
	var err error
	if kty, _ := keyProps["kty"].(string); strings.HasPrefix(kty, "EC") {
		p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		p.key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	if p.csr, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: common}}, p.key); err != nil {
		return fail(http.StatusBadRequest, "BadParameter", err.Error())
	}
	if by == "Self" {
		if refusal := v.selfSign(vault, name, common, p); refusal != nil {
			return refusal
		}
	}
	v.pending[keyOf(vault, "certificates", name)] = p
	a := v.operationOf(vault, name, p)
	a.status = http.StatusAccepted
	return a
}

func (v *vaults) selfSign(vault, name, common string, p *pending) *answer {
	now := v.stamp.now().Truncate(time.Second)
	t := &x509.Certificate{SerialNumber: new(big.Int).SetUint64(randomBelow(1 << 62)), Subject: pkix.Name{CommonName: common}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, t, t, p.key.Public(), p.key)
	if err != nil {
		return fail(http.StatusBadRequest, "BadParameter", err.Error())
	}
	return v.complete(vault, name, der, p)
}

// complete stores the certificate that was waited for.
func (v *vaults) complete(vault, name string, der []byte, p *pending) *answer {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(http.StatusBadRequest, "BadParameter", "The certificate cannot be read: "+err.Error())
	}
	if public, ok := p.key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(c.PublicKey) {
		return fail(http.StatusBadRequest, "BadParameter", "The certificate is not for the key of the pending certificate "+name+".")
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	v.addCertificate(vault, name, c, secret, p.policy, p.body)
	p.done = true
	return nil
}

// operationOf answers how far a certificate is.
func (v *vaults) operationOf(vault, name string, p *pending) *answer {
	o := map[string]any{"id": v.base(vault, "certificates", name) + "/pending", "issuer": map[string]any{"name": p.issuer}, "csr": base64.StdEncoding.EncodeToString(p.csr),
		"cancellation_requested": p.canceled, "status": "inProgress", "request_id": strings.ReplaceAll(guidOf(string(p.csr)), "-", "")}
	if p.done {
		o["status"], o["target"] = "completed", v.base(vault, "certificates", name)
	}
	return object(http.StatusOK, o)
}

// pendingCertificate answers …/pending and …/pending/merge.
func (v *vaults) pendingCertificate(r *http.Request, vault string, path []string) *answer {
	key := keyOf(vault, "certificates", path[0])
	p := v.pending[key]
	switch {
	case p == nil:
		return fail(http.StatusNotFound, "PendingCertificateNotFound", "Pending certificate not found: "+path[0])
	case r.Method == http.MethodGet && len(path) == 2:
	case r.Method == http.MethodDelete && len(path) == 2:
		delete(v.pending, key)
	case r.Method == http.MethodPatch && len(path) == 2:
		body, refusal := vaultBody(r, "certificates/{}/pending")
		if refusal != nil {
			return refusal
		}
		p.canceled = body["cancellation_requested"] == true
	case r.Method == http.MethodPost && len(path) == 3 && strings.EqualFold(path[2], "merge"):
		body, refusal := vaultBody(r, "certificates/{}/pending/merge")
		if refusal != nil {
			return refusal
		}
		chain, _ := body["x5c"].([]any)
		var first string
		if len(chain) > 0 {
			first, _ = chain[0].(string)
		}
		der, err := base64.StdEncoding.DecodeString(first)
		if err != nil || p.done {
			return fail(http.StatusBadRequest, "BadParameter", "There is nothing to merge, or no certificate in it.")
		}
		if refusal := v.complete(vault, path[0], der, p); refusal != nil {
			return refusal
		}
		item := v.get(key)
		return document(http.StatusCreated, item.Versions[len(item.Versions)-1].Body)
	default:
		return v.unknown(r)
	}
	return v.operationOf(vault, path[0], p)
}

func (v *vaults) updatePolicy(r *http.Request, vault, name string) *answer {
	item := v.get(keyOf(vault, "certificates", name))
	if item == nil {
		return fail(http.StatusNotFound, "CertificateNotFound", "A certificate with (name/id) "+name+" was not found in this key vault.")
	}
	body, refusal := vaultBody(r, "certificates/{}/policy")
	if refusal != nil {
		return refusal
	}
	policy := mergeInto(decode(item.Policy), body)
	o := item.VaultObject
	o.Policy = encode(v.policyOf(vault, item.Name, nil, policy))
	v.put(o)
	return document(http.StatusOK, o.Policy)
}

// changeSettings answers what changes issuers and contacts.
func (v *vaults) changeSettings(r *http.Request, vault string, path []string) *answer {
	v.writing.Lock()
	defer v.writing.Unlock()
	kind := path[0]
	name, template := "contacts", "certificates/contacts"
	switch {
	case kind == "issuers" && len(path) == 2 && validName(path[1]):
		name, template = path[1], "certificates/issuers/{}"
	case kind != "contacts" || len(path) != 1:
		return v.unknown(r)
	}
	item := v.get(keyOf(vault, kind, name))
	missing := fail(http.StatusNotFound, "CertificateIssuerNotFound", "Issuer not found: "+name)
	if kind == "contacts" {
		missing = fail(http.StatusNotFound, "ContactsNotFound", "Contacts not found")
	}
	if r.Method == http.MethodDelete {
		if item == nil {
			return missing
		}
		v.remove(vault, kind, name, false)
		return document(http.StatusOK, item.Versions[0].Body)
	}
	if r.Method != http.MethodPut && (r.Method != http.MethodPatch || kind == "contacts") {
		return v.unknown(r)
	}
	body, refusal := vaultBody(r, template)
	if refusal != nil {
		return refusal
	}
	now := v.stamp.now().Unix()
	attributes := map[string]any{"enabled": true, "created": now, "updated": now}
	if item != nil {
		was := decode(item.Versions[0].Body)
		if old, ok := was["attributes"].(map[string]any); ok {
			attributes["created"] = old["created"]
		}
		if r.Method == http.MethodPatch {
			body = mergeInto(was, body)
		}
	} else if r.Method == http.MethodPatch {
		return missing
	}
	body["id"] = v.base(vault, "certificates", kind)
	if kind == "issuers" {
		body["id"] = v.base(vault, "certificates", "issuers") + "/" + name
		if wanted, ok := body["attributes"].(map[string]any); ok {
			carried(attributes, wanted, "enabled")
		}
		body["attributes"] = attributes
		if credentials, ok := body["credentials"].(map[string]any); ok { // taken and never given
			delete(credentials, "pwd")
		}
	}
	raw, err := json.Marshal(body)
	if err != nil { // made of what was JSON
		return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	v.put(inventory.VaultObject{Vault: vault, Kind: kind, Name: name, Versions: []inventory.VaultVersion{{Body: raw, Enabled: true}}})
	return document(http.StatusOK, raw)
}
