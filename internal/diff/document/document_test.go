package document

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/collect/arm"
	"infrabackup/internal/collect/crp"
	"infrabackup/internal/collect/keyvault"
	"infrabackup/internal/collect/nrp"
	"infrabackup/internal/collect/rbac"
	"infrabackup/internal/collect/resource"
	"infrabackup/internal/collect/srp"
	"infrabackup/internal/diff/jsondiff"
	"infrabackup/internal/diff/redact"
	"infrabackup/internal/diff/result"
)

func newComparer(t testing.TB) *Comparer {
	key, err := redact.NewKey(rand.Reader)
	require.NoError(t, err)
	return New(key)
}

// enveloped is a document as it lies in a part.
func enveloped(document string) []byte {
	return []byte(`{"endpoint":"tenant","type":"N/t","apiVersion":"2018-11-01","document":` + document + `}`)
}

func lines(d result.Details) []string {
	out := []string{}
	for _, one := range d.List {
		line := string(one.How) + " " + one.Path
		if one.Secret {
			line += " secret"
		}
		if one.Before != nil {
			line += " -" + *one.Before
		}
		if one.After != nil {
			line += " +" + *one.After
		}
		out = append(out, line)
	}
	return out
}

func reasons(d result.Details) string {
	var out []string
	for _, i := range d.Ignored.List() {
		out = append(out, i.Reason)
	}
	return strings.Join(out, "; ")
}

const group = "/subscriptions/3b0b6f4e-0000-4000-8000-000000000001/resourceGroups/g/providers/"

