package edge

// The types of Microsoft.Network that refer to others.
const (
	networks     = "Microsoft.Network/virtualNetworks"
	subnets      = networks + "/subnets"
	peerings     = networks + "/virtualNetworkPeerings"
	filters      = "Microsoft.Network/networkSecurityGroups"
	rules        = filters + "/securityRules"
	routeTables  = "Microsoft.Network/routeTables"
	addresses    = "Microsoft.Network/publicIPAddresses"
	interfaces   = "Microsoft.Network/networkInterfaces"
	balancers    = "Microsoft.Network/loadBalancers"
	gateways     = "Microsoft.Network/virtualNetworkGateways"
	connections  = "Microsoft.Network/connections"
	zones        = "Microsoft.Network/dnsZones"
	recordSets   = zones + "/recordsets"
	inlineSubnet = "properties.subnets.#."
	inlineRule   = "properties.securityRules.#."
	frontend     = "properties.frontendIPConfigurations.#."
)

// networkRows are from Microsoft's definitions for Microsoft.Network, 2018-11-01, and for
// DNS zones, 2018-05-01.
var networkRows = []Row{
	// A network's document has its subnets and peerings in it; both have documents of their
	// own as well. The network can be there before its peerings, which need the other
	// network, and that may be peered with this one. A peering's own document cannot.
	{Type: networks, Relation: "network-security-group", Path: inlineSubnet + "properties.networkSecurityGroup.id"},
	{Type: networks, Relation: "route-table", Path: inlineSubnet + "properties.routeTable.id"},
	{Type: networks, Relation: "service-endpoint-policy", Path: inlineSubnet + "properties.serviceEndpointPolicies.#.id"},
	{Type: networks, Relation: "network-interface", Path: inlineSubnet + ipConfigurations + "id", Direction: Back},
	{Type: networks, Relation: "virtual-network", Path: "properties.virtualNetworkPeerings.#.properties.remoteVirtualNetwork.id", Strength: Soft},

	{Type: subnets, Relation: "network-security-group", Path: "properties.networkSecurityGroup.id"},
	{Type: subnets, Relation: "route-table", Path: "properties.routeTable.id"},
	{Type: subnets, Relation: "service-endpoint-policy", Path: "properties.serviceEndpointPolicies.#.id"},
	{Type: subnets, Relation: "network-interface", Path: ipConfigurations + "id", Direction: Back},

	{Type: peerings, Relation: "virtual-network", Path: "properties.remoteVirtualNetwork.id"},

	{Type: filters, Relation: "application-security-group", Path: inlineRule + "properties.sourceApplicationSecurityGroups.#.id"},
	{Type: filters, Relation: "application-security-group", Path: inlineRule + "properties.destinationApplicationSecurityGroups.#.id"},
	{Type: filters, Relation: "subnet", Path: inlineSubnet + "id", Direction: Back},
	{Type: filters, Relation: "network-interface", Path: "properties.networkInterfaces.#.id", Direction: Back},

	{Type: rules, Relation: "application-security-group", Path: "properties.sourceApplicationSecurityGroups.#.id"},
	{Type: rules, Relation: "application-security-group", Path: "properties.destinationApplicationSecurityGroups.#.id"},

	{Type: routeTables, Relation: "subnet", Path: inlineSubnet + "id", Direction: Back},

	{Type: addresses, Relation: "user", Path: "properties.ipConfiguration.id", Direction: Back},
	{Type: addresses, Relation: "public-ip-prefix", Path: "properties.publicIPPrefix.id"},

	{Type: interfaces, Relation: "subnet", Path: ipConfigurations + "properties.subnet.id"},
	{Type: interfaces, Relation: "public-ip-address", Path: ipConfigurations + "properties.publicIPAddress.id"},
	{Type: interfaces, Relation: "load-balancer", Path: ipConfigurations + "properties.loadBalancerBackendAddressPools.#.id"},
	{Type: interfaces, Relation: "load-balancer", Path: ipConfigurations + "properties.loadBalancerInboundNatRules.#.id"},
	{Type: interfaces, Relation: "application-gateway", Path: ipConfigurations + "properties.applicationGatewayBackendAddressPools.#.id"},
	{Type: interfaces, Relation: "application-security-group", Path: ipConfigurations + "properties.applicationSecurityGroups.#.id"},
	{Type: interfaces, Relation: "network-security-group", Path: "properties.networkSecurityGroup.id"},
	{Type: interfaces, Relation: "virtual-machine", Path: "properties.virtualMachine.id", Direction: Back},

	{Type: balancers, Relation: "public-ip-address", Path: frontend + "properties.publicIPAddress.id"},
	{Type: balancers, Relation: "public-ip-prefix", Path: frontend + "properties.publicIPPrefix.id"},
	{Type: balancers, Relation: "subnet", Path: frontend + "properties.subnet.id"},
	{Type: balancers, Relation: "network-interface", Path: "properties.backendAddressPools.#.properties.backendIPConfigurations.#.id", Direction: Back},
	{Type: balancers, Relation: "network-interface", Path: "properties.inboundNatRules.#.properties.backendIPConfiguration.id", Direction: Back},

	{Type: gateways, Relation: "subnet", Path: ipConfigurations + "properties.subnet.id"},
	{Type: gateways, Relation: "public-ip-address", Path: ipConfigurations + "properties.publicIPAddress.id"},
	{Type: gateways, Relation: "local-network-gateway", Path: "properties.gatewayDefaultSite.id", Strength: Soft},

	{Type: connections, Relation: "virtual-network-gateway", Path: "properties.virtualNetworkGateway1.id"},
	{Type: connections, Relation: "virtual-network-gateway", Path: "properties.virtualNetworkGateway2.id"},
	{Type: connections, Relation: "local-network-gateway", Path: "properties.localNetworkGateway2.id"},
	{Type: connections, Relation: "peer", Path: "properties.peer.id"},

	{Type: zones, Relation: "virtual-network", Path: "properties.registrationVirtualNetworks.#.id"},
	{Type: zones, Relation: "virtual-network", Path: "properties.resolutionVirtualNetworks.#.id"},
	{Type: recordSets, Relation: "alias-target", Path: "properties.targetResource.id"},
}
