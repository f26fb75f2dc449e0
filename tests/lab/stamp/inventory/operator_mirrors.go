package inventory

import (
	"fmt"
	"strings"
)

// mirrors is the operator's view of tenants' resources. It holds all of a small
// stamp and a sample of a large one.
type mirrors struct {
	documents []func(b *builder)
	seen      map[string]int
}

// keep says whether the next resource of the kind is in the operator's view.
func (m *mirrors) keep(kind string) bool {
	if m.seen == nil {
		m.seen = map[string]int{}
	}
	m.seen[kind]++
	return m.seen[kind] <= 25 || m.seen[kind]%20 == 0
}

type tenantResource struct {
	ProvisioningState string `json:"provisioningState"`
	SubscriptionID    string `json:"subscriptionId"`
	TenantResourceURI string `json:"tenantResourceUri"`
}

type adminNetwork struct {
	tenantResource
	ConfigurationState struct {
		Status                        string     `json:"status"`
		LastUpdatedTime               string     `json:"lastUpdatedTime"`
		VirtualNetworkInterfaceErrors []struct{} `json:"virtualNetworkInterfaceErrors"`
		HostErrors                    []struct{} `json:"hostErrors"`
	} `json:"configurationState"`
}

type adminAddress struct {
	tenantResource
	IPAddress        string `json:"ipAddress,omitempty"`
	IPPool           string `json:"ipPool"`
	AllocationMethod string `json:"allocationMethod"`
}

type adminBalancer struct {
	tenantResource
	PublicIPAddresses []string `json:"publicIpAddresses"`
}

func (m *mirrors) put(b *builder, kind, name string, p any) {
	id := b.adminPath(kind + "/" + name)
	m.documents = append(m.documents, func(b *builder) {
		b.put(Admin, id, kind, &resource{ID: id, Name: name, Type: kind, Location: b.o.Region, Properties: p})
	})
}

func (m *mirrors) network(b *builder, sub, id, name string) {
	const kind = "Microsoft.Network.Admin/adminVirtualNetworks"
	if !m.keep(kind) {
		return
	}
	p := adminNetwork{tenantResource: tenantResource{"Succeeded", sub, id}}
	p.ConfigurationState.Status, p.ConfigurationState.LastUpdatedTime = "Success", stamp7(b.ago(30))
	p.ConfigurationState.VirtualNetworkInterfaceErrors, p.ConfigurationState.HostErrors = []struct{}{}, []struct{}{}
	m.put(b, kind, name, p)
}

func (m *mirrors) address(b *builder, sub, id, name, ip, method string) {
	const kind = "Microsoft.Network.Admin/adminPublicIpAddresses"
	if m.keep(kind) {
		m.put(b, kind, name, adminAddress{tenantResource{"Succeeded", sub, id}, ip, b.guid(), method})
	}
}

func (m *mirrors) balancer(b *builder, sub, id, name string) {
	const kind = "Microsoft.Network.Admin/adminLoadBalancers"
	if m.keep(kind) {
		m.put(b, kind, name, adminBalancer{tenantResource{"Succeeded", sub, id}, []string{"192.168.102.32"}})
	}
}

type adminDisk struct {
	DiskID          string `json:"diskId"`
	Status          string `json:"status"`
	SharePath       string `json:"sharePath"`
	ActualSizeGB    int64  `json:"actualSizeGB"`
	ProvisionSizeGB int64  `json:"provisionSizeGB"`
	UserResourceID  string `json:"userResourceId"`
	DiskType        string `json:"diskType"`
	DiskSKU         string `json:"diskSku"`
}

func (m *mirrors) disk(b *builder, id, unique, state string, size int) {
	const kind = "Microsoft.Compute.Admin/locations/disks"
	if !m.keep(kind) {
		return
	}
	own := b.adminPath("Microsoft.Compute.Admin/locations/" + b.o.Region + "/disks/" + unique)
	p := adminDisk{unique, state, `\\SU1FileServer.` + b.o.Domain + `\SU1_ObjStore_4`, int64(size) / 2, int64(size), id, "Disk", "Standard_LRS"}
	m.documents = append(m.documents, func(b *builder) {
		b.put(Admin, own, kind, &resource{ID: own, Name: b.o.Region + "/" + unique, Type: kind, Location: b.o.Region, Properties: p})
	})
}

type adminAccount struct {
	TenantViewID             string    `json:"tenantViewId"`
	AccountType              string    `json:"accountType"`
	ProvisioningState        string    `json:"provisioningState"`
	PrimaryEndpoints         endpoints `json:"primaryEndpoints"`
	CreationTime             string    `json:"creationTime"`
	PrimaryLocation          string    `json:"primaryLocation"`
	StatusOfPrimary          string    `json:"statusOfPrimary"`
	TenantSubscriptionID     string    `json:"tenantSubscriptionId"`
	TenantStorageAccountName string    `json:"tenantStorageAccountName"`
	TenantResourceGroupName  string    `json:"tenantResourceGroupName"`
	AccountStatus            string    `json:"accountStatus"`
	AccountID                string    `json:"accountId"`
	HealthState              string    `json:"healthState"`
}

