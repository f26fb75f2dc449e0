package inventory_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/inventory"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func options(resources int) inventory.Options {
	return inventory.Options{Seed: 7, Resources: resources, Domain: "local.azurestack.test", VaultPort: 8443, Now: now}
}

func generate(t *testing.T, o inventory.Options) *inventory.Stamp {
	t.Helper()
	s, err := inventory.Generate(o)
	require.NoError(t, err)
	return s
}

func issuer(t *testing.T) *inventory.Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now, NotAfter: now.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte("subject key id of ca"),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return &inventory.Issuer{Certificate: c, Key: key}
}

func digest(s *inventory.Stamp) string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v", *s)
	return hex.EncodeToString(h.Sum(nil))
}

func TestSameOptionsGiveTheSameBytes(t *testing.T) {
	o := options(600)
	o.Dangling, o.Issuer = 3, issuer(t)
	first := digest(generate(t, o))
	other := o
	other.Seed++
	generate(t, other) // so that the keys are created again
	require.Equal(t, first, digest(generate(t, o)))
	o.Seed++
	require.NotEqual(t, digest(generate(t, options(600))), digest(generate(t, o)))
}

func TestGenerateRefusesSenselessOptions(t *testing.T) {
	for name, o := range map[string]inventory.Options{
		"no resources":    {Domain: "x.test"},
		"too many":        {Domain: "x.test", Resources: 1_000_001},
		"no domain":       {Resources: 10},
		"negative":        {Domain: "x.test", Resources: 10, Dangling: -1},
		"nameless issuer": {Domain: "x.test", Resources: 10, Issuer: &inventory.Issuer{Certificate: &x509.Certificate{}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inventory.Generate(o)
			require.Error(t, err)
		})
	}
}

func TestCountsAreNearWhatIsAskedFor(t *testing.T) {
	for _, n := range []int{10, 300, 1000, 20_000} {
		s := generate(t, options(n))
		tenant, others := 0, 0
		for _, d := range s.Documents {
			if d.Endpoint == inventory.Tenant && !strings.Contains(d.Type, "/role") && d.Type != "Microsoft.Resources/subscriptions" {
				tenant++
			} else {
				others++
			}
		}
		require.GreaterOrEqual(t, tenant, n)
		require.LessOrEqual(t, tenant, n+n/20+60, "asked for %d", n) // and the cases of cases.go
		require.Less(t, others, 250+n/3)
		require.NotEmpty(t, s.VaultObjects, "of %d", n)
	}
}