func TestCompare(t *testing.T) {
	nic := func(method, address, extra string) string {
		return `{"id":"` + group + `Microsoft.Network/networkInterfaces/n","etag":"` + address + `","properties":{"ipConfigurations":[{"name":"c","properties":{"privateIPAllocationMethod":"` + method + `","privateIPAddress":"` + address + `"` + extra + `}}],"macAddress":"` + address + `"}}`
	}
	vm := func(option, image string) string {
		return `{"properties":{"vmId":"` + image + `","osProfile":{"adminUsername":"` + image + `"},"storageProfile":{"imageReference":{"sku":"` + image + `"},"osDisk":{"createOption":"` + option + `","name":"os"}},"instanceView":{"x":"` + image + `"}}}`
	}
	for name, c := range map[string]struct {
		service backup.Service
		kind    string
		a, b    string
		want    []string
		ignored []string
	}{
		"a dynamic address":         {backup.NRP, "network-interface", nic("Dynamic", "10.0.0.4", ""), nic("Dynamic", "10.0.0.5", ""), nil, []string{ReasonAddress, ReasonDynamic, ReasonETag}},
		"a static address":          {backup.NRP, "network-interface", nic("Static", "10.0.0.4", ""), nic("Static", "10.0.0.5", ""), []string{"changed properties.ipConfigurations[name=c].properties.privateIPAddress -10.0.0.4 +10.0.0.5"}, []string{ReasonAddress, ReasonETag}},
		"another subnet":            {backup.NRP, "network-interface", nic("Static", "10.0.0.4", `,"subnet":{"id":"/subscriptions/a/x"}`), nic("Static", "10.0.0.4", `,"subnet":{"id":"/subscriptions/a/y"}`), []string{"changed properties.ipConfigurations[name=c].properties.subnet.id -/subscriptions/a/x +/subscriptions/a/y"}, nil},
		"children":                  {backup.NRP, "virtual-network", `{"properties":{"subnets":[],"addressSpace":{"addressPrefixes":["10.0.0.0/16","10.1.0.0/16"]}}}`, `{"properties":{"subnets":[{"name":"s"}],"addressSpace":{"addressPrefixes":["10.1.0.0/16","10.0.0.0/16"]}}}`, []string{"changed properties.addressSpace.addressPrefixes[0] -10.0.0.0/16 +10.1.0.0/16", "changed properties.addressSpace.addressPrefixes[1] -10.1.0.0/16 +10.0.0.0/16"}, []string{ReasonOwnItem}},
		"back references of a rule": {backup.NRP, "network-security-group", `{"properties":{"subnets":[{"id":"/subscriptions/a/x"}]}}`, `{"properties":{}}`, nil, []string{ReasonBack}},
		"subnets are no back references of a network's subnet": {backup.NRP, "subnet", `{"properties":{"addressPrefix":"1"}}`, `{"properties":{"addressPrefix":"2"}}`, []string{"changed properties.addressPrefix -1 +2"}, nil},
		"a shared key":                {backup.NRP, "connection-shared-key", `{"value":"canary"}`, `{"value":"canary2"}`, []string{"changed value secret"}, nil},
		"a machine that was made":     {backup.CRP, "virtual-machine", vm("FromImage", "a"), vm("FromImage", "b"), []string{"changed properties.osProfile.adminUsername -a +b", "changed properties.storageProfile.imageReference.sku -a +b"}, []string{ReasonGUID, ReasonRuntime}},
		"a machine that was restored": {backup.CRP, "virtual-machine", vm("FromImage", "a"), vm("Attach", "b"), nil, []string{ReasonGUID, ReasonAttached, ReasonRuntime}},
		"a size":                      {backup.CRP, "virtual-machine", `{"properties":{"hardwareProfile":{"vmSize":"A1"}}}`, `{"properties":{"hardwareProfile":{"vmSize":"A2"}}}`, []string{"changed properties.hardwareProfile.vmSize -A1 +A2"}, nil},
		"whose disk it is":            {backup.CRP, "disk", `{"managedBy":"/subscriptions/a/x","properties":{"diskState":"Attached","diskSizeGB":1}}`, `{"properties":{"diskState":"Unattached","diskSizeGB":2}}`, []string{"changed properties.diskSizeGB -1 +2"}, []string{ReasonBack, ReasonRuntime}},
		"endpoints":                   {backup.SRP, "storage-account", `{"properties":{"primaryEndpoints":{"blob":"a"},"statusOfPrimary":"available","supportsHttpsTrafficOnly":true}}`, `{"properties":{"primaryEndpoints":{"blob":"b"},"statusOfPrimary":"unavailable","supportsHttpsTrafficOnly":false}}`, []string{"changed properties.supportsHttpsTrafficOnly -true +false"}, []string{ReasonAddress, ReasonRuntime}},
		"access policies":             {backup.KeyVault, "vault", `{"properties":{"vaultUri":"https://a/","accessPolicies":[{"objectId":"S-1-5-11","permissions":{"secrets":["Get","list"]}}]}}`, `{"properties":{"vaultUri":"https://b/","accessPolicies":[{"objectId":"s-1-5-11","permissions":{"secrets":["LIST","get","purge"],"keys":[]}}]}}`, []string{"added properties.accessPolicies[objectId=S-1-5-11].permissions.secrets[] +purge"}, []string{jsondiff.ReasonDefault, ReasonAddress, jsondiff.ReasonCase}},
		"a secret's value":            {backup.KeyVault, "vault-secret-version", `{"value":"canary","id":"https://a/secrets/s/1","attributes":{"updated":1,"enabled":true}}`, `{"value":"canary2","id":"https://b/secrets/s/1","attributes":{"updated":2,"enabled":true}}`, []string{"changed value secret"}, []string{jsondiff.ReasonHost, ReasonTimes}},
		"a blob":                      {backup.KeyVault, "vault-secret-backup", `{"value":"canary"}`, `{"value":"canary2"}`, nil, []string{ReasonBlob}},
		"an issuer's password":        {backup.KeyVault, "vault-certificate-issuer", `{"credentials":{"account_id":"a","pwd":"canary"}}`, `{"credentials":{"account_id":"a","pwd":"canary2"}}`, []string{"changed credentials secret"}, nil},
		"a role's actions":            {backup.RBAC, "role-definition", `{"properties":{"permissions":[{"actions":["a/read","b/*"],"notActions":[]}]}}`, `{"properties":{"permissions":[{"actions":["B/*","a/write"],"notActions":[]}]}}`, []string{"removed properties.permissions[0].actions[] -a/read", "added properties.permissions[0].actions[] +a/write"}, nil},
		"tags":                        {backup.ARM, "resource-group", `{"location":"Local","tags":{"env":"a"}}`, `{"location":"local","tags":{"env":"b"}}`, []string{"changed tags.env -a +b"}, []string{jsondiff.ReasonCase}},
		"no tags":                     {backup.ARM, "resource-group", `{"tags":{}}`, `{"tags":null}`, nil, []string{jsondiff.ReasonDefault}},
		"how many subscribe":          {backup.ARM, "plan", `{"properties":{"subscriptionCount":1,"quotaIds":["/subscriptions/a/x","/subscriptions/a/y"]}}`, `{"properties":{"subscriptionCount":2,"quotaIds":["/subscriptions/a/Y","/subscriptions/a/x"]}}`, nil, []string{ReasonCounter, jsondiff.ReasonOrder}},
	} {
		t.Run(name, func(t *testing.T) {
			var d result.Details
			require.NoError(t, newComparer(t).Compare(c.service, c.kind, enveloped(c.a), enveloped(c.b), &d))
			require.Equal(t, append([]string{}, c.want...), lines(d))
			slices.Sort(c.ignored)
			require.Equal(t, strings.Join(c.ignored, "; "), reasons(d))
			encoded, err := json.Marshal(d.List)
			require.NoError(t, err)
			require.NotContains(t, string(encoded), "canary")
		})
	}
}

