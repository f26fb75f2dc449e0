package inventory_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/inventory"
)

// walk finds the values of a decoded document at a path; * is every element.
func walk(v any, path ...string) []string {
	if len(path) == 0 {
		if s, ok := v.(string); ok {
			return []string{s}
		}
		return nil
	}
	var out []string
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, walk(e, path[1:]...)...)
		}
	case map[string]any:
		if e, ok := v[path[0]]; ok {
			out = walk(e, path[1:]...)
		}
	}
	return out
}

// relations is where the documents hold references, written down again from the API
// definitions so that the generator is not checked with its own code.
var relations = []struct {
	kind, path, relation string
}{
	{"Microsoft.Authorization/roleAssignments", "properties principalId", inventory.RelationPrincipal},
	{"Microsoft.Authorization/roleAssignments", "properties roleDefinitionId", inventory.RelationRoleDefinition},
	{"Microsoft.KeyVault/vaults", "properties accessPolicies * objectId", inventory.RelationPrincipal},
	{"Microsoft.Subscriptions.Admin/subscriptions", "offerId", inventory.RelationOffer},
	{"Microsoft.Subscriptions.Admin/offers", "properties basePlanIds *", inventory.RelationPlan},
	{"Microsoft.Subscriptions.Admin/offers", "properties addonPlans * planId", inventory.RelationPlan},
	{"Microsoft.Subscriptions.Admin/plans", "properties quotaIds *", inventory.RelationQuota},
	{"Microsoft.Network/networkInterfaces", "properties ipConfigurations * properties subnet id", inventory.RelationSubnet},
	{"Microsoft.Compute/virtualMachines", "properties storageProfile osDisk managedDisk id", inventory.RelationDisk},
	{"Microsoft.Compute/virtualMachines", "properties storageProfile dataDisks * managedDisk id", inventory.RelationDisk},
	{"Microsoft.Compute/virtualMachines", "properties networkProfile networkInterfaces * id", inventory.RelationNetworkInterface},
}

// dangles lists the references without a target, as the product's check would.
func dangles(t *testing.T, s *inventory.Stamp, principals []string, cas ...string) []inventory.Reference {
	t.Helper()
	known := map[string]bool{}
	for _, p := range slices.Concat(principals, cas) {
		known[strings.ToLower(p)] = true
	}
	for _, d := range s.Documents {
		known[strings.ToLower(d.ID)] = true
	}
	var out []inventory.Reference
	found := map[string]int{}
	see := func(from, relation, target string) {
		found[relation]++
		if !known[strings.ToLower(target)] {
			out = append(out, inventory.Reference{From: from, Relation: relation, Target: target})
		}
	}
	for _, d := range s.Documents {
		var v any
		require.NoError(t, json.Unmarshal(d.Body, &v))
		for _, r := range relations {
			if r.kind != d.Type {
				continue
			}
			for _, target := range walk(v, strings.Fields(r.path)...) {
				see(d.ID, r.relation, target)
			}
		}
	}
	for _, o := range s.VaultObjects {
		if o.Kind != "certificates" {
			continue
		}
		for _, version := range o.Versions {
			var body struct{ CER string }
			require.NoError(t, json.Unmarshal(version.Body, &body))
			der, err := base64.StdEncoding.DecodeString(body.CER)
			require.NoError(t, err)
			c, err := x509.ParseCertificate(der)
			require.NoError(t, err)
			if len(c.AuthorityKeyId) > 0 {
				see(o.Vault+"/certificates/"+o.Name, inventory.RelationIssuingCA, hex.EncodeToString(c.AuthorityKeyId))
			}
		}
	}
	for _, r := range relations {
		require.Positive(t, found[r.relation], "the stamp has no %s", r.relation)
	}
	return out
}

func TestOnlyTheListedReferencesDangle(t *testing.T) {
	for _, test := range []struct {
		name                string
		resources, dangling int
		issued              bool
	}{
		{"small and whole", 200, 0, false},
		{"whole", 5000, 0, true},
		{"one of each", 100, 1, false},
		{"many of each", 2000, 7, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(test.resources)
			o.Dangling, o.Principals = test.dangling, []string{"S-1-5-21-1-2-3-500", "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105"}
			cas := []string{}
			if test.issued {
				o.Issuer = issuer(t)
				cas = append(cas, hex.EncodeToString(o.Issuer.Certificate.SubjectKeyId))
			}
			s := generate(t, o)
			require.ElementsMatch(t, s.Dangling, dangles(t, s, o.Principals, cas...))
			count := map[string]int{}
			for _, r := range s.Dangling {
				count[r.Relation]++
			}
			for _, relation := range []string{
				inventory.RelationPrincipal, inventory.RelationRoleDefinition, inventory.RelationOffer, inventory.RelationPlan, inventory.RelationQuota,
				inventory.RelationSubnet, inventory.RelationDisk, inventory.RelationNetworkInterface, inventory.RelationIssuingCA,
			} {
				require.Equal(t, test.dangling, count[relation], relation)
			}
		})
	}
}

// armID matches IDs of resources in documents.
var armID = regexp.MustCompile(`(?i)^/subscriptions/[0-9a-f-]{36}/`)

// TestEveryIDInADocumentExists holds for all references, those that no relation
// names among them.
func TestEveryIDInADocumentExists(t *testing.T) {
	s := generate(t, options(3000))
	known := map[string]bool{}
	for _, d := range s.Documents {
		known[strings.ToLower(d.ID)] = true
	}
	// embedded are the parts of a resource that have IDs but no documents.
	embedded := regexp.MustCompile(`(?i)/(ipConfigurations|frontendIPConfigurations|backendAddressPools|loadBalancingRules|probes|defaultSecurityRules|tagValues|ArtifactTypes)/`)
	var visit func(v any, from string)
	visit = func(v any, from string) {
		switch v := v.(type) {
		case map[string]any:
			for _, e := range v {
				visit(e, from)
			}
		case []any:
			for _, e := range v {
				visit(e, from)
			}
		case string:
			if armID.MatchString(v) && !embedded.MatchString(v) {
				require.True(t, known[strings.ToLower(v)], "%s names %s", from, v)
			}
		}
	}
	for _, d := range s.Documents {
		var v any
		require.NoError(t, json.Unmarshal(d.Body, &v))
		visit(v, d.ID)
	}
}
