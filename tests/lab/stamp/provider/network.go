package provider

import (
	"net/netip"
	"strings"
)

// prefixesOf are the address prefixes of a virtual network.
func prefixesOf(body Object) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts(body, "properties.addressSpace.addressPrefixes") {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p.Masked())
		}
	}
	return out
}

func contained(in []netip.Prefix, p netip.Prefix) bool {
	for _, outer := range in {
		if outer.Bits() <= p.Bits() && outer.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

func putNetwork(w *Write) *Refusal {
	given := texts(w.Body, "properties.addressSpace.addressPrefixes")
	space := prefixesOf(w.Body)
	if len(given) == 0 || len(space) != len(given) {
		return bad("InvalidAddressPrefixFormat", "The address space of virtual network %s is missing or has a prefix that is none.", w.Name())
	}
	var taken []netip.Prefix
	for _, subnet := range objects(w.Body, "properties.subnets") {
		prefix, refusal := subnetPrefix(subnet, space, taken)
		if refusal != nil {
			return refusal
		}
		taken = append(taken, prefix)
	}
	for _, peering := range objects(w.Body, "properties.virtualNetworkPeerings") {
		if refusal := w.peer(peering, w.ID, w.Body); refusal != nil {
			return refusal
		}
	}
	if w.Old == nil {
		return nil
	}
	for _, was := range objects(w.Old.Body, "properties.subnets") {
		is := part(w.Body, "subnets/"+strings.ToLower(text(was, "name")))
		if is != nil {
			if back := at(was, "properties.ipConfigurations"); back != nil {
				set(is, "properties.ipConfigurations", back)
			}
		}
		id := w.ID + "/subnets/" + text(was, "name")
		if users := w.users(id, subnetUsers...); len(users) > 0 && (is == nil || text(is, "properties.addressPrefix") != text(was, "properties.addressPrefix")) {
			return inUse(id, users[0].ID)
		}
	}
	return nil
}

// afterNetwork tells the other sides of peerings.
func afterNetwork(w *Write) {
	if w.Body == nil {
		for _, p := range objects(w.Old.Body, "properties.virtualNetworkPeerings") {
			w.otherSide(text(p, "properties.remoteVirtualNetwork.id"), w.ID, "Disconnected", nil)
		}
		return
	}
	for _, p := range objects(w.Body, "properties.virtualNetworkPeerings") {
		if text(p, "properties.peeringState") == "Connected" {
			w.otherSide(text(p, "properties.remoteVirtualNetwork.id"), w.ID, "Connected", at(w.Body, "properties.addressSpace"))
		}
	}
}

// subnetUsers are the types that lie in subnets.
var subnetUsers = []string{network + "networkinterfaces", network + "virtualnetworkgateways", network + "loadbalancers", compute + "virtualmachinescalesets"}

func inUse(subnet, user string) *Refusal {
	return bad("InUseSubnetCannotBeDeleted", "Subnet %s is in use by %s and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet.", subnet, user)
}

func subnetPrefix(subnet Object, space, taken []netip.Prefix) (netip.Prefix, *Refusal) {
	given := text(subnet, "properties.addressPrefix")
	prefix, err := netip.ParsePrefix(given)
	name := text(subnet, "name")
	switch {
	case err != nil || prefix != prefix.Masked():
		return prefix, bad("InvalidCIDRNotation", "The address prefix '%s' of subnet %s is not a valid CIDR notation.", given, name)
	case !contained(space, prefix):
		return prefix, bad("NetcfgInvalidSubnet", "Subnet '%s' is not valid: its prefix lies outside of the virtual network's.", name)
	}
	for _, other := range taken {
		if other.Overlaps(prefix) {
			return prefix, bad("NetcfgSubnetRangesOverlap", "Subnet '%s' is not valid because its IP address range overlaps with that of an existing subnet.", name)
		}
	}
	return prefix, nil
}

func removeNetwork(w *Write) *Refusal {
	for _, subnet := range objects(w.Old.Body, "properties.subnets") {
		if users := w.users(text(subnet, "id"), subnetUsers...); len(users) > 0 {
			return inUse(text(subnet, "id"), users[0].ID)
		}
	}
	return nil
}

func putSubnet(w *Write) *Refusal {
	parent := w.Get(w.Parent)
	if parent == nil {
		return nil // the caller has refused it
	}
	var taken []netip.Prefix
	for _, other := range objects(parent.Body, "properties.subnets") {
		if p, err := netip.ParsePrefix(text(other, "properties.addressPrefix")); err == nil && !same(text(other, "name"), w.Name()) {
			taken = append(taken, p)
		}
	}
	if _, refusal := subnetPrefix(w.Body, prefixesOf(parent.Body), taken); refusal != nil {
		return refusal
	}
	if w.Old != nil && text(w.Old.Body, "properties.addressPrefix") != text(w.Body, "properties.addressPrefix") {
		return removeSubnet(w)
	}
	return nil
}

func removeSubnet(w *Write) *Refusal {
	if users := w.users(w.ID, subnetUsers...); len(users) > 0 {
		return inUse(w.ID, users[0].ID)
	}
	return nil
}

func putPeering(w *Write) *Refusal {
	own := w.Get(w.Parent)
	if own == nil {
		return nil
	}
	if refusal := w.peer(w.Body, own.ID, own.Body); refusal != nil {
		return refusal
	}
	if text(w.Body, "properties.peeringState") == "Connected" {
		w.otherSide(text(w.Body, "properties.remoteVirtualNetwork.id"), own.ID, "Connected", at(own.Body, "properties.addressSpace"))
	}
	return nil
}

// peer completes a peering of a network: it is connected once the other network has one
// as well.
func (w *Write) peer(peering Object, id string, own Object) *Refusal {
	remoteID := text(peering, "properties.remoteVirtualNetwork.id")
	remote := w.Get(remoteID)
	switch {
	case remote == nil:
		return bad("InvalidResourceReference", "Resource %s referenced by peering %s was not found.", remoteID, text(peering, "name"))
	case same(remote.ID, id):
		return bad("VnetCannotPeerWithItself", "Virtual network %s cannot be peered with itself.", id)
	}
	for _, a := range prefixesOf(own) {
		for _, b := range prefixesOf(remote.Body) {
			if a.Overlaps(b) {
				return bad("VnetAddressSpacesOverlap", "Cannot create or update peering %s. Virtual networks %s and %s cannot be peered because their address spaces overlap.", text(peering, "name"), id, remote.ID)
			}
		}
	}
	set(peering, "properties.remoteAddressSpace", copyOf(at(remote.Body, "properties.addressSpace")))
	set(peering, "properties.peeringState", "Initiated")
	for _, other := range objects(remote.Body, "properties.virtualNetworkPeerings") {
		if same(text(other, "properties.remoteVirtualNetwork.id"), id) {
			set(peering, "properties.peeringState", "Connected")
		}
	}
	return nil
}

// otherSide changes the state of the peerings that a network has with another one.
func (w *Write) otherSide(networkID, with, state string, space any) {
	remote := w.Get(networkID)
	if remote == nil {
		return
	}
	for _, p := range objects(remote.Body, "properties.virtualNetworkPeerings") {
		if same(text(p, "properties.remoteVirtualNetwork.id"), with) {
			w.change(text(p, "id"), func(o Object) {
				set(o, "properties.peeringState", state)
				if space != nil {
					set(o, "properties.remoteAddressSpace", copyOf(space))
				}
			})
		}
	}
}

func putSecurityGroup(w *Write) *Refusal {
	seen := map[string]string{}
	for _, rule := range objects(w.Body, "properties.securityRules") {
		if refusal := checkRule(rule, seen); refusal != nil {
			return refusal
		}
	}
	w.keep("properties.defaultSecurityRules", func() any { return defaultRules(w.ID, text(w.Body, "etag")) })
	return nil
}

func putSecurityRule(w *Write) *Refusal {
	seen := map[string]string{}
	if parent := w.Get(w.Parent); parent != nil {
		for _, rule := range objects(parent.Body, "properties.securityRules") {
			if !same(text(rule, "name"), w.Name()) {
				seen[ruleKey(rule)] = text(rule, "name")
			}
		}
	}
	return checkRule(w.Body, seen)
}

func ruleKey(rule Object) string {
	p, _ := at(rule, "properties").(Object)
	return text(p, "direction") + " " + itoa(number(p, "priority"))
}

func checkRule(rule Object, seen map[string]string) *Refusal {
	if n := number(rule, "properties.priority"); n < 100 || n > 4096 {
		return bad("SecurityRuleInvalidPriority", "Security rule %s has invalid priority. Value provided: %d. Allowed range 100-4096.", text(rule, "name"), n)
	}
	if other := seen[ruleKey(rule)]; other != "" {
		return bad("SecurityRuleConflict", "Security rule %s conflicts with rule %s. Rules cannot have the same Priority and Direction.", text(rule, "name"), other)
	}
	seen[ruleKey(rule)] = text(rule, "name")
	return nil
}

// defaultRules are what every security group ends with.
func defaultRules(id, tag string) []any {
	return []any{Object{"id": id + "/defaultSecurityRules/DenyAllInBound", "name": "DenyAllInBound", "etag": tag, "properties": Object{
		"provisioningState": "Succeeded", "description": "Deny all inbound traffic", "protocol": "*", "sourcePortRange": "*", "destinationPortRange": "*",
		"sourceAddressPrefix": "*", "destinationAddressPrefix": "*", "access": "Deny", "priority": whole(65500), "direction": "Inbound",
	}}}
}

func removeSecurityGroup(w *Write) *Refusal {
	if users := w.users(w.ID, network+"networkinterfaces", network+"virtualnetworks", compute+"virtualmachinescalesets"); len(users) > 0 {
		return bad("InUseNetworkSecurityGroupCannotBeDeleted", "Network security group %s cannot be deleted because it is in use by %s.", w.ID, users[0].ID)
	}
	return nil
}

func removeRouteTable(w *Write) *Refusal {
	if users := w.users(w.ID, network+"virtualnetworks"); len(users) > 0 {
		return bad("InUseRouteTableCannotBeDeleted", "Route table %s is in use and cannot be deleted: %s.", w.ID, users[0].ID)
	}
	return nil
}
