package inventory

import "encoding/json"

type extensionProperties struct {
	AutoUpgradeMinorVersion bool            `json:"autoUpgradeMinorVersion"`
	ProvisioningState       string          `json:"provisioningState"`
	Publisher               string          `json:"publisher"`
	Type                    string          `json:"type"`
	TypeHandlerVersion      string          `json:"typeHandlerVersion"`
	Settings                json.RawMessage `json:"settings,omitempty"`
}

var extensionNames = []string{"CustomScript", "Monitoring.Agent", "Dsc"}

func (b *builder) extensionProperties(i int) extensionProperties {
	return extensionProperties{
		AutoUpgradeMinorVersion: true, ProvisioningState: "Succeeded", Publisher: "Microsoft.Azure.Extensions",
		Type: extensionNames[i], TypeHandlerVersion: "2.0",
		// Numbers as a client may have written them: a backup keeps them as they are.
		Settings: json.RawMessage(`{"fileUris":["https://example.com/a?b=1&c=2"],"timeout":1.50,"big":9007199254740993,"exp":1E3}`),
	}
}

// extension makes an extension of a virtual machine. Half of them have protected
// settings, which nobody can read.
func (b *builder) extension(m *machine, i int) {
	name := extensionNames[i]
	r := &resource{ID: m.id + "/extensions/" + name, Name: name, Type: "Microsoft.Compute/virtualMachines/extensions", Location: b.o.Region, Properties: b.extensionProperties(i)}
	if i == 0 {
		b.add("Microsoft.Compute/virtualMachines/extensions", r, "properties.protectedSettings.commandToExecute", b.secret())
		return
	}
	b.add("Microsoft.Compute/virtualMachines/extensions", r)
}

type scaleSetProperties struct {
	SinglePlacementGroup bool `json:"singlePlacementGroup"`
	UpgradePolicy        struct {
		Mode string `json:"mode"`
	} `json:"upgradePolicy"`
	VirtualMachineProfile scaleSetProfile `json:"virtualMachineProfile"`
	ProvisioningState     string          `json:"provisioningState"`
	Overprovision         bool            `json:"overprovision"`
	UniqueID              string          `json:"uniqueId"`
}

type scaleSetProfile struct {
	OSProfile      osProfile      `json:"osProfile"`
	StorageProfile storageProfile `json:"storageProfile"`
	NetworkProfile struct {
		NetworkInterfaceConfigurations []named `json:"networkInterfaceConfigurations"`
	} `json:"networkProfile"`
	ExtensionProfile *struct {
		Extensions []*resource `json:"extensions"`
	} `json:"extensionProfile,omitempty"`
}

type named struct {
	Name       string `json:"name"`
	Properties any    `json:"properties"`
}

type scaleSetNIC struct {
	Primary            bool `json:"primary"`
	EnableIPForwarding bool `json:"enableIPForwarding"`
	DNSSettings        struct {
		DNSServers []string `json:"dnsServers"`
	} `json:"dnsSettings"`
	IPConfigurations []named `json:"ipConfigurations"`
}

type scaleSetIP struct {
	Primary                         bool     `json:"primary"`
	Subnet                          idOnly   `json:"subnet"`
	PrivateIPAddressVersion         string   `json:"privateIPAddressVersion"`
	LoadBalancerBackendAddressPools []idOnly `json:"loadBalancerBackendAddressPools,omitempty"`
}

type scaleSetSKU struct {
	Name     string `json:"name"`
	Tier     string `json:"tier"`
	Capacity int    `json:"capacity"`
}

// scaleSet makes a virtual machine scale set with an extension.
func (b *builder) scaleSet(g *group) {
	if g.net == nil {
		b.newNetwork(g)
	}
	name := b.name("vmss")
	id := g.in("Microsoft.Compute/virtualMachineScaleSets", name)
	p := scaleSetProperties{SinglePlacementGroup: true, ProvisioningState: "Succeeded", Overprovision: false, UniqueID: b.guid()}
	p.UpgradePolicy.Mode = "Manual"
	v := &p.VirtualMachineProfile
	v.OSProfile = b.system("Linux")
	v.OSProfile.ComputerNamePrefix = "set"
	v.StorageProfile = storageProfile{
		ImageReference: imageReference{"Canonical", "UbuntuServer", "18.04-LTS", "latest"},
		OSDisk:         attachedDisk{CreateOption: "FromImage", Caching: "ReadOnly", ManagedDisk: &managedDisk{StorageAccountType: "Standard_LRS"}},
		DataDisks:      []attachedDisk{},
	}
	ip := scaleSetIP{Primary: true, Subnet: idOnly{b.ref(pick(b, g.net.subnets).id)}, PrivateIPAddressVersion: "IPv4"}
	if len(g.pools) > 0 {
		ip.LoadBalancerBackendAddressPools = []idOnly{{b.ref(pick(b, g.pools))}}
	}
	nic := scaleSetNIC{Primary: true, IPConfigurations: []named{{"ip", ip}}}
	nic.DNSSettings.DNSServers = []string{}
	v.NetworkProfile.NetworkInterfaceConfigurations = []named{{"nic", nic}}
	ext := &resource{ID: id + "/extensions/CustomScript", Name: "CustomScript", Type: "Microsoft.Compute/virtualMachineScaleSets/extensions", Properties: b.extensionProperties(0)}
	v.ExtensionProfile = &struct {
		Extensions []*resource `json:"extensions"`
	}{[]*resource{{ID: ext.ID, Name: ext.Name, Properties: ext.Properties}}}
	b.add("Microsoft.Compute/virtualMachineScaleSets", &resource{
		ID: id, Name: name, Type: "Microsoft.Compute/virtualMachineScaleSets", Location: b.o.Region, Tags: b.tags(),
		SKU: scaleSetSKU{"Standard_A1", "Standard", b.between(1, 20)}, Properties: p,
	}, "properties.virtualMachineProfile.osProfile.adminPassword", b.secret())
	b.add("Microsoft.Compute/virtualMachineScaleSets/extensions", ext, "properties.protectedSettings.storageAccountKey", b.secret())
	g.some = append(g.some, id)
}

