package inventory

import "fmt"

type accountProperties struct {
	ProvisioningState        string            `json:"provisioningState"`
	PrimaryEndpoints         endpoints         `json:"primaryEndpoints"`
	PrimaryLocation          string            `json:"primaryLocation"`
	StatusOfPrimary          string            `json:"statusOfPrimary"`
	CreationTime             string            `json:"creationTime"`
	SupportsHTTPSTrafficOnly bool              `json:"supportsHttpsTrafficOnly"`
	NetworkACLs              accountACLs       `json:"networkAcls"`
	Encryption               accountEncryption `json:"encryption"`
	AccessTier               string            `json:"accessTier,omitempty"`
}

type endpoints struct {
	Blob  string `json:"blob"`
	Queue string `json:"queue"`
	Table string `json:"table"`
}

type accountACLs struct {
	Bypass              string     `json:"bypass"`
	VirtualNetworkRules []struct{} `json:"virtualNetworkRules"`
	IPRules             []struct{} `json:"ipRules"`
	DefaultAction       string     `json:"defaultAction"`
}

type accountEncryption struct {
	Services struct {
		Blob encryptionService `json:"blob"`
	} `json:"services"`
	KeySource string `json:"keySource"`
}

type encryptionService struct {
	Enabled         bool   `json:"enabled"`
	LastEnabledTime string `json:"lastEnabledTime"`
	KeyType         string `json:"keyType"`
}

type corsRules struct {
	CorsRules []corsRule `json:"corsRules"`
}

type corsRule struct {
	AllowedOrigins  []string `json:"allowedOrigins"`
	AllowedMethods  []string `json:"allowedMethods"`
	MaxAgeInSeconds int      `json:"maxAgeInSeconds"`
	ExposedHeaders  []string `json:"exposedHeaders"`
	AllowedHeaders  []string `json:"allowedHeaders"`
}

type blobService struct {
	Cors                  corsRules `json:"cors"`
	DeleteRetentionPolicy *struct {
		Enabled bool `json:"enabled"`
		Days    int  `json:"days,omitempty"`
	} `json:"deleteRetentionPolicy,omitempty"`
}

type containerProperties struct {
	PublicAccess          string            `json:"publicAccess"`
	LastModifiedTime      string            `json:"lastModifiedTime"`
	LeaseStatus           string            `json:"leaseStatus"`
	LeaseState            string            `json:"leaseState"`
	HasImmutabilityPolicy bool              `json:"hasImmutabilityPolicy"`
	HasLegalHold          bool              `json:"hasLegalHold"`
	Metadata              map[string]string `json:"metadata,omitempty"`
}

// storage makes a storage account, its services and its blob containers.
func (b *builder) storage(g *group) {
	name := b.plain("sa")
	const kind = "Microsoft.Storage/storageAccounts"
	id := g.in(kind, name)
	host := func(service string) string {
		return fmt.Sprintf("https://%s.%s.%s/", name, service, b.o.Domain)
	}
	created := b.ago(1000)
	p := accountProperties{
		ProvisioningState: "Succeeded", PrimaryEndpoints: endpoints{host("blob"), host("queue"), host("table")}, PrimaryLocation: b.o.Region,
		StatusOfPrimary: "available", CreationTime: stamp7(created), SupportsHTTPSTrafficOnly: !b.chance(4),
		NetworkACLs: accountACLs{"AzureServices", []struct{}{}, []struct{}{}, "Allow"},
	}
	p.Encryption.KeySource = "Microsoft.Storage"
	p.Encryption.Services.Blob = encryptionService{true, stamp7(created), "Account"}
	r := &resource{ID: id, Name: name, Type: kind, Location: b.o.Region, Kind: pick(b, []string{"Storage", "StorageV2"}), Tags: b.tags(), SKU: skuName{"Standard_LRS", "Standard"}, Properties: p}
	b.add(kind, r)
	b.mirrors.account(b, g.sub.guid, id, name, r.Kind, p)
	g.accounts = append(g.accounts, name)
	g.some = append(g.some, id)

	rules := corsRules{CorsRules: []corsRule{}}
	if b.chance(3) {
		rules.CorsRules = append(rules.CorsRules, corsRule{[]string{"https://*.example.com"}, []string{"GET", "PUT"}, 3600, []string{"x-ms-*"}, []string{"*"}})
	}
	blob := blobService{Cors: rules}
	blob.DeleteRetentionPolicy = &struct {
		Enabled bool `json:"enabled"`
		Days    int  `json:"days,omitempty"`
	}{Enabled: b.chance(2)}
	if blob.DeleteRetentionPolicy.Enabled {
		blob.DeleteRetentionPolicy.Days = b.between(1, 365)
	}
	b.add(kind+"/blobServices", &resource{ID: id + "/blobServices/default", Name: "default", Type: kind + "/blobServices", SKU: skuName{"Standard_LRS", "Standard"}, Properties: blob})
	for _, service := range []string{"queueServices", "tableServices"} {
		b.add(kind+"/"+service, &resource{ID: id + "/" + service + "/default", Name: "default", Type: kind + "/" + service, Properties: blobService{Cors: corsRules{CorsRules: []corsRule{}}}})
	}
	for i := range b.between(0, 3) {
		c := containerProperties{PublicAccess: pick(b, []string{"None", "Blob", "Container"}), LastModifiedTime: stamp7(b.ago(200)), LeaseStatus: "Unlocked", LeaseState: "Available"}
		if i == 0 {
			c.Metadata = map[string]string{"origin": "lab", "größe": "naïve"}
		}
		label := fmt.Sprintf("container%d", i+1)
		b.add(kind+"/blobServices/containers", &resource{ID: id + "/blobServices/default/containers/" + label, Name: label, Type: kind + "/blobServices/containers", ETag: fmt.Sprintf("\"0x8D%X\"", b.r.Uint64()), Properties: c})
	}
}
