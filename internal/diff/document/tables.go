package document

import (
	"slices"
	"strings"

	"infrabackup/internal/diff/jsondiff"
)

var armTable = serviceTable{
	has: true,
	all: jsondiff.Rules{
		Ignore: ignore(map[string][]string{
			ReasonCounter: {"properties.subscriptionCount"}, // of plans and offers
		}),
	},
	kinds: map[string]jsondiff.Rules{
		"update-location": {Ignore: ignore(map[string][]string{ReasonRuntime: {"properties.state", "properties.lastUpdated", "properties.lastChecked"}})},
		"update":          {Ignore: ignore(map[string][]string{ReasonRuntime: {"properties.state", "properties.lastUpdated"}})},
	},
	derived: map[string]string{
		"deployment": ReasonHistory, // what was deployed is compared itself
		"update-run": ReasonHistory,
		"tag-name":   ReasonCounter, // names and how often they are used: tags are in the resources
	},
}

// attached reports whether the disk of a machine's system was attached, and not made of an
// image.
func attached(disk jsondiff.Value) bool {
	return strings.EqualFold(disk.Text("createOption"), "Attach")
}

var crpTable = serviceTable{
	has: true,
	all: jsondiff.Rules{
		Ignore: ignore(map[string][]string{ReasonRuntime: {"properties.diskState", "properties.powerState"}}),
	},
	kinds: map[string]jsondiff.Rules{
		"virtual-machine": {Ignore: slices.Concat(
			ignore(map[string][]string{ReasonOwnItem: {"resources"}}),
			when(func(a, b jsondiff.Value) bool { return attached(a) != attached(b) }, ReasonAttached, "properties.storageProfile.osDisk.createOption"),
			when(func(a, b jsondiff.Value) bool { return attached(a.Member("osDisk")) != attached(b.Member("osDisk")) }, ReasonAttached, "properties.storageProfile.imageReference"),
			when(func(a, b jsondiff.Value) bool {
				return attached(a.Member("storageProfile").Member("osDisk")) != attached(b.Member("storageProfile").Member("osDisk"))
			}, ReasonAttached, "properties.osProfile"),
		)},
		"scale-set":        {Ignore: ignore(map[string][]string{ReasonOwnItem: {"properties.virtualMachineProfile.extensionProfile.extensions"}})},
		"availability-set": {Ignore: ignore(map[string][]string{ReasonBack: {"properties.virtualMachines"}})},
		"disk":             {Ignore: ignore(map[string][]string{ReasonBack: {"managedBy"}})},
		"snapshot":         {Ignore: ignore(map[string][]string{ReasonBack: {"managedBy"}})},
	},
	derived: map[string]string{
		"operator-disk":  ReasonMirror,
		"disk-migration": ReasonHistory,
	},
}

var srpTable = serviceTable{
	has: true,
	kinds: map[string]jsondiff.Rules{
		"storage-account": {Ignore: ignore(map[string][]string{
			ReasonAddress: {"properties.primaryEndpoints", "properties.secondaryEndpoints"},
			ReasonRuntime: {"properties.statusOfPrimary", "properties.statusOfSecondary", "properties.lastGeoFailoverTime", "properties.keys"},
			ReasonTimes:   {"properties.encryption.services.blob.lastEnabledTime", "properties.encryption.services.file.lastEnabledTime"},
		})},
		"blob-container": {Ignore: ignore(map[string][]string{ReasonRuntime: {"properties.leaseStatus", "properties.leaseState", "properties.leaseDuration"}})},
	},
	derived: map[string]string{
		"operator-storage-account": ReasonMirror,
		"storage-acquisition":      ReasonMirror,
	},
}

