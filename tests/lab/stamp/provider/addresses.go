package provider

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strconv"
	"strings"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// interfaceUsers and addressUsers are the types that use a network interface and a
// public address.
var (
	interfaceUsers = []string{compute + "virtualmachines"}
	addressUsers   = []string{network + "networkinterfaces", network + "loadbalancers", network + "virtualnetworkgateways"}
)

func putInterface(w *Write) *Refusal {
	configurations := objects(w.Body, "properties.ipConfigurations")
	if len(configurations) == 0 {
		return bad("NetworkInterfaceMustHaveAtLeastOneIpConfiguration", "Network interface %s must have one or more IP configurations.", w.ID)
	}
	for i, c := range configurations {
		fill(c, "properties.privateIPAllocationMethod", "Dynamic")
		fill(c, "properties.privateIPAddressVersion", "IPv4")
		fill(c, "properties.primary", i == 0)
		if refusal := w.allot(c); refusal != nil {
			return refusal
		}
		if refusal := w.onlyUser(text(c, "properties.publicIPAddress.id"), text(c, "id")); refusal != nil {
			return refusal
		}
	}
	w.keep("properties.macAddress", func() any { return macOf(w.ID) })
	fill(w.Body, "properties.dnsSettings.dnsServers", []any{})
	set(w.Body, "properties.dnsSettings.appliedDnsServers", []any{})
	set(w.Body, "properties.dnsSettings.internalDomainNameSuffix", "internal."+w.Stamp.Domain())
	return nil
}

// macOf is the same for an interface as long as it is there.
func macOf(id string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(id))) // never fails
	sum := h.Sum32()
	return fmt.Sprintf("00-1D-D8-%02X-%02X-%02X", byte(sum>>16), byte(sum>>8), byte(sum))
}

// allot gives an IP configuration its address: the one that it wants, the one that it
// had, or the next free one of the subnet.
func (w *Write) allot(c Object) *Refusal {
	subnetID := text(c, "properties.subnet.id")
	subnet, _ := w.find(subnetID)
	if subnet == nil {
		return bad("SubnetIsRequired", "Subnet reference is required for ipconfiguration %s.", text(c, "id"))
	}
	prefix, err := netip.ParsePrefix(text(subnet, "properties.addressPrefix"))
	if err != nil {
		return bad("InvalidCIDRNotation", "Subnet %s has no address prefix.", subnetID)
	}
	taken := map[string]string{}
	for _, user := range w.users(subnetID, subnetUsers...) {
		for _, array := range []string{"properties.ipConfigurations", "properties.frontendIPConfigurations"} {
			for _, other := range objects(user.Body, array) {
				if same(text(other, "properties.subnet.id"), subnetID) {
					taken[text(other, "properties.privateIPAddress")] = text(other, "id")
				}
			}
		}
	}
	if text(c, "properties.privateIPAllocationMethod") == "Static" {
		wanted := text(c, "properties.privateIPAddress")
		address, err := netip.ParseAddr(wanted)
		switch {
		case err != nil || !prefix.Contains(address):
			return bad("PrivateIPAddressNotInSubnet", "Private static IP address %s does not belong to the range of subnet prefix %s.", wanted, prefix)
		case taken[wanted] != "":
			return bad("PrivateIPAddressInUse", "Private IP address %s is already allocated to resource %s.", wanted, taken[wanted])
		}
		return nil
	}
	if w.Old != nil { // a dynamic address stays as long as the subnet does
		for _, was := range objects(w.Old.Body, "properties.ipConfigurations") {
			if had := text(was, "properties.privateIPAddress"); same(text(was, "name"), text(c, "name")) && same(text(was, "properties.subnet.id"), subnetID) && had != "" {
				set(c, "properties.privateIPAddress", had)
				return nil
			}
		}
	}
	address := prefix.Masked().Addr()
	for range 4 { // the first ones are the network's own
		address = address.Next()
	}
	for prefix.Contains(address) && taken[address.String()] != "" {
		address = address.Next()
	}
	if !prefix.Contains(address) || !prefix.Contains(address.Next()) { // the last is the broadcast address
		return bad("SubnetIsFull", "Subnet %s with address prefix %s does not have enough capacity.", subnetID, prefix)
	}
	set(c, "properties.privateIPAddress", address.String())
	return nil
}

// onlyUser refuses a public address that another configuration has.
func (w *Write) onlyUser(address, user string) *Refusal {
	if address == "" {
		return nil
	}
	for _, r := range w.users(address, addressUsers...) {
		return bad("PublicIPAddressInUse", "Resource %s is referencing public IP address %s that is already allocated to resource %s.", user, address, r.ID)
	}
	return nil
}

func removeInterface(w *Write) *Refusal {
	if users := w.users(w.ID, interfaceUsers...); len(users) > 0 {
		return bad("NicInUse", "Network Interface %s is used by existing resource %s. In order to delete the network interface, it must be dissociated from the resource.", w.ID, users[0].ID)
	}
	return nil
}

func putPublicAddress(w *Write) *Refusal {
	fill(w.Body, "properties.idleTimeoutInMinutes", whole(4))
	unset(w.Body, "properties.ipAddress") // only the service gives it
	if text(w.Body, "properties.publicIPAllocationMethod") == "Static" || len(w.users(w.ID, addressUsers...)) > 0 {
		w.keep("properties.ipAddress", func() any { return w.publicAddress() })
	}
	if label := text(w.Body, "properties.dnsSettings.domainNameLabel"); label != "" {
		for _, other := range w.OfType(w.Kind) {
			if !same(other.ID, w.ID) && same(text(other.Body, "properties.dnsSettings.domainNameLabel"), label) {
				return bad("DnsRecordInUse", "DNS record %s is already used by another public IP.", label)
			}
		}
		set(w.Body, "properties.dnsSettings.fqdn", label+"."+w.Stamp.Location()+".cloudapp."+w.Stamp.Domain())
	}
	return nil
}

