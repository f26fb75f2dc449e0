package stamp

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"infrabackup/tests/lab/stamp/inventory"
)

// vaultVersion is the data plane's only api-version on a stamp.
const vaultVersion = "2016-10-01"

// vaultPageSize is the definition's maximum of maxresults.
const vaultPageSize = 25

// vaultOperation is the kind of object and the permission that a request needs, in
// the words of access policies.
func vaultOperation(method, path string) (kind, operation string) {
	segments := strings.Split(strings.Trim(strings.ToLower(path), "/"), "/")
	kind = strings.TrimPrefix(segments[0], "deleted")
	last := segments[len(segments)-1]
	switch {
	case kind == "certificates" && len(segments) > 1 && segments[1] == "contacts":
		return kind, "managecontacts"
	case kind == "certificates" && len(segments) > 1 && segments[1] == "issuers":
		switch {
		case method == http.MethodDelete:
			return kind, "deleteissuers"
		case method != http.MethodGet:
			return kind, "setissuers"
		case len(segments) == 2:
			return kind, "listissuers"
		}
		return kind, "getissuers"
	case method == http.MethodPost && (last == "backup" || last == "restore"):
		return kind, last
	case method == http.MethodPost && segments[0] != kind && last == "recover":
		return kind, "recover"
	case method == http.MethodPost && (last == "create" || last == "import"):
		return kind, last
	case method == http.MethodDelete && segments[0] == kind:
		return kind, "delete"
	case method == http.MethodDelete:
		return kind, "purge"
	case kind == "secrets" && method != http.MethodGet:
		return kind, "set"
	case kind == "keys" && method == http.MethodPut:
		return kind, "import"
	case method != http.MethodGet:
		return kind, "update"
	case len(segments) == 1 || len(segments) == 3 && last == "versions":
		return kind, "list"
	}
	return kind, "get"
}

// vaultForbidden is the data plane's refusal.
func vaultForbidden(message, inner string) *answer {
	return object(http.StatusForbidden, map[string]any{"error": map[string]any{"code": "Forbidden", "message": message, "innererror": map[string]any{"code": inner}}})
}

// serve answers as the data plane of one vault.
func (v *vaults) serve(r *http.Request, vault string) *answer {
	s := v.stamp
	doc := s.vaultDocument(vault)
	if doc == nil && !v.holds(vault) || v.isRetired(vault) {
		// A real vault's name would not resolve.
		return fail(http.StatusNotFound, "VaultNotFound", "There is no key vault '"+vault+"'.")
	}
	client, _, message := s.whoIs(r, s.audience[audienceVault])
	if client == nil {
		challenge := fmt.Sprintf(`Bearer authorization="%sadfs", resource="%s"`, s.AuthorityURL(), s.audience[audienceVault])
		return fail(http.StatusUnauthorized, "Unauthorized", "Request is missing a Bearer or PoP token. "+message).with("WWW-Authenticate", challenge)
	}
	access, _ := s.access(r)
	kind, operation, _ := strings.Cut(access.Action, "/")
	if client.denied(access) || client.ID != s.identity.id && !policyAllows(doc, client.ID, kind, operation) {
		return s.forbidden(r)
	}
	if version := r.URL.Query().Get("api-version"); version != vaultVersion {
		return fail(http.StatusBadRequest, "BadParameter", "The specified version ("+version+") is not recognized. Consider using the latest supported version ("+vaultVersion+").")
	}
	segments := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch strings.ToLower(segments[0]) {
	case "keys", "secrets", "certificates":
		return v.live(r, vault, strings.ToLower(segments[0]), segments[1:])
	case "deletedkeys", "deletedsecrets", "deletedcertificates":
		return v.dead(r, vault, strings.TrimPrefix(strings.ToLower(segments[0]), "deleted"), segments[1:])
	}
	return v.unknown(r)
}

func (v *vaults) unknown(r *http.Request) *answer {
	return fail(http.StatusNotFound, "NotFound", "The vault has no operation "+r.Method+" "+r.URL.Path+" at version "+vaultVersion+".")
}

