package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

const goodServe = `baseUrl: https://backup.example.com
hosts: [10.0.0.7]
tls: {certFile: cert.pem, keyFile: key.pem}
subscriptionId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11
stateDir: state
codec: {keyFile: codec.keys}
issuer:
  url: https://adfs.example.com/adfs
  audiences: [https://backup.example.com/api]
  clientId: page
  roles: {backup-admins: owner, "1234": reader}
instances:
  - {name: local, fqdn: local.example.com, region: local, deploymentId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11, restore: {target: site-b}}
  - {name: second, fqdn: second.example.com, region: local, location: second, deploymentId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12}
`

var clients = `clientCertificates:
  caFile: cert.pem
  roles: {arm.example.com: reader, "CD:` + strings.Repeat("cd", 31) + `": operator}
`

// serveFile writes a configuration with the files that it names.
func serveFile(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"cert.pem", "key.pem", "codec.keys"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	file := filepath.Join(dir, "serve.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

func TestLoadServe(t *testing.T) {
	file := serveFile(t, goodServe)
	s, err := LoadServe(file)
	require.NoError(t, err)
	require.Equal(t, DefaultListen, s.Listen)
	require.Equal(t, "local", s.Instances[0].Location)
	require.Equal(t, "second", s.Instances[1].Location)
	require.Equal(t, &ServedRestore{Target: "site-b"}, s.Instances[0].Restore, "production has to be said")
	require.Nil(t, s.Instances[1].Restore)
	require.Equal(t, map[string]string{"backup-admins": "owner", "1234": "reader"}, s.Issuer.Roles)
	require.Equal(t, "roles", s.Issuer.RoleClaim)
	require.Equal(t, filepath.Join(filepath.Dir(file), "state"), s.StateDir)
}

func TestServeMistakesAreNamed(t *testing.T) {
	for name, row := range map[string]struct{ from, to, want string }{
		"no base URL":                     {"baseUrl: https://backup.example.com", "listen: 127.0.0.1:1", "baseUrl"},
		"base URL in clear":               {"https://backup.example.com\n", "http://backup.example.com\n", "baseUrl"},
		"path in base URL":                {"https://backup.example.com\n", "https://backup.example.com/x\n", "baseUrl"},
		"no TLS":                          {"tls: {certFile: cert.pem, keyFile: key.pem}\n", "", "tls"},
		"no such file":                    {"cert.pem", "none.pem", "tls.certFile"},
		"subscription":                    {"subscriptionId: 0b1f", "subscriptionId: zzzz", "subscriptionId"},
		"host":                            {"[10.0.0.7]", "[\"a b\"]", "hosts"},
		"hosts is a word":                 {"[10.0.0.7]", "10.0.0.7", "hosts"},
		"role":                            {"owner", "king", "issuer.roles"},
		"no audience":                     {"  audiences: [https://backup.example.com/api]\n", "", "issuer.audiences"},
		"page is audience":                {"[https://backup.example.com/api]", "[page]", "issuer.audiences"},
		"a blank in one":                  {"location: second", "location: sec ond", "instances"},
		"a region of blanks":              {"region: local, location: second", "region: lo cal", "instances"},
		"two locations":                   {"location: second", "location: LOCAL", "instances"},
		"two names":                       {"name: second", "name: local", "instances"},
		"fqdn of the second":              {"fqdn: second.example.com", "fqdn: \"-\"", "instances[1].fqdn"},
		"unknown key":                     {"stateDir", "stateDirectory", "stateDirectory"},
		"no name of a target":             {"second, deploymentId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12}", "second, deploymentId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12, restore: {target: Site B}}", "instances[1].restore.target"},
		"a restore into nothing":          {"second, deploymentId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12}", "second, deploymentId: 0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a12, restore: {production: true}}", "instances[1].restore.target"},
		"unknown in a list":               {"{name: local,", "{nme: local,", "instances[0].nme"},
		"Resource Manager without a role": {"instances:\n", clients + "  resourceManager: " + strings.Repeat("ab", 32) + "\ninstances:\n", "resourceManager: it has no role"},
		"Resource Manager by a name":      {"instances:\n", clients + "  resourceManager: arm.example.com\ninstances:\n", "resourceManager"},
		"a name twice":                    {"\"1234\": reader", "backup-admins: reader", "issuer.roles"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, goodServe, strings.ReplaceAll(row.from, "\\n", "\n"))
			_, err := LoadServe(serveFile(t, strings.Replace(goodServe, row.from, row.to, 1)))
			require.Equal(t, fault.ConfigInvalid, fault.CodeOf(err))
			require.ErrorContains(t, err, row.want)
		})
	}
}

// TestResourceManagerHasARole: however its digest is written.
func TestResourceManagerHasARole(t *testing.T) {
	for name, digest := range map[string]string{"as it is in roles": "CD:" + strings.Repeat("cd", 31), "without colons": strings.Repeat("cd", 32)} {
		t.Run(name, func(t *testing.T) {
			s, err := LoadServe(serveFile(t, goodServe+clients+"  resourceManager: \""+digest+"\"\n"))
			require.NoError(t, err)
			require.Equal(t, digest, s.ClientCertificates.ResourceManager)
		})
	}
}

// TestServeExample: the example is a configuration, also with all that is in comments.
func TestServeExample(t *testing.T) {
	data, err := os.ReadFile("../../deploy/serve.example.yaml")
	require.NoError(t, err)
	for name, text := range map[string]string{
		"as it is": string(data),
		"whole":    regexp.MustCompile(`(?m)^# ((?:  )?[a-zA-Z]+:(?: |$))`).ReplaceAllString(regexp.MustCompile(`(?m)^#   `).ReplaceAllString(string(data), "  "), "$1"),
	} {
		t.Run(name, func(t *testing.T) {
			s := &Serve{}
			_, err := decode([]byte(text), s, "/etc/infrabackup", nil)
			require.NoError(t, err)
			require.Equal(t, name == "whole", s.Issuer != nil && s.Webhook != nil && s.ClientCertificates != nil)
		})
	}
}
