package conformance_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab/stamp/conformance"
)

const (
	group = "/subscriptions/5d1e4b0c-7a26-4e37-9d1c-000000000001/resourceGroups/rg"
	vnet  = group + "/providers/Microsoft.Network/virtualNetworks/v"
	vm    = group + "/providers/Microsoft.Compute/virtualMachines/v"
	disk  = group + "/providers/Microsoft.Compute/disks/d"
	vault = group + "/providers/Microsoft.KeyVault/vaults/v"
)

// TestBrokenBodiesAreFound holds that the check has teeth: each body is right but for
// one thing.
func TestBrokenBodiesAreFound(t *testing.T) {
	spec := load(t)
	for _, test := range []struct {
		name          string
		plane         conformance.Plane
		path, version string
		status        int
		body, where   string // where "" for none wrong
	}{
		{"right", conformance.Manager, vnet, "2018-11-01", 200, `{"id":"x","etag":"e","properties":{"subnets":[{"id":"s","name":"s"}]}}`, ""},
		{"an unknown property", conformance.Manager, vnet, "2018-11-01", 200, `{"id":"x","surprise":1}`, "/"},
		{"one deep inside", conformance.Manager, vnet, "2018-11-01", 200, `{"properties":{"subnets":[{"id":"s","type":"none"}]}}`, "/properties/subnets/*"},
		{"a wrong type", conformance.Manager, vnet, "2018-11-01", 200, `{"properties":{"enableDdosProtection":"true"}}`, "/properties/enableDdosProtection"},
		{"a value that is not in the enumeration", conformance.Manager, vault, "2019-09-01", 200, `{"id":"x","name":"v","type":"t","properties":{"tenantId":"5d1e4b0c-7a26-4e37-9d1c-000000000001","sku":{"family":"B","name":"standard"}}}`, "/properties/sku/family"},
		{"no UUID", conformance.Manager, vault, "2019-09-01", 200, `{"properties":{"tenantId":"adfs","sku":{"family":"A","name":"standard"}}}`, "/properties/tenantId"},
		{"a required property that is not there", conformance.Manager, disk, "2019-07-01", 200, `{"id":"x","name":"d","type":"t"}`, "/"},
		{"a required one that is inherited", conformance.Manager, vm, "2020-06-01", 200, `{"id":"x","properties":{}}`, "/"},
		{"no time", conformance.Manager, disk, "2019-07-01", 200, `{"location":"l","properties":{"creationData":{"createOption":"Empty"},"timeCreated":"yesterday"}}`, "/properties/timeCreated"},
		{"too large a number", conformance.Manager, disk, "2019-07-01", 200, `{"location":"l","properties":{"creationData":{"createOption":"Empty"},"diskSizeGB":3000000000}}`, "/properties/diskSizeGB"},
		{"null", conformance.Manager, disk, "2019-07-01", 200, `{"location":"l","properties":{"creationData":null}}`, "/properties/creationData"},
		{"a list without its elements", conformance.Manager, group + "/providers/Microsoft.Compute/disks", "2019-07-01", 200, `{"nextLink":"x"}`, "/"},
		{"a wrong element", conformance.Manager, group + "/providers/Microsoft.Compute/disks", "2019-07-01", 200, `{"value":[{"location":"l"},{"location":1}]}`, "/value/*/location"},
		{"an object instead of an array", conformance.Manager, "/subscriptions/s/providers/Microsoft.Compute.Admin/locations/local/artifactTypes/platformImage", "2015-12-01-preview", 200, `{"value":[]}`, "/"},
		{"no JSON", conformance.Manager, vnet, "2018-11-01", 200, `{"id":`, "/"},
		{"more after the JSON", conformance.Manager, vnet, "2018-11-01", 200, `{}{}`, "/"},
		{"an error", conformance.Manager, vnet, "2018-11-01", 404, `{"error":{"code":"NotFound","message":"no"}}`, ""},
		{"an error without a code", conformance.Manager, vnet, "2018-11-01", 404, `{"error":{"message":"no"}}`, "/error"},
		{"an error that is flat", conformance.Manager, vnet, "2018-11-01", 429, `{"code":"NotFound","message":"no"}`, "/"},
		{"a body where none belongs", conformance.Manager, vnet, "2018-11-01", 201, `{}`, ""},
		{"a vault's right secret", conformance.Vault, "/secrets/s/1", "2016-10-01", 200, `{"value":"v","id":"i","attributes":{"enabled":true,"created":1}}`, ""},
		{"a key with private numbers and no base64url", conformance.Vault, "/keys/k/1", "2016-10-01", 200, `{"key":{"kid":"k","kty":"RSA","n":"a+b/c=="}}`, "/key/n"},
		{"a certificate that is no base64", conformance.Vault, "/certificates/c/1", "2016-10-01", 200, `{"cer":"-----"}`, "/cer"},
		{"a vault's error", conformance.Vault, "/secrets/s/1", "2016-10-01", 403, `{"error":{"code":"Forbidden","message":"m","inner":{}}}`, "/error"},
		{"a zone without a location", conformance.Manager, group + "/providers/Microsoft.Network/dnsZones/z", "2016-04-01", 200, `{"id":"i","name":"z","type":"t"}`, "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, problems, err := spec.Check(test.plane, "GET", test.path, test.version, test.status, []byte(test.body))
			require.NoError(t, err)
			if test.status == 201 {
				require.Len(t, problems, 1)
				return
			}
			if test.where == "" {
				require.Empty(t, problems)
				return
			}
			require.NotEmpty(t, problems)
			require.Contains(t, wheres(problems), test.where)
		})
	}
}