// policyAllows asks the vault's access policies. Who is not listed there is allowed:
// Client.Deny is what keeps others out.
func policyAllows(doc *entry, client, kind, operation string) bool {
	if doc == nil {
		return true
	}
	var vault struct {
		Properties struct {
			AccessPolicies []struct {
				ObjectID    string              `json:"objectId"`
				Permissions map[string][]string `json:"permissions"`
			} `json:"accessPolicies"`
		} `json:"properties"`
	}
	if json.Unmarshal(doc.doc.Body, &vault) != nil {
		return true
	}
	listed := false
	for _, p := range vault.Properties.AccessPolicies {
		if !strings.EqualFold(p.ObjectID, client) {
			continue
		}
		listed = true
		for of, permissions := range p.Permissions {
			if strings.EqualFold(of, kind) && slices.ContainsFunc(permissions, func(p string) bool { return strings.EqualFold(p, operation) || strings.EqualFold(p, "all") }) {
				return true
			}
		}
	}
	return !listed
}

// vaultDocument finds a vault's resource by its lower-case name, nil when there is none.
func (s *Stamp) vaultDocument(name string) *entry {
	for _, endpoint := range []inventory.Endpoint{inventory.Tenant, inventory.Admin} {
		if found := s.shelves[endpoint].below(keyVault+name, ""); len(found) > 0 {
			return found[0]
		}
	}
	return nil
}

// live answers keys, secrets and certificates. path is what follows the kind.
func (v *vaults) live(r *http.Request, vault, kind string, path []string) *answer {
	if len(path) == 0 {
		if r.Method != http.MethodGet {
			return v.unknown(r)
		}
		return v.list(r, v.of(vault, kind), func(i *vaultItem) []byte { return i.item })
	}
	if kind == "certificates" && (path[0] == "issuers" || path[0] == "contacts") {
		return v.settings(r, vault, path)
	}
	if len(path) == 1 && path[0] == "restore" && r.Method == http.MethodPost && kind != "certificates" {
		return v.restore(r, vault, kind)
	}
	if changed := v.change(r, vault, kind, path); changed != nil {
		return changed
	}
	item := v.get(keyOf(vault, kind, path[0]))
	singular := strings.ToUpper(kind[:1]) + kind[1:len(kind)-1]
	switch {
	case len(path) == 2 && path[1] == "versions" && r.Method == http.MethodGet:
		return v.versions(r, item)
	case item == nil:
		return fail(http.StatusNotFound, singular+"NotFound", "A "+strings.ToLower(singular)+" with (name/id) "+strings.Join(path, "/")+" was not found in this key vault.")
	case r.Method == http.MethodDelete && len(path) == 1:
		return v.softDelete(r, item)
	case r.Method == http.MethodPost && len(path) == 2 && path[1] == "backup" && kind != "certificates":
		return v.backup(item)
	case r.Method != http.MethodGet || len(path) > 2:
		return v.unknown(r)
	case len(path) == 2 && path[1] == "policy" && kind == "certificates":
		return document(http.StatusOK, item.Policy)
	}
	version := ""
	if len(path) == 2 {
		version = path[1]
	}
	return v.bundle(item, version, singular)
}

// bundle answers one version, the newest for "".
func (v *vaults) bundle(item *vaultItem, version, singular string) *answer {
	at := len(item.Versions) - 1
	if version != "" {
		at = slices.IndexFunc(item.Versions, func(o inventory.VaultVersion) bool { return strings.EqualFold(o.Version, version) })
	}
	if at < 0 {
		return fail(http.StatusNotFound, singular+"NotFound", "A "+strings.ToLower(singular)+" with (name/id) "+item.Name+"/"+version+" was not found in this key vault.")
	}
	found, now := item.Versions[at], v.stamp.now().Unix()
	if item.key.kind == "secrets" { // public keys and certificates are given even when disabled
		switch {
		case !found.Enabled:
			return vaultForbidden("Operation get is not allowed on a disabled secret.", "SecretDisabled")
		case found.Expires != 0 && now >= found.Expires:
			return vaultForbidden("Operation get is not allowed on an expired secret.", "SecretExpired")
		case found.NotBefore != 0 && now < found.NotBefore:
			return vaultForbidden("Operation get is not allowed on a secret that is not yet valid.", "SecretNotYetValid")
		}
	}
	return document(http.StatusOK, found.Body)
}

// backup answers the blob. What belongs to a certificate goes with the certificate.
func (v *vaults) backup(item *vaultItem) *answer {
	if item.Managed {
		return vaultForbidden("Operation backup is not allowed on an object that Key Vault manages for a certificate.", "ObjectIsManaged")
	}
	blob, err := v.export(item)
	if err != nil {
		return fail(http.StatusInternalServerError, "InternalServerError", err.Error())
	}
	return object(http.StatusOK, map[string]any{"value": blob})
}

