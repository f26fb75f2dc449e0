package inventory

import "fmt"

// network is a virtual network with what lies in it.
type network struct {
	id, name string
	octet    int // the network is 10.<octet>.0.0/16
	subnets  []*subnet
	etag     string

	resource   *resource // what its document says
	properties *vnetProperties
	at         int // number of its document
	peers      []*peer
}

// peer is a peering with a network of the same subscription.
type peer struct {
	remote *network
	shown  *resource
	at     int // number of its document
}

type subnet struct {
	id   string
	n    int // 10.<octet>.<n>.0/24
	used int // addresses given out
}

type ruleProperties struct {
	Description              string `json:"description,omitempty"`
	Protocol                 string `json:"protocol"`
	SourcePortRange          string `json:"sourcePortRange"`
	DestinationPortRange     string `json:"destinationPortRange"`
	SourceAddressPrefix      string `json:"sourceAddressPrefix"`
	DestinationAddressPrefix string `json:"destinationAddressPrefix"`
	Access                   string `json:"access"`
	Priority                 int    `json:"priority"`
	Direction                string `json:"direction"`
	ProvisioningState        string `json:"provisioningState"`
}

type nsgProperties struct {
	SecurityRules        []*resource `json:"securityRules"`
	DefaultSecurityRules []*resource `json:"defaultSecurityRules"`
	ResourceGUID         string      `json:"resourceGuid"`
	ProvisioningState    string      `json:"provisioningState"`
}

// securityGroup makes a network security group and its rules.
func (b *builder) securityGroup(g *group) string {
	name := b.name("nsg")
	id := g.in("Microsoft.Network/networkSecurityGroups", name)
	etag := b.etag()
	p := nsgProperties{SecurityRules: []*resource{}, ResourceGUID: b.guid(), ProvisioningState: "Succeeded"}
	for i := range b.between(1, 3) {
		rule := fmt.Sprintf("allow_%d", i+1)
		p.SecurityRules = append(p.SecurityRules, &resource{ID: id + "/securityRules/" + rule, Name: rule, ETag: etag, Properties: ruleProperties{
			Description: pick(b, tagValues), Protocol: pick(b, []string{"Tcp", "Udp", "*"}), SourcePortRange: "*",
			DestinationPortRange: pick(b, []string{"22", "443", "3389", "8000-8999"}), SourceAddressPrefix: "*", DestinationAddressPrefix: "*",
			Access: "Allow", Priority: 100 + 10*i, Direction: "Inbound", ProvisioningState: "Succeeded",
		}})
	}
	p.DefaultSecurityRules = []*resource{{ID: id + "/defaultSecurityRules/DenyAllInBound", Name: "DenyAllInBound", ETag: etag, Properties: ruleProperties{
		Description: "Deny all inbound traffic", Protocol: "*", SourcePortRange: "*", DestinationPortRange: "*", SourceAddressPrefix: "*",
		DestinationAddressPrefix: "*", Access: "Deny", Priority: 65500, Direction: "Inbound", ProvisioningState: "Succeeded",
	}}}
	b.add("Microsoft.Network/networkSecurityGroups", &resource{ID: id, Name: name, Type: "Microsoft.Network/networkSecurityGroups", Location: b.o.Region, Tags: b.tags(), ETag: etag, Properties: p})
	for _, rule := range p.SecurityRules {
		b.add("Microsoft.Network/networkSecurityGroups/securityRules", rule)
	}
	return id
}

type routeProperties struct {
	AddressPrefix     string `json:"addressPrefix"`
	NextHopType       string `json:"nextHopType"`
	NextHopIPAddress  string `json:"nextHopIpAddress,omitempty"`
	ProvisioningState string `json:"provisioningState"`
}

type routeTableProperties struct {
	Routes                     []*resource `json:"routes"`
	DisableBgpRoutePropagation bool        `json:"disableBgpRoutePropagation"`
	ProvisioningState          string      `json:"provisioningState"`
}

