package inventory

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// operatorAfter makes the rest of the operator's side, which looks at what the
// tenants have.
func (b *builder) operatorAfter() {
	for i, s := range b.subs {
		offer := b.offers[i%len(b.offers)]
		id := b.userSubscription(s.guid, s.name, b.ref(offer), "Default")
		for _, p := range b.offerPlans[offer] {
			b.acquire(id, p)
		}
	}
	b.userSubscription(b.provider, "Default Provider Subscription", b.offers[0], "Admin")
	b.delegated()
	b.places()
	b.updates()
	b.computeAdmin()
	b.fabric()
}

type delegatedOffer struct {
	DelegatedOfferID    string `json:"delegatedOfferId"`
	DisplayName         string `json:"displayName"`
	Description         string `json:"description"`
	ExternalReferenceID string `json:"externalReferenceId"`
	AccessibilityState  string `json:"accessibilityState"`
	SubscriptionCount   int    `json:"subscriptionCount"`
}

// delegated makes the delegated providers: the provider itself and one tenant
// that resells an offer.
func (b *builder) delegated() {
	for _, guid := range []string{b.provider, b.subs[0].guid} {
		id := b.adminPath(subscriptionsAdmin + "/delegatedProviders/" + guid)
		b.put(Admin, id, subscriptionsAdmin+"/delegatedProviders", subscriptionDefinition{
			ID: id, SubscriptionID: guid, DelegatedProviderSubscriptionID: b.provider, DisplayName: "Delegated provider", Owner: "admin@" + b.o.Domain,
			TenantID: b.directoryT, RoutingResourceManagerType: "Admin", OfferID: b.offers[0], State: "Enabled",
		})
	}
	name := b.name("reoffer")
	id := b.adminPath(subscriptionsAdmin+"/delegatedProviders/"+b.subs[0].guid) + "/offers/" + name
	b.put(Admin, id, subscriptionsAdmin+"/delegatedProviders/offers", &resource{
		ID: id, Name: b.subs[0].guid + "/" + name, Type: subscriptionsAdmin + "/delegatedProviders/offers", Location: b.o.Region,
		Properties: delegatedOffer{DelegatedOfferID: b.offers[0], DisplayName: name, AccessibilityState: "Private"},
	})
}

type location struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Latitude    string `json:"latitude"`
	Longitude   string `json:"longitude"`
}

type manifest struct {
	Name                       string          `json:"name"`
	DisplayName                string          `json:"displayName"`
	Namespace                  string          `json:"namespace"`
	ProviderLocation           string          `json:"providerLocation"`
	RoutingResourceManagerType string          `json:"routingResourceManagerType"`
	ProviderType               string          `json:"providerType"`
	Enabled                    bool            `json:"enabled"`
	ProvisioningState          string          `json:"provisioningState"`
	Metadata                   json.RawMessage `json:"metadata,omitempty"`
}

// places makes the directory tenant, the location and the manifests.
func (b *builder) places() {
	name := "adfs." + b.o.Domain
	id := b.providerGroup("system."+b.o.Region) + "/providers/" + subscriptionsAdmin + "/directoryTenants/" + name
	b.put(Admin, id, subscriptionsAdmin+"/directoryTenants", &resource{ID: id, Name: name, Type: subscriptionsAdmin + "/directoryTenants", Location: b.o.Region,
		Properties: struct {
			ID string `json:"tenantId"`
		}{b.directoryT}})
	id = b.adminPath(subscriptionsAdmin + "/locations/" + b.o.Region)
	b.put(Admin, id, subscriptionsAdmin+"/locations", location{id, b.o.Region, b.o.Region, "47.6", "-122.3"})
	for _, ns := range []string{"Microsoft.Compute", "Microsoft.Network", "Microsoft.Storage", "Microsoft.KeyVault", "Contoso.Widgets"} {
		name := strings.ReplaceAll(ns, ".", "-") + "--" + b.o.Region + "--Default"
		b.put(Admin, b.adminPath(subscriptionsAdmin+"/manifests/"+name), subscriptionsAdmin+"/manifests", manifest{
			Name: name, DisplayName: ns + " resource provider", Namespace: ns, ProviderLocation: b.o.Region, RoutingResourceManagerType: "Default",
			ProviderType: "NotSpecified", Enabled: true, ProvisioningState: "Succeeded", Metadata: json.RawMessage(`{"metrics":{"version":"1.0"}}`),
		})
	}
}

type updateLocation struct {
	CurrentVersion    string `json:"currentVersion"`
	CurrentOEMVersion string `json:"currentOemVersion"`
	LastUpdated       string `json:"lastUpdated"`
	State             string `json:"state"`
}

type update struct {
	InstalledDate      string `json:"installedDate,omitempty"`
	Description        string `json:"description"`
	State              string `json:"state"`
	KBLink             string `json:"kbLink"`
	MinVersionRequired string `json:"minVersionRequired"`
	PackagePath        string `json:"packagePath"`
	PackageSizeInMB    int64  `json:"packageSizeInMb"`
	Version            string `json:"version"`
	Publisher          string `json:"publisher"`
}