type imageProperties struct {
	StorageProfile struct {
		OSDisk        imageDisk  `json:"osDisk"`
		DataDisks     []struct{} `json:"dataDisks"`
		ZoneResilient bool       `json:"zoneResilient"`
	} `json:"storageProfile"`
	ProvisioningState string `json:"provisioningState"`
	HyperVGeneration  string `json:"hyperVGeneration"`
}

type imageDisk struct {
	OSType             string `json:"osType"`
	OSState            string `json:"osState"`
	DiskSizeGB         int    `json:"diskSizeGB"`
	ManagedDisk        idOnly `json:"managedDisk"`
	Caching            string `json:"caching"`
	StorageAccountType string `json:"storageAccountType"`
}

// images makes a disk that no machine uses, a snapshot of it and an image from it.
func (b *builder) images(g *group) {
	disk := b.disk(g, "", "Linux")
	name := b.name("snap")
	size := b.lastSize
	g.shots = append(g.shots, sized{g.in("Microsoft.Compute/snapshots", name), size})
	incremental := b.chance(2)
	b.add("Microsoft.Compute/snapshots", &resource{
		ID: g.in("Microsoft.Compute/snapshots", name), Name: name, Type: "Microsoft.Compute/snapshots", Location: b.o.Region, Tags: b.tags(),
		SKU: skuName{"Standard_LRS", "Standard"}, Properties: diskProperties{
			OSType: "Linux", HyperVGeneration: "V1", CreationData: creationData{CreateOption: "Copy", SourceResourceID: b.ref(disk)}, DiskSizeGB: size, DiskSizeBytes: int64(size) << 30,
			UniqueID: b.guid(), TimeCreated: stamp7(b.ago(90)), ProvisioningState: "Succeeded", Incremental: &incremental,
		},
	})
	name = b.name("image")
	p := imageProperties{ProvisioningState: "Succeeded", HyperVGeneration: "V1"}
	p.StorageProfile.OSDisk = imageDisk{"Linux", "Generalized", size, idOnly{b.ref(disk)}, "ReadWrite", "Standard_LRS"}
	p.StorageProfile.DataDisks = []struct{}{}
	b.add("Microsoft.Compute/images", &resource{ID: g.in("Microsoft.Compute/images", name), Name: name, Type: "Microsoft.Compute/images", Location: b.o.Region, Tags: b.tags(), Properties: p})
}

type galleryProperties struct {
	Description string `json:"description"`
	Identifier  struct {
		UniqueName string `json:"uniqueName"`
	} `json:"identifier"`
	ProvisioningState string `json:"provisioningState"`
}

// strange makes resources that a table of known types may not hold: a type of an
// unknown provider and an uncommon type of a known one.
func (b *builder) strange(g *group) {
	name := b.name("gadget")
	id := g.in("Contoso.Widgets/gadgets", name)
	b.add("Contoso.Widgets/gadgets", &resource{
		ID: id, Name: name, Type: "Contoso.Widgets/gadgets", Location: b.o.Region, Kind: "gizmo", Tags: b.tags(),
		Properties: json.RawMessage(`{"colour":"\u00fcber","ratio":0.10,"serial":12345678901234567890,"path":"a\/b","none":null,"nested":{"list":[1,[2,[3]]]}}`),
	})
	name = b.plain("gallery")
	p := galleryProperties{Description: "Bilder für alle", ProvisioningState: "Succeeded"}
	p.Identifier.UniqueName = g.sub.guid + "-" + name
	b.add("Microsoft.Compute/galleries", &resource{ID: g.in("Microsoft.Compute/galleries", name), Name: name, Type: "Microsoft.Compute/galleries", Location: b.o.Region, Tags: b.tags(), Properties: p})
	b.link(id, g.id)
}