// restore puts back a blob's object with all versions, if its name is free.
func (v *vaults) restore(r *http.Request, vault, kind string) *answer {
	var body struct {
		Value string `json:"value"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return fail(http.StatusBadRequest, "BadParameter", "The body cannot be read.")
	}
	o, subscription, err := v.open(strings.TrimRight(body.Value, "="))
	if err == nil && subscription != v.subscriptionOf(vault) {
		return fail(http.StatusBadRequest, "BadParameter", "The backup blob was made in another subscription: "+subscription+".")
	}
	if err != nil || !strings.EqualFold(o.Kind, kind) {
		return fail(http.StatusBadRequest, "BadParameter", "Backup blob contains invalid or corrupt version.")
	}
	o = v.moved(o, vault)
	item := v.newItem(o)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.objects[item.key] != nil || v.deleted[item.key] != nil {
		return fail(http.StatusConflict, "Conflict", "There was a conflict restoring the object '"+o.Name+"': the name is taken or deleted but recoverable.")
	}
	v.insert(item)
	return document(http.StatusOK, item.Versions[len(item.Versions)-1].Body)
}

// moved gives an object of a blob the address that it has in a vault: the blob has that of
// the vault, and of the server's port, where it was made.
func (v *vaults) moved(o inventory.VaultObject, vault string) inventory.VaultObject {
	was := regexp.MustCompile(`(?i)https://` + regexp.QuoteMeta(o.Vault+".vault."+v.stamp.domain) + `(:[0-9]+)?/` + o.Kind + `/`)
	now := []byte(v.stamp.VaultURL(strings.ToLower(vault)) + "/" + o.Kind + "/")
	o.Vault, o.Versions = vault, slices.Clone(o.Versions)
	for i := range o.Versions {
		o.Versions[i].Body = was.ReplaceAllLiteral(o.Versions[i].Body, now)
	}
	return o
}

// list answers objects by name, 25 at a time.
func (v *vaults) list(r *http.Request, items []*vaultItem, give func(*vaultItem) []byte) *answer {
	return v.page(r, func(start string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			for _, item := range items {
				if item.key.name > start && !yield(item.key.name, give(item)) {
					return
				}
			}
		}
	})
}

// versions answers the versions of an object; of one that is not there, none.
func (v *vaults) versions(r *http.Request, item *vaultItem) *answer {
	type version struct {
		key  string
		body []byte
	}
	var all []version
	if item != nil {
		for i, o := range item.Versions {
			all = append(all, version{o.Version, item.items[i]})
		}
		slices.SortFunc(all, func(a, b version) int { return strings.Compare(a.key, b.key) })
	}
	return v.page(r, func(start string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			for _, o := range all {
				if o.key > start && !yield(o.key, o.body) {
					return
				}
			}
		}
	})
}

func (v *vaults) page(r *http.Request, from source) *answer {
	size := vaultPageSize
	if text := r.URL.Query().Get("maxresults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > vaultPageSize {
			return fail(http.StatusBadRequest, "BadParameter", "maxresults must be between 1 and 25.")
		}
		size = n
	}
	return v.stamp.page(r, from, envelope{size: size, link: "nextLink", null: true})
}

// settings answers issuers and contacts. They are kept as certificates' objects of the
// kinds "issuers" and "contacts".
func (v *vaults) settings(r *http.Request, vault string, path []string) *answer {
	if r.Method != http.MethodGet {
		return v.changeSettings(r, vault, path)
	}
	kind := path[0]
	switch {
	case kind == "issuers" && len(path) == 1:
		return v.list(r, v.of(vault, kind), func(i *vaultItem) []byte {
			var bundle map[string]json.RawMessage
			// What is no object has no members to give.
			_ = json.Unmarshal(i.Versions[len(i.Versions)-1].Body, &bundle)
			return object(0, map[string]any{"id": bundle["id"], "provider": bundle["provider"]}).body
		})
	case kind == "issuers" && len(path) == 2:
		if item := v.get(keyOf(vault, kind, path[1])); item != nil {
			return document(http.StatusOK, item.Versions[len(item.Versions)-1].Body)
		}
		return fail(http.StatusNotFound, "CertificateIssuerNotFound", "Issuer not found: "+path[1])
	case kind == "contacts" && len(path) == 1:
		if items := v.of(vault, kind); len(items) > 0 {
			return document(http.StatusOK, items[0].Versions[len(items[0].Versions)-1].Body)
		}
		return fail(http.StatusNotFound, "ContactsNotFound", "Contacts not found")
	}
	return v.unknown(r)
}
