package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

func TestLoadTarget(t *testing.T) {
	const head = "name: b\nfqdn: b.example.com\ndeploymentId: 99999999-2222-4333-8444-555555555555\n"
	for name, test := range map[string]struct{ file, want string }{
		"a CA":            {head + "ca:\n  dir: ca\n", ""},
		"no name":         {"fqdn: b.example.com\n", "name: missing"},
		"no ID":           {"name: b\nfqdn: b.example.com\n", "deploymentId: missing"},
		"nothing":         {head, "no target is configured"},
		"a folder":        {head + "ca: {}\n", "ca.dir: missing"},
		"directory of CA": {head + "ca:\n  dir: ca\n  adcs: true\n", "ca.adcs"},
		"no TLS":          {head + "ad:\n  url: ldap://dc\n", "ad.url: only ldaps"},
		"missing file":    {head + "ad:\n  url: ldaps://dc\n  caFile: none.pem\n  username: u\n  passwordFile: none\n", "ad.caFile"},
		"unknown key":     {head + "sources: {}\n", "sources"},
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