// types are all that a stamp of some hundred resources must hold.
var types = strings.Fields(`
Microsoft.Resources/subscriptions Microsoft.Resources/resourceGroups Microsoft.Resources/deployments Microsoft.Resources/links
Microsoft.Authorization/locks Microsoft.Authorization/policyDefinitions Microsoft.Authorization/policyAssignments Microsoft.Authorization/roleDefinitions Microsoft.Authorization/roleAssignments
Microsoft.Compute/virtualMachines Microsoft.Compute/virtualMachines/extensions Microsoft.Compute/virtualMachineScaleSets Microsoft.Compute/virtualMachineScaleSets/extensions
Microsoft.Compute/availabilitySets Microsoft.Compute/images Microsoft.Compute/disks Microsoft.Compute/snapshots Microsoft.Compute/galleries Contoso.Widgets/gadgets
Microsoft.Storage/storageAccounts Microsoft.Storage/storageAccounts/blobServices Microsoft.Storage/storageAccounts/queueServices Microsoft.Storage/storageAccounts/tableServices Microsoft.Storage/storageAccounts/blobServices/containers
Microsoft.Network/virtualNetworks Microsoft.Network/virtualNetworks/subnets Microsoft.Network/virtualNetworks/virtualNetworkPeerings Microsoft.Network/networkInterfaces
Microsoft.Network/networkSecurityGroups Microsoft.Network/networkSecurityGroups/securityRules Microsoft.Network/routeTables Microsoft.Network/routeTables/routes
Microsoft.Network/publicIPAddresses Microsoft.Network/loadBalancers Microsoft.Network/virtualNetworkGateways Microsoft.Network/localNetworkGateways Microsoft.Network/connections
Microsoft.Network/dnsZones Microsoft.Network/dnsZones/SOA Microsoft.Network/dnsZones/NS Microsoft.KeyVault/vaults
Microsoft.Subscriptions.Admin/plans Microsoft.Subscriptions.Admin/offers Microsoft.Subscriptions.Admin/offers/offerDelegations Microsoft.Subscriptions.Admin/subscriptions
Microsoft.Subscriptions.Admin/subscriptions/acquiredPlans Microsoft.Subscriptions.Admin/delegatedProviders Microsoft.Subscriptions.Admin/delegatedProviders/offers
Microsoft.Subscriptions.Admin/directoryTenants Microsoft.Subscriptions.Admin/locations Microsoft.Subscriptions.Admin/manifests Microsoft.Subscriptions.Admin/locations/quotas
Microsoft.Compute.Admin/locations/quotas Microsoft.Compute.Admin/locations/artifactTypes/platformImage Microsoft.Compute.Admin/locations/artifactTypes/VMExtension Microsoft.Compute.Admin/locations/disks
Microsoft.Network.Admin/locations/quotas Microsoft.Network.Admin/adminOverview Microsoft.Network.Admin/adminVirtualNetworks Microsoft.Network.Admin/adminPublicIpAddresses Microsoft.Network.Admin/adminLoadBalancers
Microsoft.Storage.Admin/locations/quotas Microsoft.Storage.Admin/locations/settings Microsoft.Storage.Admin/locations/acquisitions Microsoft.Storage.Admin/storageServices Microsoft.Storage.Admin/locations/storageAccounts
Microsoft.KeyVault.Admin/locations/quotas Microsoft.Update.Admin/updateLocations Microsoft.Update.Admin/updateLocations/updates Microsoft.Update.Admin/updateLocations/updates/updateRuns`)

func TestEveryTypeIsThere(t *testing.T) {
	for seed := range int64(5) {
		o := options(500)
		o.Seed = seed
		have := map[string]int{}
		s := generate(t, o)
		for _, d := range s.Documents {
			have[d.Type]++
		}
		for _, name := range types {
			require.Positive(t, have[name], "no %s with seed %d", name, seed)
		}
		cases := map[string]int{}
		for _, v := range s.VaultObjects {
			for _, version := range v.Versions {
				switch {
				case !version.Enabled:
					cases[v.Kind+" disabled"]++
				case version.Expires != 0 && version.Expires < now.Unix():
					cases[v.Kind+" expired"]++
				case version.NotBefore > now.Unix():
					cases[v.Kind+" not yet valid"]++
				case v.Kind == "certificates" && version.Exportable:
					cases["exportable"]++
				case v.Kind == "certificates":
					cases["not exportable"]++
				}
			}
		}
		for _, name := range []string{"secrets disabled", "secrets expired", "secrets not yet valid", "certificates expired", "exportable", "not exportable"} {
			require.Positive(t, cases[name], "%s with seed %d", name, seed)
		}
	}
}

func TestIDsAreUniqueAndStandInTheBody(t *testing.T) {
	o := options(5000)
	o.Dangling = 2
	s := generate(t, o)
	seen := map[string]string{}
	withoutID := map[string]bool{"Microsoft.Subscriptions.Admin/manifests": true, "Microsoft.Storage.Admin/locations/acquisitions": true}
	mixed := 0
	for _, d := range s.Documents {
		key := strings.ToLower(d.ID)
		require.NotContains(t, seen, key, "of %s", d.Type)
		seen[key] = d.Type
		if key != d.ID {
			mixed++
		}
		var body struct{ ID string }
		require.NoError(t, json.Unmarshal(d.Body, &body))
		if !withoutID[d.Type] {
			require.Equal(t, d.ID, body.ID)
		}
		require.False(t, slices.Contains(d.Body, '\n'), "compact JSON")
	}
	require.Positive(t, mixed)
	objects := map[string]bool{}
	for _, v := range s.VaultObjects {
		key := strings.ToLower(v.Vault + "/" + v.Kind + "/" + v.Name)
		require.False(t, objects[key], key)
		objects[key] = true
	}
}

