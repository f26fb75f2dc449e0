package inventory

type nicProperties struct {
	ProvisioningState           string       `json:"provisioningState"`
	ResourceGUID                string       `json:"resourceGuid"`
	IPConfigurations            []*resource  `json:"ipConfigurations"`
	DNSSettings                 nicDNS       `json:"dnsSettings"`
	MACAddress                  string       `json:"macAddress,omitempty"`
	EnableAcceleratedNetworking bool         `json:"enableAcceleratedNetworking"`
	EnableIPForwarding          bool         `json:"enableIPForwarding"`
	NetworkSecurityGroup        *idOnly      `json:"networkSecurityGroup,omitempty"`
	Primary                     bool         `json:"primary"`
	VirtualMachine              *idOnly      `json:"virtualMachine,omitempty"`
	HostedWorkloads             []string     `json:"hostedWorkloads"`
	TapConfigurations           [](struct{}) `json:"tapConfigurations"`
}

type nicDNS struct {
	DNSServers               []string `json:"dnsServers"`
	AppliedDNSServers        []string `json:"appliedDnsServers"`
	InternalDomainNameSuffix string   `json:"internalDomainNameSuffix"`
}

type ipConfiguration struct {
	ProvisioningState               string   `json:"provisioningState"`
	PrivateIPAddress                string   `json:"privateIPAddress,omitempty"`
	PrivateIPAllocationMethod       string   `json:"privateIPAllocationMethod"`
	PublicIPAddress                 *idOnly  `json:"publicIPAddress,omitempty"`
	Subnet                          idOnly   `json:"subnet"`
	Primary                         bool     `json:"primary"`
	PrivateIPAddressVersion         string   `json:"privateIPAddressVersion"`
	LoadBalancerBackendAddressPools []idOnly `json:"loadBalancerBackendAddressPools,omitempty"`
}

// nic makes a network interface in the subnet for the virtual machine, if any.
func (b *builder) nic(g *group, subnetID, address, vm string) string {
	name := b.name("nic")
	id := g.in("Microsoft.Network/networkInterfaces", name)
	etag := b.etag()
	config := id + "/ipConfigurations/ipconfig1"
	c := ipConfiguration{
		ProvisioningState: "Succeeded", PrivateIPAddress: address, PrivateIPAllocationMethod: "Dynamic",
		Subnet: idOnly{subnetID}, Primary: true, PrivateIPAddressVersion: "IPv4",
	}
	if b.chance(5) {
		c.PublicIPAddress = &idOnly{b.ref(b.publicAddress(g, config))}
	}
	if len(g.pools) > 0 && b.chance(3) {
		c.LoadBalancerBackendAddressPools = []idOnly{{b.ref(pick(b, g.pools))}}
	}
	p := nicProperties{
		ProvisioningState: "Succeeded", ResourceGUID: b.guid(), Primary: true, HostedWorkloads: []string{}, TapConfigurations: []struct{}{},
		IPConfigurations: []*resource{{ID: config, Name: "ipconfig1", ETag: etag, Properties: c}},
		DNSSettings:      nicDNS{[]string{}, []string{}, "internal." + b.o.Domain},
		MACAddress:       b.mac(),
	}
	if vm != "" {
		p.VirtualMachine = &idOnly{vm}
	}
	b.add("Microsoft.Network/networkInterfaces", &resource{ID: id, Name: name, Type: "Microsoft.Network/networkInterfaces", Location: b.o.Region, Tags: b.tags(), ETag: etag, Properties: p})
	return id
}

func (b *builder) mac() string {
	const digits = "0123456789ABCDEF"
	mac := []byte("00-1D-D8-00-00-00")
	for _, i := range []int{9, 10, 12, 13, 15, 16} {
		mac[i] = digits[b.r.IntN(16)]
	}
	return string(mac)
}

type creationData struct {
	CreateOption     string  `json:"createOption"`
	ImageReference   *idOnly `json:"imageReference,omitempty"`
	SourceResourceID string  `json:"sourceResourceId,omitempty"`
	SourceURI        string  `json:"sourceUri,omitempty"`
	StorageAccountID string  `json:"storageAccountId,omitempty"`
	UploadSizeBytes  int64   `json:"uploadSizeBytes,omitempty"`
}

type diskProperties struct {
	OSType            string       `json:"osType,omitempty"`
	HyperVGeneration  string       `json:"hyperVGeneration,omitempty"`
	CreationData      creationData `json:"creationData"`
	DiskSizeGB        int          `json:"diskSizeGB"`
	DiskSizeBytes     int64        `json:"diskSizeBytes"`
	UniqueID          string       `json:"uniqueId"`
	TimeCreated       string       `json:"timeCreated"`
	ProvisioningState string       `json:"provisioningState"`
	DiskState         string       `json:"diskState,omitempty"`
	Incremental       *bool        `json:"incremental,omitempty"`
}

