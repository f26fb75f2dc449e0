package inventory

import "encoding/json"

// Endpoint is one of the two doors to a stamp's resource manager.
type Endpoint string

// The endpoints.
const (
	Tenant Endpoint = "tenant" // management.<domain>
	Admin  Endpoint = "admin"  // adminmanagement.<domain>
)

// Document is one resource as the stamp's store holds it.
type Document struct {
	Endpoint Endpoint
	// ID is the resource's ARM ID, with the case that its creator chose.
	ID string
	// Type is its full type, such as Microsoft.Network/virtualNetworks/subnets.
	Type string
	// Body is what GET and lists answer: compact JSON, the ID among it.
	Body json.RawMessage
	// WriteOnly are values that the resource was created with and that no answer
	// gives, by JSON path. They are canaries.
	WriteOnly map[string]string
}

// VaultObject is a key, secret or certificate of a vault with all its versions,
// oldest first.
type VaultObject struct {
	Vault    string // name of the vault, a label of its host name
	Kind     string // "keys", "secrets" or "certificates"
	Name     string
	Versions []VaultVersion
	// Managed says that the object belongs to the certificate of the same name.
	Managed bool
	// Policy is a certificate's policy as GET …/policy answers it.
	Policy json.RawMessage
}

// VaultVersion is one version of a key, secret or certificate.
type VaultVersion struct {
	Version    string
	Body       json.RawMessage // what GET answers: a key, secret or certificate bundle
	Enabled    bool
	Expires    int64 // Unix seconds, 0 for never
	NotBefore  int64 // Unix seconds, 0 for always
	Exportable bool  // false: the secret behind a certificate gives no private key
}

// Reference is a reference between two items, by the words of the product's check.
type Reference struct {
	From     string // ARM ID, or vault object as <vault>/<kind>/<name>
	Relation string // one of the Relation… constants
	Target   string // ARM ID, SID, or key identifier of a CA
}

// The relations that a stamp's items have.
const (
	RelationPrincipal        = "principal"         // role assignment or vault policy → directory object, by SID
	RelationRoleDefinition   = "role-definition"   // role assignment → role definition
	RelationOffer            = "offer"             // user subscription → offer
	RelationPlan             = "plan"              // offer → plan
	RelationQuota            = "quota"             // plan → quota
	RelationSubnet           = "subnet"            // network interface → subnet
	RelationDisk             = "disk"              // virtual machine → managed disk
	RelationNetworkInterface = "network-interface" // virtual machine → network interface
	RelationIssuingCA        = "issuing-ca"        // certificate in a vault → CA certificate
)

// Stamp is everything that a stand-in stamp holds at its start.
type Stamp struct {
	// TenantID is the directory tenant, ProviderSubscription the GUID of the operator's
	// default subscription. DeploymentID is "" where none is told apart.
	TenantID, ProviderSubscription, DeploymentID string

	Documents    []Document
	VaultObjects []VaultObject
	// DeletedVaultObjects are soft-deleted ones. Each has a twin: an object of the same
	// kind and name that is there, in another vault.
	DeletedVaultObjects []VaultObject
	// Dangling are the references whose targets do not exist, on purpose.
	Dangling []Reference
	// Canaries are secret values that may be seen nowhere but in encrypted parts:
	// values of secrets, private keys, write-only properties.
	Canaries []string
}
