package inventory

import "fmt"

type skuName struct {
	Name string `json:"name"`
	Tier string `json:"tier,omitempty"`
}

type publicAddressProperties struct {
	ProvisioningState        string  `json:"provisioningState"`
	ResourceGUID             string  `json:"resourceGuid"`
	IPAddress                string  `json:"ipAddress,omitempty"`
	PublicIPAddressVersion   string  `json:"publicIPAddressVersion"`
	PublicIPAllocationMethod string  `json:"publicIPAllocationMethod"`
	IdleTimeoutInMinutes     int     `json:"idleTimeoutInMinutes"`
	DNSSettings              *dnsSet `json:"dnsSettings,omitempty"`
	IPConfiguration          *idOnly `json:"ipConfiguration,omitempty"`
}

type dnsSet struct {
	DomainNameLabel string `json:"domainNameLabel"`
	FQDN            string `json:"fqdn"`
}

// publicAddress makes a public IP address that the IP configuration uses.
func (b *builder) publicAddress(g *group, user string) string {
	name := b.name("pip")
	id := g.in("Microsoft.Network/publicIPAddresses", name)
	p := publicAddressProperties{ProvisioningState: "Succeeded", ResourceGUID: b.guid(), PublicIPAddressVersion: "IPv4", PublicIPAllocationMethod: "Dynamic", IdleTimeoutInMinutes: 4}
	if b.chance(2) {
		p.PublicIPAllocationMethod = "Static"
		p.IPAddress = fmt.Sprintf("192.168.%d.%d", b.r.IntN(256), b.between(1, 254))
	}
	if b.chance(4) {
		label := b.plain("h")
		p.DNSSettings = &dnsSet{label, label + "." + b.o.Region + ".cloudapp." + b.o.Domain}
	}
	if user != "" {
		p.IPConfiguration = &idOnly{user}
	}
	b.add("Microsoft.Network/publicIPAddresses", &resource{ID: id, Name: name, Type: "Microsoft.Network/publicIPAddresses", Location: b.o.Region, Tags: b.tags(), ETag: b.etag(), SKU: skuName{Name: "Basic"}, Properties: p})
	b.mirrors.address(b, g.sub.guid, id, name, p.IPAddress, p.PublicIPAllocationMethod)
	return id
}

type frontendProperties struct {
	ProvisioningState         string   `json:"provisioningState"`
	PrivateIPAllocationMethod string   `json:"privateIPAllocationMethod"`
	PublicIPAddress           *idOnly  `json:"publicIPAddress,omitempty"`
	LoadBalancingRules        []idOnly `json:"loadBalancingRules,omitempty"`
}

type poolProperties struct {
	ProvisioningState  string   `json:"provisioningState"`
	LoadBalancingRules []idOnly `json:"loadBalancingRules,omitempty"`
}

type balancingRule struct {
	ProvisioningState       string `json:"provisioningState"`
	FrontendIPConfiguration idOnly `json:"frontendIPConfiguration"`
	BackendAddressPool      idOnly `json:"backendAddressPool"`
	Probe                   idOnly `json:"probe"`
	Protocol                string `json:"protocol"`
	LoadDistribution        string `json:"loadDistribution"`
	FrontendPort            int    `json:"frontendPort"`
	BackendPort             int    `json:"backendPort"`
	IdleTimeoutInMinutes    int    `json:"idleTimeoutInMinutes"`
	EnableFloatingIP        bool   `json:"enableFloatingIP"`
}

type probeProperties struct {
	ProvisioningState string `json:"provisioningState"`
	Protocol          string `json:"protocol"`
	Port              int    `json:"port"`
	RequestPath       string `json:"requestPath,omitempty"`
	IntervalInSeconds int    `json:"intervalInSeconds"`
	NumberOfProbes    int    `json:"numberOfProbes"`
}

type balancerProperties struct {
	ProvisioningState        string      `json:"provisioningState"`
	ResourceGUID             string      `json:"resourceGuid"`
	FrontendIPConfigurations []*resource `json:"frontendIPConfigurations"`
	BackendAddressPools      []*resource `json:"backendAddressPools"`
	LoadBalancingRules       []*resource `json:"loadBalancingRules"`
	Probes                   []*resource `json:"probes"`
	InboundNatRules          []*resource `json:"inboundNatRules"`
	OutboundRules            []*resource `json:"outboundRules"`
	InboundNatPools          []*resource `json:"inboundNatPools"`
}

// balancer makes a load balancer with a public address.
func (b *builder) balancer(g *group) {
	name := b.name("lb")
	id := g.in("Microsoft.Network/loadBalancers", name)
	etag := b.etag()
	front, pool := id+"/frontendIPConfigurations/front", id+"/backendAddressPools/pool"
	rule, probe := id+"/loadBalancingRules/http", id+"/probes/health"
	address := b.publicAddress(g, front)
	b.add("Microsoft.Network/loadBalancers", &resource{
		ID: id, Name: name, Type: "Microsoft.Network/loadBalancers", Location: b.o.Region, Tags: b.tags(), ETag: etag, SKU: skuName{Name: "Basic"},
		Properties: balancerProperties{
			ProvisioningState: "Succeeded", ResourceGUID: b.guid(),
			FrontendIPConfigurations: []*resource{{ID: front, Name: "front", ETag: etag, Properties: frontendProperties{"Succeeded", "Dynamic", &idOnly{b.ref(address)}, []idOnly{{rule}}}}},
			BackendAddressPools:      []*resource{{ID: pool, Name: "pool", ETag: etag, Properties: poolProperties{"Succeeded", []idOnly{{rule}}}}},
			LoadBalancingRules: []*resource{{ID: rule, Name: "http", ETag: etag, Properties: balancingRule{
				"Succeeded", idOnly{front}, idOnly{pool}, idOnly{probe}, "Tcp", "Default", 80, 8080, 4, false}}},
			Probes:          []*resource{{ID: probe, Name: "health", ETag: etag, Properties: probeProperties{"Succeeded", "Http", 8080, "/health?a=1&b=2", 15, 2}}},
			InboundNatRules: []*resource{}, OutboundRules: []*resource{}, InboundNatPools: []*resource{},
		},
	})
	b.mirrors.balancer(b, g.sub.guid, id, name)
	g.pools = append(g.pools, pool)
	g.some = append(g.some, id)
}

