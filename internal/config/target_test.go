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

// TestLoadTargets: targets of a worker are called by names that queues can have, each by its own.
func TestLoadTargets(t *testing.T) {
	dir := t.TempDir()
	file := func(name, called string) string {
		path := filepath.Join(dir, name)
		text := "name: " + called + "\nfqdn: b.example.com\ndeploymentId: 99999999-2222-4333-8444-555555555555\nca:\n  dir: ca\n"
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	a, b := file("a.yaml", "site-a"), file("b.yaml", "site-b")
	for name, test := range map[string]struct {
		files []string
		want  string
	}{
		"none":          {nil, ""},
		"two":           {[]string{a, b}, ""},
		"the same name": {[]string{a, file("c.yaml", "site-a")}, "c.yaml: name: " + a + " is called so, too"},
		"twice":         {[]string{a, a}, "is called so, too"},
		"no queue":      {[]string{file("d.yaml", "site a")}, "d.yaml: name: want at most 40 small letters"},
		"a path":        {[]string{file("e.yaml", `"../x"`)}, "e.yaml: name: want"},
		"missing":       {[]string{filepath.Join(dir, "none.yaml")}, "none.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := (&Worker{Targets: test.files}).LoadTargets()
			if test.want != "" {
				require.ErrorIs(t, err, fault.ConfigInvalid)
				require.ErrorContains(t, err, test.want)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, len(test.files))
		})
	}
}