var nrpTable = serviceTable{
	has: true,
	all: jsondiff.Rules{
		Defaults: map[string]string{
			"properties.enableIPForwarding": "false", "properties.enableAcceleratedNetworking": "false", "properties.enableVmProtection": "false",
			"properties.enableDdosProtection": "false", "properties.disableBgpRoutePropagation": "false",
		},
	},
	kinds: map[string]jsondiff.Rules{
		"virtual-network": {Ignore: ignore(map[string][]string{ReasonOwnItem: {"properties.subnets", "properties.virtualNetworkPeerings"}})},
		"subnet": {Ignore: ignore(map[string][]string{ReasonBack: {
			"properties.ipConfigurations", "properties.ipConfigurationProfiles", "properties.resourceNavigationLinks", "properties.serviceAssociationLinks", "properties.purpose",
		}})},
		"virtual-network-peering": {Ignore: ignore(map[string][]string{ReasonRuntime: {"properties.peeringState", "properties.peeringSyncLevel"}})},
		"network-security-group": {Ignore: ignore(map[string][]string{
			ReasonBack: {"properties.subnets", "properties.networkInterfaces"}, ReasonOwnItem: {"properties.securityRules"}, ReasonDefaults: {"properties.defaultSecurityRules"},
		})},
		"route-table": {Ignore: ignore(map[string][]string{ReasonBack: {"properties.subnets"}, ReasonOwnItem: {"properties.routes"}})},
		"public-ip-address": {Ignore: append(
			ignore(map[string][]string{ReasonBack: {"properties.ipConfiguration"}}),
			when(dynamic("publicIPAllocationMethod"), ReasonDynamic, "properties.ipAddress")...,
		)},
		"network-interface": {Ignore: append(
			ignore(map[string][]string{
				ReasonBack:    {"properties.virtualMachine", "properties.primary"},
				ReasonAddress: {"properties.macAddress", "properties.dnsSettings.appliedDnsServers", "properties.dnsSettings.internalDomainNameSuffix", "properties.dnsSettings.internalFqdn"},
				ReasonRuntime: {"properties.hostedWorkloads"},
			}),
			when(dynamic("privateIPAllocationMethod"), ReasonDynamic, "properties.ipConfigurations.properties.privateIPAddress")...,
		)},
		"load-balancer": {Ignore: append(
			ignore(map[string][]string{ReasonBack: {
				"properties.frontendIPConfigurations.properties.loadBalancingRules", "properties.frontendIPConfigurations.properties.inboundNatRules",
				"properties.frontendIPConfigurations.properties.inboundNatPools", "properties.frontendIPConfigurations.properties.outboundRules",
				"properties.backendAddressPools.properties.backendIPConfigurations", "properties.backendAddressPools.properties.loadBalancingRules",
				"properties.backendAddressPools.properties.outboundRules", "properties.probes.properties.loadBalancingRules",
				"properties.inboundNatRules.properties.backendIPConfiguration",
			}}),
			when(dynamic("privateIPAllocationMethod"), ReasonDynamic, "properties.frontendIPConfigurations.properties.privateIPAddress")...,
		)},
		"virtual-network-gateway": {Ignore: when(dynamic("privateIPAllocationMethod"), ReasonDynamic, "properties.ipConfigurations.properties.privateIPAddress")},
		"connection": {Ignore: ignore(map[string][]string{
			ReasonCounter: {"properties.ingressBytesTransferred", "properties.egressBytesTransferred"},
			ReasonRuntime: {"properties.connectionStatus", "properties.tunnelConnectionStatus"},
		})},
		"connection-shared-key": {Secrets: []string{"value"}},
		"dns-zone":              {Ignore: ignore(map[string][]string{ReasonCounter: {"properties.numberOfRecordSets"}})},
		"dns-record-set":        {Ignore: ignore(map[string][]string{ReasonCounter: {"properties.SOARecord.serialNumber"}})},
	},
	derived: map[string]string{
		"network-overview":           ReasonCounter,
		"operator-virtual-network":   ReasonMirror,
		"operator-public-ip-address": ReasonMirror,
		"operator-load-balancer":     ReasonMirror,
	},
}

// vaultObject is for everything that vaults hold.
func vaultObject(more jsondiff.Rules) jsondiff.Rules {
	more.Ignore = append(more.Ignore, ignore(map[string][]string{
		ReasonTimes:   {"attributes.created", "attributes.updated", "policy.attributes.created", "policy.attributes.updated"},
		ReasonRuntime: {"attributes.recoveryLevel"},
	})...)
	more.Hosts = append(more.Hosts, "id", "kid", "sid", "key.kid", "policy.id", "recoveryId")
	more.Defaults = map[string]string{"contentType": `""`, "managed": "false", "tags": "{}", "attributes.nbf": "null", "attributes.exp": "null"}
	return more
}

var blob = jsondiff.Rules{Secrets: []string{"value"}, Ignore: []jsondiff.Ignore{{Path: "value", Reason: ReasonBlob}}}

var keyVaultTable = serviceTable{
	has: true,
	kinds: map[string]jsondiff.Rules{
		"vault": {
			Ignore: ignore(map[string][]string{ReasonAddress: {"properties.vaultUri"}}),
			Folded: []string{
				"properties.accessPolicies.permissions.keys", "properties.accessPolicies.permissions.secrets", "properties.accessPolicies.permissions.certificates",
				"properties.accessPolicies.permissions.storage", "properties.accessPolicies.objectId",
			},
			Defaults: map[string]string{
				"properties.enabledForDeployment": "false", "properties.enabledForDiskEncryption": "false", "properties.enabledForTemplateDeployment": "false",
				"properties.accessPolicies.permissions.keys": "[]", "properties.accessPolicies.permissions.secrets": "[]",
				"properties.accessPolicies.permissions.certificates": "[]", "properties.accessPolicies.permissions.storage": "[]",
			},
		},
		"vault-secret-version":       vaultObject(jsondiff.Rules{Secrets: []string{"value"}}),
		"vault-key-version":          vaultObject(jsondiff.Rules{}),
		"vault-certificate-version":  vaultObject(jsondiff.Rules{Ignore: ignore(map[string][]string{ReasonOwnItem: {"policy"}})}),
		"vault-certificate-policy":   vaultObject(jsondiff.Rules{}),
		"vault-certificate-issuer":   vaultObject(jsondiff.Rules{}),
		"vault-certificate-contacts": vaultObject(jsondiff.Rules{}),
		"vault-deleted-key":          vaultObject(jsondiff.Rules{}),
		"vault-deleted-secret":       vaultObject(jsondiff.Rules{}),
		"vault-deleted-certificate":  vaultObject(jsondiff.Rules{}),
		"vault-secret-backup":        blob,
		"vault-key-backup":           blob,
		"vault-certificate-backup":   blob,
	},
}

var rbacTable = serviceTable{
	has: true,
	all: jsondiff.Rules{
		Ignore: ignore(map[string][]string{ReasonTimes: {"properties.createdOn", "properties.updatedOn", "properties.createdBy", "properties.updatedBy"}}),
		Folded: []string{"properties.scope", "properties.principalId", "properties.roleDefinitionId", "properties.permissions.actions", "properties.permissions.notActions",
			"properties.permissions.dataActions", "properties.permissions.notDataActions", "properties.assignableScopes"},
	},
}