type gatewayConfiguration struct {
	ProvisioningState         string `json:"provisioningState"`
	PrivateIPAllocationMethod string `json:"privateIPAllocationMethod"`
	Subnet                    idOnly `json:"subnet"`
	PublicIPAddress           idOnly `json:"publicIPAddress"`
}

type gatewayProperties struct {
	ProvisioningState string      `json:"provisioningState"`
	ResourceGUID      string      `json:"resourceGuid"`
	IPConfigurations  []*resource `json:"ipConfigurations"`
	GatewayType       string      `json:"gatewayType"`
	VpnType           string      `json:"vpnType"`
	EnableBgp         bool        `json:"enableBgp"`
	ActiveActive      bool        `json:"activeActive"`
	SKU               gatewaySKU  `json:"sku"`
}

type gatewaySKU struct {
	Name     string `json:"name"`
	Tier     string `json:"tier"`
	Capacity int    `json:"capacity"`
}

type localGatewayProperties struct {
	ProvisioningState        string       `json:"provisioningState"`
	ResourceGUID             string       `json:"resourceGuid"`
	LocalNetworkAddressSpace addressSpace `json:"localNetworkAddressSpace"`
	GatewayIPAddress         string       `json:"gatewayIpAddress"`
}

type emptyProperties struct {
	ID         string   `json:"id"`
	Properties struct{} `json:"properties"`
}

type connectionProperties struct {
	ProvisioningState              string          `json:"provisioningState"`
	ResourceGUID                   string          `json:"resourceGuid"`
	VirtualNetworkGateway1         emptyProperties `json:"virtualNetworkGateway1"`
	LocalNetworkGateway2           emptyProperties `json:"localNetworkGateway2"`
	ConnectionType                 string          `json:"connectionType"`
	RoutingWeight                  int             `json:"routingWeight"`
	EnableBgp                      bool            `json:"enableBgp"`
	UsePolicyBasedTrafficSelectors bool            `json:"usePolicyBasedTrafficSelectors"`
	ConnectionStatus               string          `json:"connectionStatus"`
	IngressBytesTransferred        int64           `json:"ingressBytesTransferred"`
	EgressBytesTransferred         int64           `json:"egressBytesTransferred"`
}

// gateway makes a VPN gateway, the other side's gateway and the connection with
// its shared key, which no list gives.
func (b *builder) gateway(g *group) {
	if g.net == nil {
		b.newNetwork(g)
	}
	name := b.name("vgw")
	id := g.in("Microsoft.Network/virtualNetworkGateways", name)
	etag := b.etag()
	config := id + "/ipConfigurations/default"
	address := b.publicAddress(g, config)
	b.add("Microsoft.Network/virtualNetworkGateways", &resource{
		ID: id, Name: name, Type: "Microsoft.Network/virtualNetworkGateways", Location: b.o.Region, Tags: b.tags(), ETag: etag,
		Properties: gatewayProperties{
			ProvisioningState: "Succeeded", ResourceGUID: b.guid(), GatewayType: "Vpn", VpnType: "RouteBased", SKU: gatewaySKU{"Basic", "Basic", 2},
			IPConfigurations: []*resource{{ID: config, Name: "default", ETag: etag, Properties: gatewayConfiguration{"Succeeded", "Dynamic", idOnly{b.ref(b.gatewaySubnet(g.net))}, idOnly{b.ref(address)}}}},
		},
	})
	name = b.name("lgw")
	local := g.in("Microsoft.Network/localNetworkGateways", name)
	b.add("Microsoft.Network/localNetworkGateways", &resource{
		ID: local, Name: name, Type: "Microsoft.Network/localNetworkGateways", Location: b.o.Region, Tags: b.tags(), ETag: b.etag(),
		Properties: localGatewayProperties{"Succeeded", b.guid(), addressSpace{[]string{"172.20.0.0/16"}}, fmt.Sprintf("203.0.113.%d", b.between(1, 254))},
	})
	name = b.name("conn")
	b.add("Microsoft.Network/connections", &resource{
		ID: g.in("Microsoft.Network/connections", name), Name: name, Type: "Microsoft.Network/connections", Location: b.o.Region, Tags: b.tags(), ETag: b.etag(),
		Properties: connectionProperties{
			ProvisioningState: "Succeeded", ResourceGUID: b.guid(), ConnectionType: "IPsec", RoutingWeight: 10, ConnectionStatus: "Connected",
			VirtualNetworkGateway1: emptyProperties{ID: b.ref(id)}, LocalNetworkGateway2: emptyProperties{ID: b.ref(local)},
			IngressBytesTransferred: b.r.Int64N(1 << 45), EgressBytesTransferred: b.r.Int64N(1 << 45),
		},
	}, "properties.sharedKey", b.secret())
}