func (m *mirrors) account(b *builder, sub, id, name, kind string, p accountProperties) {
	const own = "Microsoft.Storage.Admin/locations/storageAccounts"
	if !m.keep(own) {
		return
	}
	account := b.hex32()
	path := b.adminPath("Microsoft.Storage.Admin/locations/" + b.o.Region + "/storageAccounts/" + account)
	v := adminAccount{id, "Standard_LRS", "Succeeded", p.PrimaryEndpoints, p.CreationTime, b.o.Region, "Available", sub, name,
		strings.Split(id, "/")[4], "Active", account, "Healthy"}
	m.documents = append(m.documents, func(b *builder) {
		b.put(Admin, path, own, &resource{ID: path, Name: account, Type: own, Location: b.o.Region, Kind: kind, Properties: v})
	})
}

type health struct {
	Total   int64 `json:"totalResourceCount"`
	Healthy int64 `json:"healthyResourceCount"`
	Error   int64 `json:"errorResourceCount"`
	Warning int64 `json:"warningResourceCount"`
	Unknown int64 `json:"healthUnknownCount"`
}

type usage struct {
	Total int64 `json:"totalResourceCount"`
	InUse int64 `json:"inUseResourceCount"`
}

type overview struct {
	ProvisioningState     string `json:"provisioningState"`
	VirtualNetworkHealth  health `json:"virtualNetworkHealth"`
	LoadBalancerMuxHealth health `json:"loadBalancerMuxHealth"`
	VirtualGatewayHealth  health `json:"virtualGatewayHealth"`
	PublicIPAddressUsage  usage  `json:"publicIpAddressUsage"`
	BackendIPUsage        usage  `json:"backendIpUsage"`
	MACAddressUsage       usage  `json:"macAddressUsage"`
}

type acquisition struct {
	// SubscriptionID has the name that the definition gives it.
	SubscriptionID  string `json:"susbcriptionid"`
	StorageAccount  string `json:"storageaccount"`
	Container       string `json:"container"`
	Blob            string `json:"blob"`
	AcquisitionID   string `json:"acquisitionid"`
	FilePath        string `json:"filePath"`
	FilePathUNC     string `json:"filePathUnc"`
	MaximumBlobSize int64  `json:"maximumblobsize"`
	Status          string `json:"status"`
}

// fabric makes the operator's views of network and storage.
func (b *builder) fabric() {
	for _, put := range b.mirrors.documents {
		put(b)
	}
	b.networkOverview()
	b.storageSettings()
	const storage = "Microsoft.Storage.Admin/locations/"
	for i := range 2 {
		guid := b.guid()
		b.put(Admin, b.adminPath(storage+b.o.Region+"/acquisitions/"+guid), storage+"acquisitions", acquisition{
			b.subs[0].guid, b.plain("sa"), "vhds", fmt.Sprintf("disk%d.vhd", i), guid, `C:\ClusterStorage\SU1_ObjStore`, `\\SU1FileServer\SU1_ObjStore`, 137438953472, "Success",
		})
	}
	b.storageServices()
}

// networkOverview makes the operator's overview of the network, which every stamp has.
func (b *builder) networkOverview() {
	id := b.adminPath("Microsoft.Network.Admin/adminOverview")
	b.put(Admin, id, "Microsoft.Network.Admin/adminOverview", &resource{ID: id, Type: "Microsoft.Network.Admin/adminOverview", Location: b.o.Region, Properties: overview{
		ProvisioningState: "Succeeded", VirtualNetworkHealth: health{Total: int64(b.mirrors.seen["Microsoft.Network.Admin/adminVirtualNetworks"])},
		LoadBalancerMuxHealth: health{1, 1, 0, 0, 0}, VirtualGatewayHealth: health{1, 1, 0, 0, 0}, PublicIPAddressUsage: usage{255, 31}, BackendIPUsage: usage{411, 11}, MACAddressUsage: usage{3998720, 2},
	}})
}

// storageSettings makes the operator's settings of storage.
func (b *builder) storageSettings() {
	const storage = "Microsoft.Storage.Admin/locations/"
	id := b.adminPath(storage + b.o.Region + "/settings")
	b.put(Admin, id, storage+"settings", &resource{ID: id, Name: b.o.Region, Type: storage + "settings", Location: b.o.Region, Properties: struct {
		Days int `json:"retentionPeriodForDeletedStorageAccountsInDays"`
	}{b.between(0, 30)}})
}

// storageServices makes the operator's view of the services of storage.
func (b *builder) storageServices() {
	for _, service := range []string{"PageBlob", "BlockBlob"} {
		const kind = "Microsoft.Storage.Admin/storageServices"
		id := b.providerGroup("system."+b.o.Region) + "/providers/" + kind + "/" + service
		b.put(Admin, id, kind, &resource{ID: id, Name: service, Type: kind, Location: b.o.Region, Properties: struct {
			Name string `json:"serviceName"`
		}{service}})
	}
}
