package edge

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"

	"infrabackup/internal/azure/jsondoc"
	"infrabackup/internal/azure/resourceid"
	"infrabackup/internal/backup"
)

// owners are the services of the resource providers that have one of their own; the
// operator's part of a provider has .admin behind its name.
var owners = map[string]backup.Service{
	"microsoft.compute":  backup.CRP,
	"microsoft.network":  backup.NRP,
	"microsoft.storage":  backup.SRP,
	"microsoft.keyvault": backup.KeyVault,
}

// ServiceOf is the service that captures what an ID of a resource manager names: that of
// the provider behind the last /providers/, and ARM for all others.
func ServiceOf(id string) backup.Service {
	namespace, full := typeOf(resourceid.Key(id))
	if owner, known := owners[strings.TrimSuffix(namespace, ".admin")]; known {
		return owner
	}
	switch full {
	case "microsoft.authorization/roledefinitions", "microsoft.authorization/roleassignments":
		return backup.RBAC
	}
	return backup.ARM
}

// typeOf is the provider and the first type of an ID in the form of [resourceid.Key], ""
// when it has none.
func typeOf(key string) (namespace, full string) {
	at := strings.LastIndex(key, providers)
	if at < 0 {
		return "", ""
	}
	namespace, rest, _ := strings.Cut(key[at+len(providers):], "/")
	first, _, _ := strings.Cut(rest, "/")
	return namespace, namespace + "/" + first
}

const providers = "/providers/"

// reference brings an ID into the form of items' IDs. It reports false for what is no ID
// of a resource manager.
func reference(value string) (string, bool) {
	id := resourceid.Key(value)
	for _, root := range []string{"/subscriptions/", providers, "/tenants/"} {
		if strings.HasPrefix(id, root) {
			return id, true
		}
	}
	return "", false
}

// toResource resolves IDs of resource managers.
func toResource(_, value string) (backup.Service, string, bool) {
	id, ok := reference(value)
	return ServiceOf(id), id, ok
}

// only resolves IDs of resources of one type, of which the name in lower case is given.
func only(fullType string) func(own, value string) (backup.Service, string, bool) {
	return func(own, value string) (backup.Service, string, bool) {
		service, id, ok := toResource(own, value)
		_, full := typeOf(id)
		return service, id, ok && full == fullType
	}
}

// domainSID is a SID of a domain's own object; others, such as S-1-5-11, stand for
// something that every Windows knows (MS-DTYP 2.4.2.4).
var domainSID = regexp.MustCompile(`(?i)^S-1-5-21(-\d{1,10}){4}$`)

// ToPrincipal resolves SIDs of directory objects. IDs of another form, such as those
// of an Entra style directory, refer to nothing that is captured.
func ToPrincipal(_, value string) (backup.Service, string, bool) {
	value = strings.TrimSpace(value)
	return backup.AD, "sid:" + strings.ToLower(value), domainSID.MatchString(value)
}

// ToRoleDefinition resolves the ID of a role definition to its alias: its scope differs
// between subscriptions, its GUID does not.
func ToRoleDefinition(_, id string) (backup.Service, string, bool) {
	id = resourceid.Key(id)
	guid := id[strings.LastIndexByte(id, '/')+1:]
	return backup.RBAC, "role:" + guid, guid != ""
}

// toQuota resolves the ID of a quota. Those of other providers, such as add-on
// services, are nobody's.
func toQuota(_, value string) (backup.Service, string, bool) {
	id, ok := reference(value)
	namespace, _ := typeOf(id)
	provider, admin := strings.CutSuffix(namespace, ".admin")
	_, owned := owners[provider]
	return ServiceOf(id), id, ok && admin && (owned || provider == "microsoft.subscriptions")
}

// toUserSubscription resolves the GUID of a subscription to the operator's document of it,
// which lies in the same subscription of the provider as the document that names it.
func toUserSubscription(own, guid string) (backup.Service, string, bool) {
	guid = strings.ToLower(strings.TrimSpace(guid))
	provider := resourceid.Subscription(own)
	id := resourceid.Key("/subscriptions/" + provider + providers + plansNamespace + "/subscriptions/" + guid)
	return backup.ARM, id, provider != "" && guid != provider && guidPattern.MatchString(guid)
}

// toSubscription resolves the GUID of a subscription.
func toSubscription(_, guid string) (backup.Service, string, bool) {
	guid = strings.ToLower(strings.TrimSpace(guid))
	return backup.ARM, "/subscriptions/" + guid, guidPattern.MatchString(guid)
}

var guidPattern = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// toIssuer refers from a certificate, as DER in base64, to the CA that issued it, by key
// identifier (RFC 5280, 4.2.1.1). Self-signed certificates refer to nothing, as do those
// of a form that cannot be read: their bytes are captured all the same.
func toIssuer(_, value string) (backup.Service, string, bool) {
	der, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(der) == 0 {
		return "", "", false
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil || len(certificate.AuthorityKeyId) == 0 || bytes.Equal(certificate.RawIssuer, certificate.RawSubject) {
		return "", "", false
	}
	return backup.CA, "key-id:" + hex.EncodeToString(certificate.AuthorityKeyId), true
}

// isUsers reports whether a subscription was made from an offer by a user: the
// operator's own come from an offer that the stamp does not list.
func isUsers(document []byte) bool {
	return !strings.EqualFold(jsondoc.Text(document, "routingResourceManagerType"), "Admin")
}
