package document

import (
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/diff/jsondiff"
)

// Reasons for which a difference does not count.
const (
	ReasonVersion  = "api-version of the request"
	ReasonETag     = "etag"
	ReasonState    = "provisioning state"
	ReasonRuntime  = "state while running"
	ReasonTimes    = "times that the provider sets"
	ReasonGUID     = "identifiers that the provider draws"
	ReasonBack     = "back reference"
	ReasonOwnItem  = "compared as an item of its own"
	ReasonDynamic  = "dynamic address"
	ReasonCounter  = "counter of use"
	ReasonAddress  = "address that the provider gives"
	ReasonDefaults = "default rules"
	ReasonAttached = "restored by attaching disks"
	ReasonHistory  = "history"
	ReasonMirror   = "the operator's view of what tenants have"
	ReasonBlob     = "protected blob, which is another one each time"
	ReasonName     = "name of a role assignment"
	ReasonObject   = "version IDs of a vault's object"
)

// serviceTable is how the documents of a service are compared.
type serviceTable struct {
	has     bool
	all     jsondiff.Rules            // for every kind
	kinds   map[string]jsondiff.Rules // besides, by kind
	derived map[string]string         // kinds that do not count, with the reason
}

// tables hold one for each service with documents.
var tables = map[backup.Service]serviceTable{
	backup.ARM: armTable, backup.CRP: crpTable, backup.SRP: srpTable, backup.NRP: nrpTable, backup.KeyVault: keyVaultTable, backup.RBAC: rbacTable,
}

// common is for every document: what resource managers set by themselves, and how lists are
// taken. Orders of addresses, such as addressPrefixes and dnsServers, mean something.
var common = jsondiff.Rules{
	Ignore: ignore(map[string][]string{
		ReasonETag:    {"**.etag"},
		ReasonState:   {"**.provisioningState"},
		ReasonTimes:   {"**.systemData", "**.changedTime", "**.createdTime", "**.timeCreated", "**.creationTime", "**.lastModifiedTime"},
		ReasonGUID:    {"**.resourceGuid", "**.uniqueId", "**.vmId", "identity.principalId", "identity.tenantId"},
		ReasonRuntime: {"**.instanceView", "**.statuses"},
	}),
	Keyed: map[string][]string{
		"securityRules": {"name"}, "defaultSecurityRules": {"name"}, "subnets": {"name"}, "ipConfigurations": {"name"}, "frontendIPConfigurations": {"name"},
		"backendAddressPools": {"name"}, "loadBalancingRules": {"name"}, "probes": {"name"}, "inboundNatRules": {"name"}, "inboundNatPools": {"name"},
		"outboundRules": {"name"}, "outboundNatRules": {"name"}, "routes": {"name"}, "virtualNetworkPeerings": {"name"}, "extensions": {"name"},
		"networkInterfaceConfigurations": {"name"}, "vpnClientRootCertificates": {"name"}, "vpnClientRevokedCertificates": {"name"}, "capabilities": {"name"},
		"dataDisks": {"lun"}, "networkInterfaces": {"id"}, "virtualNetworkRules": {"id"}, "ipRules": {"value"}, "accessPolicies": {"objectId", "applicationId"},
		"addonPlans": {"planId"}, "resourceTypes": {"resourceType"}, "publicKeys": {"path"}, "aliases": {"name"},
	},
	Sets: []string{
		"actions", "notActions", "dataActions", "notDataActions", "assignableScopes", "keys", "secrets", "certificates", "storage", "key_ops", "quotaIds",
		"basePlanIds", "skuIds", "zones", "locations", "apiVersions",
	},
	Verbatim: []string{"tags", "parameters", "settings", "metadata", "outputs", "template", "policyRule"},
	Defaults: map[string]string{
		"tags": "{}", "zones": "[]", "plan": "null", "identity": "null", "managedBy": `""`, "**.description": `""`,
	},
	Folded: []string{"name", "type", "location"},
}

// ignore makes rules of paths by their reason.
func ignore(byReason map[string][]string) (all []jsondiff.Ignore) {
	for reason, paths := range byReason {
		for _, path := range paths {
			all = append(all, jsondiff.Ignore{Path: path, Reason: reason})
		}
	}
	return all
}

// when is ignore with a condition.
func when(condition func(a, b jsondiff.Value) bool, reason string, paths ...string) (all []jsondiff.Ignore) {
	for _, path := range paths {
		all = append(all, jsondiff.Ignore{Path: path, Reason: reason, If: condition})
	}
	return all
}

// dynamic is a condition: a member of both objects says that an address is given by the stamp.
func dynamic(member string) func(a, b jsondiff.Value) bool {
	return func(a, b jsondiff.Value) bool {
		return strings.EqualFold(a.Text(member), "Dynamic") && strings.EqualFold(b.Text(member), "Dynamic")
	}
}