func TestEnvelopes(t *testing.T) {
	c := newComparer(t)
	var d result.Details
	plain := `{"location":"a"}`
	coded := `{"endpoint":"tenant","type":"N/t","apiVersion":"2019-01-01","documentBase64":"` + base64.StdEncoding.EncodeToString([]byte("\ufeff{\n\"location\":\"a\"}\n")) + `"}`
	require.NoError(t, c.Compare(backup.ARM, "link", enveloped(plain), []byte(coded), &d))
	require.Empty(t, lines(d))
	require.Equal(t, ReasonVersion, reasons(d))
	require.NoError(t, c.Compare(backup.ARM, "link", enveloped(plain), []byte(strings.Replace(string(enveloped(plain)), "tenant", "admin", 1)), &d))
	require.Equal(t, []string{"changed (endpoint) -tenant +admin"}, lines(d))
	for _, bad := range []string{"", "{}", `{"endpoint":1}`, `{"other":1}`, string(enveloped(`{"a":1,"a":2}`)), string(enveloped(`{}`)) + "x", string(enveloped(`{"a":`))} {
		require.Error(t, c.Compare(backup.ARM, "link", []byte(bad), enveloped(plain), &d), bad)
	}
}

// TestTablesNameKindsThatThereAre: a line for a kind that no collector has says nothing.
func TestTablesNameKindsThatThereAre(t *testing.T) {
	known := map[backup.Service]map[string]bool{}
	for _, table := range []resource.Table{arm.Table(nil), crp.Table(), srp.Table(), nrp.Table(), keyvault.Table(), rbac.Table()} {
		known[table.Service] = map[string]bool{}
		for _, row := range table.Types {
			known[table.Service][row.Kind] = true
		}
	}
	for _, kind := range []string{"secret-version", "key-version", "certificate-version", "certificate-policy", "certificate-issuer", "certificate-contacts", "deleted-key", "deleted-secret", "deleted-certificate", "secret-backup", "key-backup", "certificate-backup"} {
		known[backup.KeyVault]["vault-"+kind] = true // contents of vaults are in no table
	}
	require.Len(t, tables, len(known))
	for service, table := range tables {
		require.True(t, Has(service))
		for kind := range table.kinds {
			require.True(t, known[service][kind], "%s %s", service, kind)
		}
		for kind, reason := range table.derived {
			require.True(t, known[service][kind], "%s %s", service, kind)
			require.Equal(t, reason, Derived(service, kind))
		}
	}
	require.False(t, Has(backup.AD))
	require.Empty(t, Derived(backup.NRP, "subnet"))
}

func TestTwins(t *testing.T) {
	c := newComparer(t)
	twin := func(service backup.Service, kind, id, document string) Twin {
		return c.Twin(service, kind, id, enveloped(document), nil)
	}
	assignment := func(scope, role, who string) Twin {
		return twin(backup.RBAC, "role-assignment", "/x", fmt.Sprintf(`{"properties":{"scope":%q,"roleDefinitionId":%q,"principalId":%q}}`, scope, role, who))
	}
	one := assignment("/subscriptions/A", "/subscriptions/a/providers/M/roleDefinitions/R1", "S-1-5-11")
	require.NotEmpty(t, one.Key)
	require.Equal(t, ReasonName, one.Same)
	require.Equal(t, one, assignment("/subscriptions/a/", "/providers/M/roleDefinitions/r1", "s-1-5-11"))
	require.NotEqual(t, one, assignment("/subscriptions/b", "/providers/M/roleDefinitions/r1", "s-1-5-11"))
	require.NotEqual(t, one, assignment("/subscriptions/a", "/providers/M/roleDefinitions/r2", "s-1-5-11"))
	require.NotEqual(t, one, assignment("/subscriptions/a", "/providers/M/roleDefinitions/r1", "s-1-5-12"))
	mapped := c.Twin(backup.RBAC, "role-assignment", "/x", enveloped(`{"properties":{"scope":"/subscriptions/a","roleDefinitionId":"/x/r1","principalId":"S-1-5-7"}}`), func(string) string { return "s-1-5-11" })
	require.Equal(t, one, mapped)

	secret := func(id, value string, created int) Twin {
		return twin(backup.KeyVault, "vault-secret-version", id, fmt.Sprintf(`{"value":%q,"attributes":{"created":%d}}`, value, created))
	}
	require.Equal(t, secret("/v/secrets/s/1", "a", 1), secret("/v/secrets/s/2", "a", 2))
	require.NotEqual(t, secret("/v/secrets/s/1", "a", 1), secret("/v/secrets/s/2", "b", 1))
	require.NotEqual(t, secret("/v/secrets/s/1", "a", 1), secret("/v/secrets/t/1", "a", 1))

	require.Equal(t, twin(backup.NRP, "virtual-network", "/a", `{"properties":{"resourceGuid":"AB"}}`), twin(backup.NRP, "virtual-network", "/b", `{"properties":{"resourceGuid":"ab"}}`))
	require.Empty(t, twin(backup.NRP, "virtual-network", "/a", `{"properties":{"resourceGuid":"`+nilGUID+`"}}`).Key)
	require.Empty(t, twin(backup.NRP, "virtual-network", "/a", `{}`).Key)
	require.Empty(t, c.Twin(backup.NRP, "virtual-network", "/a", []byte("x"), nil).Key)
	require.Empty(t, assignment("/subscriptions/a", "", "x").Key)
}