type step struct {
	Name         string `json:"name"`
	Description  string `json:"description"`
	ErrorMessage string `json:"errorMessage"`
	Status       string `json:"status"`
	StartTimeUTC string `json:"startTimeUtc"`
	EndTimeUTC   string `json:"endTimeUtc"`
	Steps        []step `json:"steps"`
}

type updateRun struct {
	Progress    step   `json:"progress"`
	TimeStarted string `json:"timeStarted"`
	Duration    string `json:"duration"`
	State       string `json:"state"`
}

// updates makes the update location, whose current version is the stamp's, and
// the updates behind and before it.
func (b *builder) updates() {
	const kind = "Microsoft.Update.Admin/updateLocations"
	place := b.providerGroup("system."+b.o.Region) + "/providers/" + kind + "/" + b.o.Region
	last := b.ago(90)
	b.put(Admin, place, kind, &resource{ID: place, Name: b.o.Region, Type: kind, Location: b.o.Region,
		Properties: updateLocation{StampVersion, "2.2.2206.1", stamp7(last), "AppliedUpdateAvailableSuccessfully"}})
	for i, version := range []string{"1.2108.2.130", StampVersion, "1.2209.0.53"} {
		name := "Microsoft" + version
		id := place + "/updates/" + name
		p := update{Description: "Update " + version, State: "Ready", KBLink: "https://aka.ms/azurestackupdate", MinVersionRequired: "1.2102.28.87",
			PackagePath: `\\SU1FileServer\SU1_Infrastructure_2\Updates\Packages\` + name, PackageSizeInMB: 2144, Version: version, Publisher: "Microsoft"}
		if i < 2 {
			p.State, p.InstalledDate = "Installed", stamp7(last)
		}
		b.put(Admin, id, kind+"/updates", &resource{ID: id, Name: name, Type: kind + "/updates", Location: b.o.Region, Properties: p})
		if i == 2 {
			continue
		}
		run := b.guid()
		end := last.Add(14 * time.Hour)
		s := step{Name: "Update", Description: "Update the stamp", Status: "Success", StartTimeUTC: stamp7(last), EndTimeUTC: stamp7(end), Steps: []step{}}
		whole := s
		whole.Name, whole.Steps = "Unnamed step", []step{s}
		b.put(Admin, id+"/updateRuns/"+run, kind+"/updates/updateRuns", &resource{ID: id + "/updateRuns/" + run, Name: run, Type: kind + "/updates/updateRuns", Location: b.o.Region,
			Properties: updateRun{whole, stamp7(last), "PT14H0M0.5S", "Succeeded"}})
	}
}

type platformImage struct {
	OSDisk struct {
		OSType string `json:"osType"`
		URI    string `json:"uri"`
	} `json:"osDisk"`
	ProvisioningState string `json:"provisioningState"`
}

type platformExtension struct {
	VMOSType                 string `json:"vmOsType"`
	Publisher                string `json:"publisher"`
	ComputeRole              string `json:"computeRole"`
	VMScaleSetEnabled        bool   `json:"vmScaleSetEnabled"`
	SupportMultipleExtension bool   `json:"supportMultipleExtensions"`
	IsSystemExtension        bool   `json:"isSystemExtension"`
	SourceBlob               struct {
		URI string `json:"uri"`
	} `json:"sourceBlob"`
	ProvisioningState string `json:"provisioningState"`
}

// computeAdmin makes the platform images and extensions. Their envelopes have no
// name, as on the wire.
func (b *builder) computeAdmin() {
	base := b.adminPath("Microsoft.Compute.Admin/locations/" + b.o.Region + "/artifactTypes/")
	for i := range 3 {
		p := platformImage{ProvisioningState: "Succeeded"}
		p.OSDisk.OSType, p.OSDisk.URI = "Linux", fmt.Sprintf("https://images.blob.%s/vhds/image%d.vhd?a=1&b=2", b.o.Domain, i)
		id := fmt.Sprintf("%splatformImage/publishers/Canonical/offers/UbuntuServer/skus/%d.04-LTS/versions/1.0.%d", base, 16+2*i, i)
		b.put(Admin, id, "Microsoft.Compute.Admin/locations/artifactTypes/platformImage", &resource{ID: id, Type: "Microsoft.Compute.Admin/locations/artifactTypes/publishers/offers/skus/versions", Location: b.o.Region, Properties: p})
		e := platformExtension{VMOSType: "Linux", Publisher: "Microsoft", ComputeRole: "N/A", SupportMultipleExtension: true, ProvisioningState: "Succeeded"}
		e.SourceBlob.URI = fmt.Sprintf("https://images.blob.%s/ext/%d.zip", b.o.Domain, i)
		id = fmt.Sprintf("%sVMExtension/publishers/Microsoft/types/Extension%d/versions/0.%d.0", base, i, i)
		b.put(Admin, id, "Microsoft.Compute.Admin/locations/artifactTypes/VMExtension", &resource{ID: id, Type: "Microsoft.Compute.Admin/locations/artifactTypes/VMExtension/publishers/types/versions", Location: b.o.Region, Properties: e})
	}
}
