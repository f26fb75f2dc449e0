package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

const goodAzure = `  azure:
    managementUrl: https://management.local.azurestack.test
    adminManagementUrl: https://adminmanagement.local.azurestack.test:30024
    authorityUrl: https://adfs.local.azurestack.test/
    clientId: reader
    clientSecretFile: azure.secret
`

func TestAzure(t *testing.T) {
	w, err := Decode("w.yaml", []byte(minimal+goodAzure), "/etc", hostname)
	require.NoError(t, err)
	require.Equal(t, "/etc/azure.secret", w.Sources.Azure.ClientSecretFile)
	require.Equal(t, "reader", w.Sources.Azure.ClientID)

	alone := strings.Replace(minimal, "  ca:\n    dir: CA\n", "", 1) + goodAzure
	_, err = Decode("w.yaml", []byte(alone), "/etc", hostname)
	require.NoError(t, err, "a stamp alone is a source")

	for name, test := range map[string]struct{ old, replacement, want string }{
		"no management URL":   {"    managementUrl: https://management.local.azurestack.test\n", "", "sources.azure.managementUrl: missing"},
		"plain HTTP":          {"https://management", "http://management", "sources.azure.managementUrl: want https://host"},
		"URL with path":       {":30024", ":30024/metadata", "sources.azure.adminManagementUrl: want https://host"},
		"URL with password":   {"https://adfs", "https://u:canary-secret@adfs", "sources.azure.authorityUrl: want https://host"},
		"URL with query":      {"azurestack.test/\n", "azurestack.test/?canary\n", "sources.azure.authorityUrl: want https://host"},
		"no client":           {"clientId: reader", "clientId:", "sources.azure.clientId: missing"},
		"client with a blank": {"clientId: reader", "clientId: 'canary secret'", "sources.azure.clientId: want the ID"},
		"no credential":       {"    clientSecretFile: azure.secret\n", "", "sources.azure: give clientSecretFile or clientCertFile"},
		"two credentials":     {"    clientSecretFile: azure.secret\n", "    clientSecretFile: a\n    clientCertFile: b\n", "sources.azure: give clientSecretFile or clientCertFile"},
		"tenant with slash":   {"clientId: reader", "clientId: reader\n    tenant: a/b", "sources.azure.tenant: want adfs"},
		"bad resolver":        {"clientId: reader", "clientId: reader\n    resolver: 127.0.0.1", "sources.azure.resolver: want host:port"},
		"bad vault domain":    {"clientId: reader", "clientId: reader\n    vaultDomain: a/b", "sources.azure.vaultDomain: want a domain"},
		"bad vault audience":  {"clientId: reader", "clientId: reader\n    vaultAudience: vault", "sources.azure.vaultAudience: want https"},
		"bad choice":          {"clientId: reader", "clientId: reader\n    unreadableSubscriptions: ignore", "sources.azure.unreadableSubscriptions: want fail or gap"},
		"list":                {"clientId: reader", "clientId: [reader]", "sources.azure.clientId: want a single value"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, goodAzure, test.old)
			_, err := Decode("w.yaml", []byte(minimal+strings.Replace(goodAzure, test.old, test.replacement, 1)), "/etc", hostname)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