// publicAddress is one that no other address of the stamp has.
func (w *Write) publicAddress() string {
	taken := map[string]bool{}
	for _, r := range w.OfType(network + "publicipaddresses") {
		taken[text(r.Body, "properties.ipAddress")] = true
	}
	address := netip.AddrFrom4([4]byte{192, 168, 0, 1})
	for taken[address.String()] {
		address = address.Next()
	}
	return address.String()
}

func removePublicAddress(w *Write) *Refusal {
	if users := w.users(w.ID, addressUsers...); len(users) > 0 {
		return bad("PublicIPAddressCannotBeDeleted", "Public IP address %s can not be deleted since it is still allocated to resource %s.", w.ID, users[0].ID)
	}
	return nil
}

// putBalancer completes the parts of a load balancer, which name each other.
func putBalancer(w *Write) *Refusal {
	for _, front := range objects(w.Body, "properties.frontendIPConfigurations") {
		fill(front, "properties.privateIPAllocationMethod", "Dynamic")
		if refusal := w.onlyUser(text(front, "properties.publicIPAddress.id"), text(front, "id")); refusal != nil {
			return refusal
		}
		if text(front, "properties.subnet.id") != "" {
			if refusal := w.allot(front); refusal != nil {
				return refusal
			}
		}
	}
	for _, pool := range objects(w.Body, "properties.backendAddressPools") {
		if w.Old == nil {
			break
		}
		if was := part(w.Old.Body, "backendaddresspools/"+strings.ToLower(text(pool, "name"))); was != nil {
			if back := at(was, "properties.backendIPConfigurations"); back != nil {
				set(pool, "properties.backendIPConfigurations", back)
			}
		}
	}
	for _, rule := range objects(w.Body, "properties.loadBalancingRules") {
		fill(rule, "properties.loadDistribution", "Default")
		fill(rule, "properties.enableFloatingIP", false)
		fill(rule, "properties.idleTimeoutInMinutes", whole(4))
		for _, member := range []string{"frontendIPConfiguration", "backendAddressPool", "probe"} {
			id := text(rule, "properties."+member+".id")
			if other, holder := w.find(id); other != nil && holder == nil {
				list, _ := at(other, "properties.loadBalancingRules").([]any)
				set(other, "properties.loadBalancingRules", append(list, Object{"id": text(rule, "id")}))
			}
		}
	}
	return nil
}

func removeBalancer(w *Write) *Refusal {
	for _, pool := range objects(w.Old.Body, "properties.backendAddressPools") {
		if users := w.users(text(pool, "id"), compute+"virtualmachinescalesets"); len(users) > 0 {
			return bad("LoadBalancerInUseByVirtualMachineScaleSet", "Cannot delete load balancer %s since its child resource is in use by virtual machine scale set %s.", w.ID, users[0].ID)
		}
	}
	return nil
}

func putGateway(w *Write) *Refusal {
	if len(objects(w.Body, "properties.ipConfigurations")) == 0 {
		return bad("VirtualNetworkGatewayMustHaveIpConfiguration", "Virtual network gateway %s must have an IP configuration.", w.ID)
	}
	for _, c := range objects(w.Body, "properties.ipConfigurations") {
		fill(c, "properties.privateIPAllocationMethod", "Dynamic")
		subnet := text(c, "properties.subnet.id")
		switch {
		case resourceName(subnet) != "gatewaysubnet":
			return bad("VirtualNetworkGatewaySubnetMustBeGatewaySubnet", "The subnet of virtual network gateway %s must be named GatewaySubnet, not %s.", w.ID, resourceName(subnet))
		case text(c, "properties.publicIPAddress.id") == "":
			return bad("VirtualNetworkGatewayPublicIpAddressMissing", "Virtual network gateway %s has no public IP address.", w.ID)
		}
		if refusal := w.onlyUser(text(c, "properties.publicIPAddress.id"), text(c, "id")); refusal != nil {
			return refusal
		}
	}
	return nil
}

func removeGateway(w *Write) *Refusal {
	if users := w.users(w.ID, network+"connections"); len(users) > 0 {
		return bad("GatewayInUse", "Gateway %s cannot be deleted because it is in use by connection %s.", w.ID, users[0].ID)
	}
	return nil
}

func putConnection(w *Write) *Refusal {
	members := []string{"virtualNetworkGateway1", "localNetworkGateway2"}
	if text(w.Body, "properties.connectionType") != "IPsec" {
		members = members[:1]
	}
	for _, member := range members {
		id := text(w.Body, "properties."+member+".id")
		if id == "" {
			return bad("ConnectionGatewayMissing", "Connection %s has no %s.", w.ID, member)
		}
		// Nothing but the reference is kept of what a client may send of a gateway.
		set(w.Body, "properties."+member, Object{"id": id, "properties": Object{}})
	}
	w.keep("properties.connectionStatus", func() any { return "Unknown" })
	w.keep("properties.ingressBytesTransferred", func() any { return whole(0) })
	w.keep("properties.egressBytesTransferred", func() any { return whole(0) })
	return nil
}
