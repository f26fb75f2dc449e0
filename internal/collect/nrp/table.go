package nrp

import (
	"infrabackup/internal/azure"
	"infrabackup/internal/backup"
	"infrabackup/internal/collect/resource"
)

var (
	versions    = []string{"2018-11-01", "2018-10-01", "2018-08-01", "2017-10-01", "2017-06-01", "2016-09-01", "2015-06-15"}
	dnsVersions = []string{"2018-05-01", "2017-10-01", "2016-04-01"}
	adminOnly   = []azure.Endpoint{azure.Admin}
	operator    = []string{"2015-06-15"}
)

// Table returns the service's rows.
func Table() resource.Table {
	return resource.Table{
		Service:    backup.NRP,
		Namespaces: []string{"Microsoft.Network", "Microsoft.Network.Admin"},
		Derived: []string{
			// Parts of documents that rows hold whole.
			"Microsoft.Network/loadBalancers/frontendIPConfigurations", "Microsoft.Network/loadBalancers/backendAddressPools", "Microsoft.Network/loadBalancers/loadBalancingRules",
			"Microsoft.Network/loadBalancers/inboundNatRules", "Microsoft.Network/loadBalancers/outboundRules", "Microsoft.Network/loadBalancers/probes",
			"Microsoft.Network/networkInterfaces/ipConfigurations", "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
			// Views of what other rows hold.
			"Microsoft.Network/loadBalancers/networkInterfaces", "Microsoft.Network/networkInterfaces/loadBalancers", "Microsoft.Network/virtualNetworkGateways/connections",
			// Record sets by type: the row of record sets lists all types.
			"Microsoft.Network/dnsZones/A", "Microsoft.Network/dnsZones/AAAA", "Microsoft.Network/dnsZones/CAA", "Microsoft.Network/dnsZones/CNAME", "Microsoft.Network/dnsZones/MX",
			"Microsoft.Network/dnsZones/NS", "Microsoft.Network/dnsZones/PTR", "Microsoft.Network/dnsZones/SOA", "Microsoft.Network/dnsZones/SRV", "Microsoft.Network/dnsZones/TXT",
			"Microsoft.Network/dnsZones/all", "Microsoft.Network/dnsOperationResults", "Microsoft.Network/dnsOperationStatuses",
			"Microsoft.Network.Admin/adminOperations",
		},
		Types: []resource.Type{
			{Kind: "virtual-network", Type: "Microsoft.Network/virtualNetworks", Versions: versions},
			{Kind: "subnet", Type: "Microsoft.Network/virtualNetworks/subnets", Versions: versions, Scope: resource.InParent, Parent: "virtual-network"},
			{Kind: "virtual-network-peering", Type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", Versions: versions, Scope: resource.InParent, Parent: "virtual-network"},
			{Kind: "network-security-group", Type: "Microsoft.Network/networkSecurityGroups", Versions: versions},
			{Kind: "security-rule", Type: "Microsoft.Network/networkSecurityGroups/securityRules", Versions: versions, Scope: resource.InParent, Parent: "network-security-group"},
			{Kind: "route-table", Type: "Microsoft.Network/routeTables", Versions: versions},
			{Kind: "route", Type: "Microsoft.Network/routeTables/routes", Versions: versions, Scope: resource.InParent, Parent: "route-table"},
			{Kind: "public-ip-address", Type: "Microsoft.Network/publicIPAddresses", Versions: versions},
			{Kind: "network-interface", Type: "Microsoft.Network/networkInterfaces", Versions: versions},
			{Kind: "load-balancer", Type: "Microsoft.Network/loadBalancers", Versions: versions},
			// The definitions list these three within resource groups only.
			{Kind: "virtual-network-gateway", Type: "Microsoft.Network/virtualNetworkGateways", Versions: versions, Scope: resource.InGroup},
			{Kind: "local-network-gateway", Type: "Microsoft.Network/localNetworkGateways", Versions: versions, Scope: resource.InGroup},
			{Kind: "connection", Type: "Microsoft.Network/connections", Versions: versions, Scope: resource.InGroup},
			{Kind: "connection-shared-key", Type: "Microsoft.Network/connections/sharedkey", Versions: versions, Scope: resource.InParent, Parent: "connection", Single: true, Optional: true},
			{Kind: "dns-zone", Type: "Microsoft.Network/dnsZones", Versions: dnsVersions},
			{Kind: "dns-record-set", Type: "Microsoft.Network/dnsZones/recordsets", Versions: dnsVersions, Scope: resource.InParent, Parent: "dns-zone"},

			{Kind: "network-quota", Type: "Microsoft.Network.Admin/locations/quotas", Versions: operator, Endpoints: adminOnly, Scope: resource.InLocation, Path: "/quotas", Untracked: true},
			{Kind: "network-overview", Type: "Microsoft.Network.Admin/adminOverview", Versions: operator, Endpoints: adminOnly, Single: true, Untracked: true},
			{Kind: "operator-virtual-network", Type: "Microsoft.Network.Admin/adminVirtualNetworks", Versions: operator, Endpoints: adminOnly, Untracked: true},
			{Kind: "operator-public-ip-address", Type: "Microsoft.Network.Admin/adminPublicIpAddresses", Versions: operator, Endpoints: adminOnly, Untracked: true},
			{Kind: "operator-load-balancer", Type: "Microsoft.Network.Admin/adminLoadBalancers", Versions: operator, Endpoints: adminOnly, Untracked: true},
		},
	}
}