func wheres(problems []conformance.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Where)
	}
	return out
}

// TestEveryTypeIsHeldClosed adds a property to a document of every type and wants it
// found, so that no definition is open by a mistake of the conversion.
func TestEveryTypeIsHeldClosed(t *testing.T) {
	spec := load(t)
	seen := map[string]bool{}
	for _, d := range contents(t, 500).Documents {
		o := spec.Find(conformance.Manager, "GET", d.ID, "")
		if seen[d.Type] || o == nil || o.Generic() {
			continue
		}
		seen[d.Type] = true
		body := append([]byte(`{"surprise":0,`), d.Body[1:]...)
		_, problems, err := spec.Check(conformance.Manager, "GET", d.ID, "", 200, body)
		require.NoError(t, err)
		require.Len(t, problems, 1, d.Type)
		if inner := bytes.Replace(d.Body, []byte(`"properties":{"`), []byte(`"properties":{"surprise":0,"`), 1); !bytes.Equal(inner, d.Body) {
			_, problems, err = spec.Check(conformance.Manager, "GET", d.ID, "", 200, inner)
			require.NoError(t, err)
			require.NotEmpty(t, problems, d.Type)
		}
	}
	require.Greater(t, len(seen), 50)
}

func TestOperationsAreFoundByPathAndVersion(t *testing.T) {
	spec := load(t)
	for _, test := range []struct{ path, version, id string }{
		{strings.ToLower(vnet), "2018-11-01", "VirtualNetworks_Get"},
		{vnet + "/subnets", "2018-11-01", "Subnets_List"},
		{vnet, "2017-10-01", "Resources_GetById"}, // no definition of that version: only the generic operation
		{vm, "2020-06-01", "VirtualMachines_Get"},
		{"/subscriptions", "2016-06-01", "Subscriptions_List"},
		{vnet + "/providers/Microsoft.Authorization/roleAssignments", "2015-07-01", "RoleAssignments_ListForScope"},
		{vnet + "/subnets/s/providers/Microsoft.Authorization/locks/l", "2016-09-01", "Locks_GetByScope"},
		{group + "/providers/Contoso.Widgets/gadgets/g", "2020-01-01", "Resources_GetById"},
	} {
		o := spec.Find(conformance.Manager, "GET", test.path, test.version)
		require.NotNil(t, o, test.path)
		require.Equal(t, test.id, o.ID, test.path)
	}
	_, _, err := spec.Check(conformance.Vault, "GET", "/nothing", "2016-10-01", 200, nil)
	require.ErrorIs(t, err, conformance.ErrUnknown)
}

// TestLoadRefusesWhatItCannotFollow holds that a definition is either followed or
// refused.
func TestLoadRefusesWhatItCannotFollow(t *testing.T) {
	for name, schema := range map[string]string{
		"a missing file":       `{"$ref":"other.json#/definitions/A"}`,
		"a missing definition": `{"$ref":"#/definitions/A"}`,
		"not a definition":     `{"$ref":"#/parameters/A"}`,
		"a discriminator":      `{"discriminator":"kind","properties":{"kind":{"type":"string"}}}`,
		"a missing ancestor":   `{"allOf":[{"$ref":"#/definitions/A"}]}`,
		"a wrong pattern":      `{"type":"string","pattern":"("}`,
	} {
		t.Run(name, func(t *testing.T) {
			doc := `{"info":{"version":"1"},"paths":{"/x":{"get":{"operationId":"X","responses":{"200":{"schema":` + schema + `}}}}}}`
			_, err := conformance.Load(fstest.MapFS{"a.json": {Data: []byte(doc)}})
			require.Error(t, err)
		})
	}
}

// FuzzCheck wants no panic and no accepted garbage for any body.
func FuzzCheck(f *testing.F) {
	spec, err := conformance.Load(os.DirFS("../../../spec"))
	require.NoError(f, err)
	f.Add([]byte(`{"id":"x","properties":{"subnets":[]}}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, problems, err := spec.Check(conformance.Manager, "GET", vnet, "2018-11-01", 200, body)
		require.NoError(t, err)
		if !json.Valid(body) {
			require.NotEmpty(t, problems)
		}
	})
}

func TestWhatCanOnlyBeWrittenIsNeverRead(t *testing.T) {
	spec, err := conformance.Load(fstest.MapFS{"a.json": {Data: []byte(`{"info":{"version":"1"},"paths":{"/x":{"get":{"operationId":"X","responses":{"200":{"schema":
		{"properties":{"password":{"type":"string","x-ms-mutability":["create","update"]},"name":{"type":"string","x-ms-mutability":["read","create"],"x-nullable":true}}}}}}}}}`)}})
	require.NoError(t, err)
	_, problems, err := spec.Check(conformance.Manager, "GET", "/x", "1", 200, []byte(`{"name":null}`))
	require.NoError(t, err)
	require.Empty(t, problems)
	_, problems, err = spec.Check(conformance.Manager, "GET", "/x", "1", 200, []byte(`{"password":"p"}`))
	require.NoError(t, err)
	require.Equal(t, []string{"/password"}, wheres(problems))
}
