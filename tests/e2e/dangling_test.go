package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/tests/lab/stamp/inventory"
)

// TestDanglingReferencesAreInTheManifest backs up a stamp with dangling references of
// every relation: the manifest lists these, and no others.
func TestDanglingReferencesAreInTheManifest(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, 600, 3)
	require.Len(t, cloud.contents.Dangling, 27, "three of each relation")
	c := cloud.allServices(t, cloud.directory())
	c.enable()
	id, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, overview.Status)
	found := c.manifest(id).Consistency
	require.NotNil(t, found)
	require.Equal(t, backup.MeasureSkew(overview.Services), found.Skew)
	require.Equal(t, seeded(cloud.contents.Dangling), listed(found.Dangling))
	require.Greater(t, len(found.Relations), 20)
	dangling := map[string]int64{}
	for _, r := range found.Relations {
		if r.Dangling > 0 {
			dangling[r.Relation] = r.Dangling
		}
		require.Greater(t, r.Checked, r.Dangling, r.Relation)
		require.Zero(t, r.Unchecked, r.Relation)
	}
	require.Equal(t, ofEach(cloud.contents.Dangling), dangling)
}

// TestDanglingReferencesWithoutADirectory leaves AD out: nobody knows whether the
// principals are there, so none of them dangles.
func TestDanglingReferencesWithoutADirectory(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, 600, 3)
	directory := cloud.directory()
	directory.fail = fault.Newf(fault.SourceAccessDenied, "the account may not read the directory")
	c := cloud.allServices(t, directory)
	c.enable()
	id, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.PartialSucceeded, overview.Status)
	others := slices.DeleteFunc(slices.Clone(cloud.contents.Dangling), func(r inventory.Reference) bool { return r.Relation == inventory.RelationPrincipal })
	require.Len(t, others, 24)
	found := c.manifest(id).Consistency
	require.Equal(t, seeded(others), listed(found.Dangling))
	want := ofEach(others)
	for _, r := range found.Relations {
		if r.Relation == inventory.RelationPrincipal {
			require.Zero(t, r.Checked)
			require.Zero(t, r.Dangling)
			require.Greater(t, r.Unchecked, int64(3))
			continue
		}
		require.Zero(t, r.Unchecked, r.Relation)
		require.Equal(t, want[r.Relation], r.Dangling, r.Relation)
	}
}

// ofEach counts references by their relation.
func ofEach(all []inventory.Reference) map[string]int64 {
	count := map[string]int64{}
	for _, r := range all {
		count[r.Relation]++
	}
	return count
}

// seeded are references as a manifest tells of them: who, how, to what.
func seeded(all []inventory.Reference) []string {
	var out []string
	for _, r := range all {
		from, target := strings.ToLower(r.From), strings.ToLower(r.Target)
		switch r.Relation {
		case inventory.RelationPrincipal:
			target = "AD sid:" + target
		case inventory.RelationIssuingCA:
			target = "CA key-id:" + target
		case inventory.RelationRoleDefinition:
			target = "RBAC role:" + target[strings.LastIndexByte(target, '/')+1:]
		case inventory.RelationSubnet, inventory.RelationNetworkInterface:
			target = "NRP " + target
		case inventory.RelationDisk:
			target = "CRP " + target
		case inventory.RelationOffer, inventory.RelationPlan:
			target = "ARM " + target
		case inventory.RelationQuota:
			target = quotaOwner(target) + " " + target
		}
		out = append(out, from+" "+r.Relation+" "+target)
	}
	slices.Sort(out)
	return out
}

// quotaOwner is the service of a resource provider.
func quotaOwner(id string) string {
	for namespace, service := range map[string]string{"compute": "CRP", "network": "NRP", "storage": "SRP", "keyvault": "KeyVault"} {
		if strings.Contains(id, "/providers/microsoft."+namespace+".admin/") {
			return service
		}
	}
	return "ARM"
}

// listed are the references that a manifest lists.
func listed(all []backup.DanglingReference) []string {
	var out []string
	for _, d := range all {
		from := d.ID
		if d.Relation == inventory.RelationIssuingCA { // a version, which the generator does not name
			_, from, _ = strings.Cut(from[:strings.LastIndexByte(from, '/')], "/vaults/")
		}
		out = append(out, from+" "+d.Relation+" "+string(d.TargetService)+" "+d.Target)
	}
	slices.Sort(out)
	return out
}