// disk makes a managed disk, attached to the virtual machine if there is one.
func (b *builder) disk(g *group, vm, system string) string {
	name := b.name("disk")
	id := g.in("Microsoft.Compute/disks", name)
	size := 1 << b.between(5, 10)
	b.lastSize = size
	p := diskProperties{
		OSType: system, CreationData: creationData{CreateOption: "Empty"}, DiskSizeGB: size, DiskSizeBytes: int64(size) << 30,
		UniqueID: b.guid(), TimeCreated: stamp7(b.ago(900)), ProvisioningState: "Succeeded", DiskState: "Unattached",
	}
	if system != "" {
		p.HyperVGeneration = "V1"
		p.CreationData = creationData{CreateOption: "FromImage", ImageReference: &idOnly{g.sub.id + "/Providers/Microsoft.Compute/Locations/" + b.o.Region +
			"/Publishers/Canonical/ArtifactTypes/VMImage/Offers/UbuntuServer/Skus/18.04-LTS/Versions/1.0.1"}}
	}
	if vm != "" {
		p.DiskState = "Attached"
	}
	b.add("Microsoft.Compute/disks", &resource{ID: id, Name: name, Type: "Microsoft.Compute/disks", Location: b.o.Region, Tags: b.tags(), ManagedBy: vm,
		SKU: pick(b, []skuName{{"Standard_LRS", "Standard"}, {"Premium_LRS", "Premium"}}), Properties: p})
	b.mirrors.disk(b, id, p.UniqueID, p.DiskState, size)
	g.disks = append(g.disks, id)
	return id
}

// machineProperties is a virtual machine. Its administrator's password is never
// among what is read.
type machineProperties struct {
	VMID            string `json:"vmId"`
	HardwareProfile struct {
		VMSize string `json:"vmSize"`
	} `json:"hardwareProfile"`
	StorageProfile    storageProfile `json:"storageProfile"`
	OSProfile         osProfile      `json:"osProfile"`
	NetworkProfile    networkProfile `json:"networkProfile"`
	AvailabilitySet   *idOnly        `json:"availabilitySet,omitempty"`
	ProvisioningState string         `json:"provisioningState"`
}

type storageProfile struct {
	ImageReference imageReference `json:"imageReference"`
	OSDisk         attachedDisk   `json:"osDisk"`
	DataDisks      []attachedDisk `json:"dataDisks"`
}

type imageReference struct {
	Publisher string `json:"publisher"`
	Offer     string `json:"offer"`
	SKU       string `json:"sku"`
	Version   string `json:"version"`
}

type attachedDisk struct {
	LUN          *int         `json:"lun,omitempty"`
	OSType       string       `json:"osType,omitempty"`
	Name         string       `json:"name,omitempty"`
	CreateOption string       `json:"createOption"`
	Caching      string       `json:"caching"`
	VHD          *vhd         `json:"vhd,omitempty"`
	ManagedDisk  *managedDisk `json:"managedDisk,omitempty"`
	DiskSizeGB   int          `json:"diskSizeGB,omitempty"`
}

// vhd is the blob of a disk that nobody manages.
type vhd struct {
	URI string `json:"uri"`
}

type managedDisk struct {
	StorageAccountType string `json:"storageAccountType"`
	ID                 string `json:"id,omitempty"`
}

type osProfile struct {
	ComputerName         string `json:"computerName,omitempty"`
	ComputerNamePrefix   string `json:"computerNamePrefix,omitempty"`
	AdminUsername        string `json:"adminUsername"`
	WindowsConfiguration *struct {
		ProvisionVMAgent       bool `json:"provisionVMAgent"`
		EnableAutomaticUpdates bool `json:"enableAutomaticUpdates"`
	} `json:"windowsConfiguration,omitempty"`
	LinuxConfiguration *struct {
		DisablePasswordAuthentication bool `json:"disablePasswordAuthentication"`
	} `json:"linuxConfiguration,omitempty"`
	Secrets []struct{} `json:"secrets"`
}

type networkProfile struct {
	NetworkInterfaces []nicReference `json:"networkInterfaces"`
}

type nicReference struct {
	ID         string `json:"id"`
	Properties struct {
		Primary bool `json:"primary"`
	} `json:"properties"`
}

// machine is what makes one virtual machine: the ID is chosen first, as its parts
// name it before it is there.
type machine struct {
	id, name string
	nics     []string
	osDisk   string
	data     []string
	set      string
	system   string // Linux or Windows
	blob     string // of a system disk that is not managed
}

