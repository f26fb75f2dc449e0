package stamp

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"slices"
	"strings"

	"infrabackup/tests/lab/stamp/inventory"
)

// vaultConflict refuses a name that is taken, as the data plane does.
func vaultConflict(message, inner string) *answer {
	return object(http.StatusConflict, map[string]any{"error": map[string]any{"code": "Conflict", "message": message, "innererror": map[string]any{"code": inner}}})
}

// vaultBody reads a body by the definition of its operation; key is the path with {} for
// each name and version.
func vaultBody(r *http.Request, key string) (map[string]any, *answer) {
	all, err := definitions()
	if err != nil {
		return nil, fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	o := all.Find(r.Method, "vault "+key, vaultVersion)
	if o == nil || o.Body == nil {
		return nil, fail(http.StatusInternalServerError, "InternalServerError", "no definition has "+r.Method+" "+key)
	}
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	var given any
	if err := decoder.Decode(&given); err != nil {
		return nil, fail(http.StatusBadRequest, "BadParameter", "The body cannot be read.")
	}
	cleaned, problems := o.Body.Clean(given)
	if len(problems) > 0 {
		return nil, fail(http.StatusBadRequest, "BadParameter", strings.Join(problems, "; "))
	}
	body, ok := cleaned.(map[string]any)
	if !ok {
		return nil, fail(http.StatusBadRequest, "BadParameter", "The body is no object.")
	}
	return body, nil
}

// change answers what changes keys, secrets and certificates, but for deleting, backing
// up and restoring them; nil for what it does not know.
func (v *vaults) change(r *http.Request, vault, kind string, path []string) *answer {
	v.writing.Lock()
	defer v.writing.Unlock()
	last := strings.ToLower(path[len(path)-1])
	switch key := r.Method + " " + kind; {
	case key == "PUT secrets" && len(path) == 1:
		return v.setSecret(r, vault, path[0])
	case key == "POST keys" && len(path) == 2 && last == "create":
		return v.createKey(r, vault, path[0])
	case key == "PUT keys" && len(path) == 1:
		return v.importKey(r, vault, path[0])
	case key == "POST certificates" && len(path) == 2 && last == "import":
		return v.importCertificate(r, vault, path[0])
	case key == "POST certificates" && len(path) == 2 && last == "create":
		return v.createCertificate(r, vault, path[0])
	case kind == "certificates" && len(path) >= 2 && strings.EqualFold(path[1], "pending"):
		return v.pendingCertificate(r, vault, path)
	case key == "PATCH certificates" && len(path) == 2 && last == "policy":
		return v.updatePolicy(r, vault, path[0])
	case r.Method == http.MethodPatch && len(path) <= 2:
		return v.update(r, vault, kind, path)
	}
	return nil
}

// free refuses a name that a deleted object has, and the name of what belongs to a
// certificate.
func (v *vaults) free(vault, kind, name string) *answer {
	v.mu.RLock()
	defer v.mu.RUnlock()
	key := keyOf(vault, kind, name)
	switch item := v.objects[key]; {
	case v.deleted[key] != nil:
		return vaultConflict("Object "+name+" is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the object can only be recovered or purged.", "ObjectIsDeletedButRecoverable")
	case item != nil && item.Managed:
		return vaultForbidden("Operation is not allowed on an object that Key Vault manages for a certificate.", "ObjectIsManaged")
	}
	return nil
}

// validName says whether an object can have a name.
func validName(name string) bool {
	return name != "" && len(name) <= 127 && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// version makes the attributes of a new version from what a client wants.
func (v *vaults) version(vault string, body map[string]any) (map[string]any, inventory.VaultVersion) {
	wanted, _ := body["attributes"].(map[string]any)
	now := v.stamp.now().Unix()
	attributes := map[string]any{"enabled": true, "created": now, "updated": now, "recoveryLevel": "Purgeable"}
	if v.stamp.softDeletes(strings.ToLower(vault)) {
		attributes["recoveryLevel"] = "Recoverable+Purgeable"
	}
	for _, name := range []string{"enabled", "nbf", "exp"} {
		if value, ok := wanted[name]; ok {
			attributes[name] = value
		}
	}
	return attributes, inventory.VaultVersion{Version: strings.ReplaceAll(newGUID(), "-", ""), Exportable: true}
}

// add stores a new version of an object. The body's attributes say when it can be used.
func (v *vaults) add(vault, kind, name string, version inventory.VaultVersion, bundle map[string]any, managed bool) []byte {
	raw, err := json.Marshal(bundle)
	if err != nil { // made of what was JSON
		return nil
	}
	version.Body = raw
	version.Enabled, version.Expires, version.NotBefore = validity(raw)
	o := inventory.VaultObject{Vault: vault, Kind: kind, Name: name, Managed: managed}
	if item := v.get(keyOf(vault, kind, name)); item != nil {
		o = item.VaultObject
	}
	o.Versions = append(slices.Clone(o.Versions), version)
	v.put(o)
	return raw
}

// validity reads the attributes of a bundle.
func validity(bundle []byte) (enabled bool, expires, notBefore int64) {
	var body struct {
		Attributes struct {
			Enabled  bool
			Exp, Nbf int64
		}
	}
	_ = json.Unmarshal(bundle, &body) // what does not say it is not enabled
	return body.Attributes.Enabled, body.Attributes.Exp, body.Attributes.Nbf
}

// base is the address of an object of a vault.
func (v *vaults) base(vault, kind, name string) string {
	if doc := v.stamp.vaultDocument(strings.ToLower(vault)); doc != nil {
		vault = strings.ToLower(doc.place.name)
	}
	return v.stamp.VaultURL(vault) + "/" + kind + "/" + name
}

// carried are the members of a bundle that are the client's.
func carried(bundle, body map[string]any, names ...string) map[string]any {
	for _, name := range names {
		if value, ok := body[name]; ok {
			bundle[name] = value
		}
	}
	return bundle
}

func badName(name string) *answer {
	return fail(http.StatusBadRequest, "BadParameter", "The request URI contains an invalid name: "+name)
}

// maxSecret is the size of the largest value of a secret.
const maxSecret = 25 << 10

func (v *vaults) setSecret(r *http.Request, vault, name string) *answer {
	if !validName(name) {
		return badName(name)
	}
	if refusal := v.free(vault, "secrets", name); refusal != nil {
		return refusal
	}
	body, refusal := vaultBody(r, "secrets/{}")
	if refusal != nil {
		return refusal
	}
	if value, _ := body["value"].(string); len(value) > maxSecret {
		return fail(http.StatusBadRequest, "BadParameter", "The value of secret "+name+" is too large.")
	}
	attributes, version := v.version(vault, body)
	name = v.named(vault, "secrets", name)
	bundle := carried(map[string]any{"id": v.base(vault, "secrets", name) + "/" + version.Version, "attributes": attributes}, body, "value", "contentType", "tags")
	return document(http.StatusOK, v.add(vault, "secrets", name, version, bundle, false))
}

// named is an object's name with the case that it has.
func (v *vaults) named(vault, kind, name string) string {
	if item := v.get(keyOf(vault, kind, name)); item != nil {
		return item.Name
	}
	return name
}

func (v *vaults) createKey(r *http.Request, vault, name string) *answer {
	if !validName(name) {
		return badName(name)
	}
	if refusal := v.free(vault, "keys", name); refusal != nil {
		return refusal
	}
	body, refusal := vaultBody(r, "keys/{}/create")
	if refusal != nil {
		return refusal
	}
	kty, _ := body["kty"].(string)
	size, _ := body["key_size"].(json.Number)
	bits, _ := size.Int64()
	jwk, err := newJWK(kty, int(bits))
	if err != nil || jwk == nil {
		return fail(http.StatusBadRequest, "BadParameter", "A key of type '"+kty+"' and size "+size.String()+" cannot be created.")
	}
	return v.addKey(vault, name, jwk, body)
}

// newJWK makes a key and gives its public half; nil for what cannot be made.
func newJWK(kty string, bits int) (map[string]any, error) {
	switch {
	case strings.HasPrefix(kty, "RSA") && slices.Contains([]int{0, 2048, 3072, 4096}, bits):
		key, err := rsa.GenerateKey(rand.Reader, cmp.Or(bits, 2048))
		if err != nil {
			return nil, err
		}
		jwk, _ := publicJWK(&key.PublicKey)
		jwk["kty"] = kty
		return jwk, nil
	case strings.HasPrefix(kty, "EC"):
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		jwk, err := publicJWK(&key.PublicKey)
		if err == nil {
			jwk["kty"] = kty
		}
		return jwk, err
	}
	return nil, nil
}

// publicJWK is the form of a public key that vaults give.
func publicJWK(key any) (map[string]any, error) {
	url := base64.RawURLEncoding.EncodeToString
	switch key := key.(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": url(key.N.Bytes()), "e": url(big.NewInt(int64(key.E)).Bytes()),
			"key_ops": []string{"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}}, nil
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			return nil, err
		}
		half := (len(point) - 1) / 2
		return map[string]any{"kty": "EC", "crv": key.Curve.Params().Name, "x": url(point[1 : 1+half]), "y": url(point[1+half:]), "key_ops": []string{"sign", "verify"}}, nil
	}
	return nil, nil
}

func (v *vaults) addKey(vault, name string, jwk, body map[string]any) *answer {
	if operations, ok := body["key_ops"]; ok {
		jwk["key_ops"] = operations
	}
	attributes, version := v.version(vault, body)
	name = v.named(vault, "keys", name)
	jwk["kid"] = v.base(vault, "keys", name) + "/" + version.Version
	bundle := carried(map[string]any{"key": jwk, "attributes": attributes}, body, "tags")
	return document(http.StatusOK, v.add(vault, "keys", name, version, bundle, false))
}

// importKey takes a key with its private half, which nobody gets back.
func (v *vaults) importKey(r *http.Request, vault, name string) *answer {
	if !validName(name) {
		return badName(name)
	}
	if refusal := v.free(vault, "keys", name); refusal != nil {
		return refusal
	}
	body, refusal := vaultBody(r, "keys/{}")
	if refusal != nil {
		return refusal
	}
	given, _ := body["key"].(map[string]any)
	kty, _ := given["kty"].(string)
	needed := map[string][]string{"RSA": {"n", "e", "d", "p", "q"}, "RSA-HSM": {"n", "e"}, "EC": {"crv", "x", "y", "d"}, "EC-HSM": {"crv", "x", "y"}}[kty]
	if needed == nil {
		return fail(http.StatusBadRequest, "BadParameter", "A key of type '"+kty+"' cannot be imported.")
	}
	jwk := map[string]any{"kty": kty}
	for _, name := range needed {
		text, ok := given[name].(string)
		if !ok {
			return fail(http.StatusBadRequest, "BadParameter", "The key lacks '"+name+"'.")
		}
		if slices.Contains([]string{"n", "e", "crv", "x", "y"}, name) {
			jwk[name] = text
		}
	}
	if operations, ok := given["key_ops"]; ok {
		body["key_ops"] = operations
	}
	return v.addKey(vault, name, jwk, body)
}

// update changes the attributes of one version, the newest without a version.
func (v *vaults) update(r *http.Request, vault, kind string, path []string) *answer {
	body, refusal := vaultBody(r, kind+"/{}/{}")
	if refusal != nil {
		return refusal
	}
	item := v.get(keyOf(vault, kind, path[0]))
	singular := strings.ToUpper(kind[:1]) + kind[1:len(kind)-1]
	at := -1
	if item != nil {
		at = len(item.Versions) - 1
		if len(path) == 2 {
			at = slices.IndexFunc(item.Versions, func(o inventory.VaultVersion) bool { return strings.EqualFold(o.Version, path[1]) })
		}
	}
	if at < 0 {
		return fail(http.StatusNotFound, singular+"NotFound", "A "+strings.ToLower(singular)+" with (name/id) "+strings.Join(path, "/")+" was not found in this key vault.")
	}
	o := item.VaultObject
	o.Versions = slices.Clone(o.Versions)
	bundle := decode(o.Versions[at].Body)
	carried(bundle, body, "contentType", "tags")
	if wanted, ok := body["attributes"].(map[string]any); ok {
		attributes, _ := bundle["attributes"].(map[string]any)
		if attributes == nil {
			attributes = map[string]any{}
		}
		bundle["attributes"] = carried(attributes, wanted, "enabled", "nbf", "exp")
	}
	if attributes, ok := bundle["attributes"].(map[string]any); ok {
		attributes["updated"] = v.stamp.now().Unix()
	}
	if operations, ok := body["key_ops"]; ok {
		if key, ok := bundle["key"].(map[string]any); ok {
			key["key_ops"] = operations
		}
	}
	raw := encode(bundle)
	o.Versions[at].Body = raw
	o.Versions[at].Enabled, o.Versions[at].Expires, o.Versions[at].NotBefore = validity(raw)
	v.put(o)
	if kind == "secrets" { // an update gives no value
		delete(bundle, "value")
		raw = encode(bundle)
	}
	return document(http.StatusOK, bytes.Clone(raw))
}