func TestGivenPrincipalsAreUsed(t *testing.T) {
	o := options(500)
	o.Principals = []string{"S-1-5-21-1-2-3-500", "S-1-5-21-1-2-3-501"}
	found := map[string]bool{}
	for _, d := range generate(t, o).Documents {
		for _, sid := range regexp.MustCompile(`S-1-5-21[-0-9]+`).FindAllString(string(d.Body), -1) {
			found[sid] = true
		}
	}
	require.Equal(t, map[string]bool{o.Principals[0]: true, o.Principals[1]: true}, found)
}

func TestCanariesStandOnlyInSecretValues(t *testing.T) {
	s := generate(t, options(1000))
	require.NotEmpty(t, s.Canaries)
	var public, private strings.Builder
	writeOnly := map[string]bool{}
	for _, d := range s.Documents {
		public.Write(d.Body)
		for _, v := range d.WriteOnly {
			writeOnly[v] = true
		}
	}
	for _, v := range slices.Concat(s.VaultObjects, s.DeletedVaultObjects) {
		for _, version := range v.Versions {
			if v.Kind != "secrets" {
				public.Write(version.Body)
				continue
			}
			var body struct{ Value string }
			require.NoError(t, json.Unmarshal(version.Body, &body))
			private.WriteString(body.Value)
		}
	}
	for _, c := range s.Canaries {
		require.GreaterOrEqual(t, len(c), 30)
		require.False(t, strings.Contains(public.String(), c), "%s can be read", c)
		require.True(t, writeOnly[c] || strings.Contains(private.String(), c))
	}
}

func TestVaultObjectsAreWhatTheySay(t *testing.T) {
	o := options(1000)
	o.Issuer = issuer(t)
	s := generate(t, o)
	bodies := map[string]inventory.VaultVersion{}
	for _, v := range s.VaultObjects {
		for _, version := range v.Versions {
			bodies[v.Vault+"/"+v.Kind+"/"+v.Name+"/"+version.Version] = version
		}
	}
	issued := 0
	for _, v := range s.VaultObjects {
		if v.Kind != "certificates" {
			require.Empty(t, v.Policy)
			continue
		}
		require.NotEmpty(t, v.Policy)
		for _, version := range v.Versions {
			var body struct{ ID, KID, SID, X5T, CER string }
			require.NoError(t, json.Unmarshal(version.Body, &body))
			base := "https://" + v.Vault + ".vault." + o.Domain + ":8443/"
			require.Equal(t, base+"certificates/"+v.Name+"/"+version.Version, body.ID)
			require.Equal(t, base+"keys/"+v.Name+"/"+version.Version, body.KID)
			der, err := base64.StdEncoding.DecodeString(body.CER)
			require.NoError(t, err)
			c, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			require.Equal(t, c.NotAfter.Unix(), version.Expires)
			if len(c.AuthorityKeyId) > 0 {
				issued++
				require.NoError(t, c.CheckSignatureFrom(o.Issuer.Certificate))
			} else {
				require.NoError(t, c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature))
			}
			secret, ok := bodies[v.Vault+"/secrets/"+v.Name+"/"+version.Version]
			require.True(t, ok)
			require.Equal(t, version.Exportable, strings.Contains(string(secret.Body), "PRIVATE KEY"))
			require.Contains(t, bodies, v.Vault+"/keys/"+v.Name+"/"+version.Version)
		}
	}
	require.Positive(t, issued)
}

func TestAHundredThousandResources(t *testing.T) {
	start := time.Now()
	s := generate(t, options(100_000))
	took := time.Since(start)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d documents, %d vault objects, %v, %d MiB", len(s.Documents), len(s.VaultObjects), took, m.HeapAlloc>>20)
	require.Less(t, m.HeapAlloc, uint64(300<<20))
	runtime.KeepAlive(s)
}