func (b *builder) newMachine(g *group) *machine {
	name := b.name("vm")
	return &machine{name: name, id: g.in("Microsoft.Compute/virtualMachines", name), system: pick(b, []string{"Linux", "Windows"})}
}

// place puts the virtual machine into the stamp.
func (b *builder) place(m *machine) {
	p := machineProperties{VMID: b.guid(), ProvisioningState: "Succeeded"}
	p.HardwareProfile.VMSize = pick(b, []string{"Standard_A1", "Standard_D2_v2", "Standard_DS3_v2", "Standard_F4s"})
	p.StorageProfile = storageProfile{
		ImageReference: imageReference{"Canonical", "UbuntuServer", "18.04-LTS", "latest"},
		OSDisk:         attachedDisk{OSType: m.system, Name: "os", CreateOption: "FromImage", Caching: "ReadWrite", ManagedDisk: &managedDisk{"Standard_LRS", m.osDisk}},
		DataDisks:      []attachedDisk{},
	}
	if m.blob != "" {
		p.StorageProfile.OSDisk.ManagedDisk, p.StorageProfile.OSDisk.VHD = nil, &vhd{m.blob}
	}
	for i, d := range m.data {
		p.StorageProfile.DataDisks = append(p.StorageProfile.DataDisks, attachedDisk{LUN: &i, CreateOption: "Attach", Caching: "None", ManagedDisk: &managedDisk{"Premium_LRS", d}})
	}
	p.OSProfile = b.system(m.system)
	p.OSProfile.ComputerName = m.name
	p.NetworkProfile.NetworkInterfaces = []nicReference{}
	for i, n := range m.nics {
		r := nicReference{ID: n}
		r.Properties.Primary = i == 0
		p.NetworkProfile.NetworkInterfaces = append(p.NetworkProfile.NetworkInterfaces, r)
	}
	if m.set != "" {
		p.AvailabilitySet = &idOnly{b.ref(m.set)}
	}
	b.add("Microsoft.Compute/virtualMachines", &resource{ID: m.id, Name: m.name, Type: "Microsoft.Compute/virtualMachines", Location: b.o.Region, Tags: b.tags(), Properties: p},
		"properties.osProfile.adminPassword", b.secret())
}

func (b *builder) system(kind string) osProfile {
	p := osProfile{AdminUsername: "labadmin", Secrets: []struct{}{}}
	if kind == "Linux" {
		p.LinuxConfiguration = &struct {
			DisablePasswordAuthentication bool `json:"disablePasswordAuthentication"`
		}{}
	} else {
		p.WindowsConfiguration = &struct {
			ProvisionVMAgent       bool `json:"provisionVMAgent"`
			EnableAutomaticUpdates bool `json:"enableAutomaticUpdates"`
		}{true, true}
	}
	return p
}

type availabilitySetProperties struct {
	PlatformUpdateDomainCount int      `json:"platformUpdateDomainCount"`
	PlatformFaultDomainCount  int      `json:"platformFaultDomainCount"`
	VirtualMachines           []idOnly `json:"virtualMachines"`
}

// machines makes one to three virtual machines of one availability set with their
// disks, network interfaces and extensions.
func (b *builder) machines(g *group) {
	if g.net == nil {
		b.newNetwork(g)
	}
	name := b.name("as")
	set := g.in("Microsoft.Compute/availabilitySets", name)
	p := availabilitySetProperties{5, 3, nil}
	for range b.between(1, 3) {
		m := b.newMachine(g)
		m.set = set
		s := pick(b, g.net.subnets)
		m.nics = append(m.nics, b.ref(b.nic(g, b.ref(s.id), g.net.address(s), m.id)))
		if b.chance(6) {
			m.nics = append(m.nics, b.ref(b.nic(g, b.ref(s.id), g.net.address(s), m.id)))
		}
		m.osDisk = b.ref(b.disk(g, m.id, m.system))
		for range b.r.IntN(3) {
			m.data = append(m.data, b.ref(b.disk(g, m.id, "")))
		}
		b.place(m)
		p.VirtualMachines = append(p.VirtualMachines, idOnly{m.id})
		g.some = append(g.some, m.id)
		for i := range b.between(0, 2) {
			b.extension(m, i)
		}
	}
	b.add("Microsoft.Compute/availabilitySets", &resource{ID: set, Name: name, Type: "Microsoft.Compute/availabilitySets", Location: b.o.Region, Tags: b.tags(), SKU: skuName{Name: "Aligned"}, Properties: p})
}