// routes makes a route table and its routes.
func (b *builder) routes(g *group) string {
	name := b.name("rt")
	id := g.in("Microsoft.Network/routeTables", name)
	etag := b.etag()
	p := routeTableProperties{Routes: []*resource{}, DisableBgpRoutePropagation: b.chance(3), ProvisioningState: "Succeeded"}
	for i := range b.between(1, 2) {
		route := routeProperties{AddressPrefix: fmt.Sprintf("172.16.%d.0/24", i), NextHopType: "VirtualAppliance", NextHopIPAddress: "10.0.0.4", ProvisioningState: "Succeeded"}
		if i == 1 {
			route = routeProperties{AddressPrefix: "0.0.0.0/0", NextHopType: "Internet", ProvisioningState: "Succeeded"}
		}
		p.Routes = append(p.Routes, &resource{ID: fmt.Sprintf("%s/routes/route%d", id, i+1), Name: fmt.Sprintf("route%d", i+1), ETag: etag, Properties: route})
	}
	b.add("Microsoft.Network/routeTables", &resource{ID: id, Name: name, Type: "Microsoft.Network/routeTables", Location: b.o.Region, Tags: b.tags(), ETag: etag, Properties: p})
	for _, r := range p.Routes {
		b.add("Microsoft.Network/routeTables/routes", r)
	}
	return id
}

type addressSpace struct {
	AddressPrefixes []string `json:"addressPrefixes"`
}

type subnetProperties struct {
	AddressPrefix        string  `json:"addressPrefix"`
	NetworkSecurityGroup *idOnly `json:"networkSecurityGroup,omitempty"`
	RouteTable           *idOnly `json:"routeTable,omitempty"`
	ProvisioningState    string  `json:"provisioningState"`
}

type peeringProperties struct {
	AllowVirtualNetworkAccess bool         `json:"allowVirtualNetworkAccess"`
	AllowForwardedTraffic     bool         `json:"allowForwardedTraffic"`
	AllowGatewayTransit       bool         `json:"allowGatewayTransit"`
	UseRemoteGateways         bool         `json:"useRemoteGateways"`
	RemoteVirtualNetwork      idOnly       `json:"remoteVirtualNetwork"`
	RemoteAddressSpace        addressSpace `json:"remoteAddressSpace"`
	PeeringState              string       `json:"peeringState"`
	ProvisioningState         string       `json:"provisioningState"`
}

type vnetProperties struct {
	AddressSpace addressSpace `json:"addressSpace"`
	DHCPOptions  *struct {
		DNSServers []string `json:"dnsServers"`
	} `json:"dhcpOptions,omitempty"`
	Subnets                []*resource `json:"subnets"`
	VirtualNetworkPeerings []*resource `json:"virtualNetworkPeerings"`
	ResourceGUID           string      `json:"resourceGuid"`
	ProvisioningState      string      `json:"provisioningState"`
	EnableDdosProtection   bool        `json:"enableDdosProtection"`
	EnableVMProtection     bool        `json:"enableVmProtection"`
}

// newNetwork makes a virtual network, its subnets and sometimes a peering with
// another network of the same subscription.
func (b *builder) newNetwork(g *group) *network {
	name := b.name("vnet")
	n := &network{name: name, id: g.in("Microsoft.Network/virtualNetworks", name), octet: b.r.IntN(256), etag: b.etag()}
	p := vnetProperties{
		AddressSpace: addressSpace{[]string{fmt.Sprintf("10.%d.0.0/16", n.octet)}}, Subnets: []*resource{}, VirtualNetworkPeerings: []*resource{},
		ResourceGUID: b.guid(), ProvisioningState: "Succeeded",
	}
	if b.chance(3) {
		p.DHCPOptions = &struct {
			DNSServers []string `json:"dnsServers"`
		}{[]string{fmt.Sprintf("10.%d.0.4", n.octet), "10.0.0.4"}}
	}
	nsg := b.securityGroup(g)
	var table string
	if b.chance(2) || g.sub.vnets == nil {
		table = b.routes(g)
	}
	for i := range b.between(1, 3) {
		label := fmt.Sprintf("Subnet%d", i+1)
		if i == 1 {
			label = "GatewaySubnet"
		}
		sp := subnetProperties{AddressPrefix: fmt.Sprintf("10.%d.%d.0/24", n.octet, i), ProvisioningState: "Succeeded"}
		if i != 1 {
			sp.NetworkSecurityGroup = &idOnly{b.ref(nsg)}
			if table != "" {
				sp.RouteTable = &idOnly{b.ref(table)}
			}
		}
		s := &subnet{id: n.id + "/subnets/" + label, n: i}
		n.subnets = append(n.subnets, s)
		p.Subnets = append(p.Subnets, &resource{ID: s.id, Name: label, ETag: n.etag, Properties: sp})
	}
	if len(g.sub.vnets) > 0 && (b.chance(3) || len(g.sub.vnets) == 1) {
		remote := pick(b, g.sub.vnets)
		if peering := n.peering(remote, b.chance(2), b.ref(remote.id)); remote.octet != n.octet { // networks that overlap cannot be peered
			p.VirtualNetworkPeerings = append(p.VirtualNetworkPeerings, peering)
			n.peers = append(n.peers, &peer{remote: remote, shown: peering})
		}
	}
	n.at, n.properties = len(b.s.Documents), &p
	n.resource = &resource{ID: n.id, Name: name, Type: "Microsoft.Network/virtualNetworks", Location: b.o.Region, Tags: b.tags(), ETag: n.etag, Properties: n.properties}
	b.add("Microsoft.Network/virtualNetworks", n.resource)
	for _, s := range p.Subnets {
		b.add("Microsoft.Network/virtualNetworks/subnets", s)
	}
	for i, s := range p.VirtualNetworkPeerings {
		n.peers[i].at = len(b.s.Documents)
		b.add("Microsoft.Network/virtualNetworks/virtualNetworkPeerings", s)
	}
	b.mirrors.network(b, g.sub.guid, n.id, name)
	g.net = n
	g.sub.vnets = append(g.sub.vnets, n)
	g.some = append(g.some, n.id)
	return n
}

