package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func TestLoadTarget(t *testing.T) {
	const head = "name: b\nfqdn: b.example.com\ndeploymentId: 99999999-2222-4333-8444-555555555555\n"
	const stamp = "azure:\n  managementUrl: https://management.b.example.com\n  adminManagementUrl: https://adminmanagement.b.example.com\n  authorityUrl: https://adfs.b.example.com\n  clientId: x\n  clientSecretFile: target.yaml\n"
	for name, test := range map[string]struct{ file, want string }{
		"a CA":                {head + "ca:\n  dir: ca\n", ""},
		"no name":             {"fqdn: b.example.com\n", "name: missing"},
		"no ID":               {"name: b\nfqdn: b.example.com\n", "deploymentId: missing"},
		"nothing":             {head, "no target is configured"},
		"a folder":            {head + "ca: {}\n", "ca.dir: missing"},
		"directory of CA":     {head + "ca:\n  dir: ca\n  adcs: true\n", "ca.adcs"},
		"no TLS":              {head + "ad:\n  url: ldap://dc\n", "ad.url: only ldaps"},
		"missing file":        {head + "ad:\n  url: ldaps://dc\n  caFile: none.pem\n  username: u\n  passwordFile: none\n", "ad.caFile"},
		"accounts, no stamp":  {head + "ca:\n  dir: ca\nownAccounts: [99999999-2222-4333-8444-555555555555]\n", "there is neither"},
		"no account":          {head + stamp + "ownAccounts: [backup]\n", "no ID of an application"},
		"another cloud":       {head + strings.ReplaceAll(stamp, "https://management.b.", "https://management.a."), "azure.managementUrl: its host is not below b.example.com"},
		"another, for admins": {head + strings.ReplaceAll(stamp, "https://adminmanagement.b.", "https://adminmanagement.xb."), "azure.adminManagementUrl"},
		"unknown key":         {head + "sources: {}\n", "sources"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "target.yaml")
			require.NoError(t, os.WriteFile(file, []byte(test.file), 0o600))
			got, err := LoadTarget(file)
			if test.want == "" {
				require.NoError(t, err)
				require.Equal(t, filepath.Join(dir, "ca"), got.CA.Dir)
				return
			}
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.ErrorContains(t, err, test.want)
		})
	}
}