// peering is what a network says of its peering with another, which knows nothing of it.
func (n *network) peering(remote *network, forwarded bool, id string) *resource {
	return &resource{
		ID: n.id + "/virtualNetworkPeerings/to-" + remote.name, Name: "to-" + remote.name, ETag: n.etag,
		Properties: &peeringProperties{
			AllowVirtualNetworkAccess: true, AllowForwardedTraffic: forwarded, RemoteVirtualNetwork: idOnly{id},
			RemoteAddressSpace: addressSpace{[]string{fmt.Sprintf("10.%d.0.0/16", remote.octet)}}, PeeringState: "Initiated", ProvisioningState: "Succeeded",
		},
	}
}

// rewrite gives a document that is in the stamp another body.
func (b *builder) rewrite(at int, v any) { b.s.Documents[at].Body = b.encodeAt(at, v) }

// answered adds the other side of a network's first peering: both are connected then.
func (b *builder) answered(n *network) {
	if len(n.peers) == 0 {
		return
	}
	own := n.peers[0]
	remote := own.remote
	for _, p := range remote.peers {
		if p.remote == n {
			return
		}
	}
	back := remote.peering(n, false, n.id)
	for _, p := range []*resource{own.shown, back} {
		p.Properties.(*peeringProperties).PeeringState = "Connected"
	}
	remote.properties.VirtualNetworkPeerings = append(remote.properties.VirtualNetworkPeerings, back)
	remote.peers = append(remote.peers, &peer{remote: n, shown: back, at: len(b.s.Documents)})
	b.add("Microsoft.Network/virtualNetworks/virtualNetworkPeerings", back)
	b.rewrite(own.at, own.shown)
	b.rewrite(n.at, n.resource)
	b.rewrite(remote.at, remote.resource)
}

// gatewaySubnet is the ID of the only subnet in which a gateway can be. A network without
// one gets it, beside what the number of resources counts.
func (b *builder) gatewaySubnet(n *network) string {
	const label = "GatewaySubnet"
	_ = b.r.IntN(len(n.subnets)) // a seed makes the same as when any subnet would do
	id := n.id + "/subnets/" + label
	for _, s := range n.properties.Subnets {
		if s.ID == id {
			return id
		}
	}
	shown := &resource{ID: id, Name: label, ETag: n.etag, Properties: subnetProperties{AddressPrefix: fmt.Sprintf("10.%d.255.0/24", n.octet), ProvisioningState: "Succeeded"}}
	n.properties.Subnets = append(n.properties.Subnets, shown)
	b.put(Tenant, id, "Microsoft.Network/virtualNetworks/subnets", shown)
	b.rewrite(n.at, n.resource)
	return id
}

// address is the next free address of a subnet. Past 250 addresses they repeat,
// which nothing minds here.
func (n *network) address(s *subnet) string {
	s.used++
	return fmt.Sprintf("10.%d.%d.%d", n.octet, s.n, 4+s.used%250)
}
