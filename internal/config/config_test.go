package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

const minimal = `instance:
  name: local
  fqdn: local.azurestack.test
  region: local
  deploymentId: 7c5f3c1e-6a0b-4f7e-9d55-0a3c1f5d2b10
codec:
  keyFile: codec.keys
spool:
  dir: /var/lib/infrabackup/spool
sources:
  ca:
    dir: CA
`

func hostname() (string, error) { return "Worker-1.Example.COM", nil }

func TestDefaults(t *testing.T) {
	w, err := Decode("w.yaml", []byte(minimal), "/etc/infrabackup", hostname)
	require.NoError(t, err)
	require.Equal(t, &Worker{
		Instance: Instance{Name: "local", FQDN: "local.azurestack.test", Region: "local", DeploymentID: "7c5f3c1e-6a0b-4f7e-9d55-0a3c1f5d2b10"},
		Codec:    Codec{KeyFile: "/etc/infrabackup/codec.keys"},
		Spool:    Spool{Dir: "/var/lib/infrabackup/spool"},
		Host:     "worker-1.example.com",
		Limits:   Limits{StopTimeout: 20 * time.Second},
		Log:      Log{Level: "info", Format: "text"},
		Sources:  Sources{CA: &CA{Dir: "/etc/infrabackup/CA"}},
	}, w)
	require.False(t, w.Sources.CaptureADCS(), "there is no AD source")
}

func TestExample(t *testing.T) {
	data, err := os.ReadFile("../../deploy/worker.example.yaml")
	require.NoError(t, err)
	w, err := Decode("worker.example.yaml", data, "/etc/infrabackup", hostname)
	require.NoError(t, err)
	require.True(t, w.Sources.AD.CaptureSYSVOL())
	require.True(t, w.Sources.CaptureADCS())
	require.Equal(t, 20*time.Second, w.Limits.StopTimeout)
	require.Equal(t, "temporal.example.com:7233", w.Temporal.Address)

	t.Run("shows every key", func(t *testing.T) {
		for _, name := range leafKeys(reflect.TypeFor[Worker]()) {
			require.Regexp(t, `(?m)^\s*(# )?`+name+`:`, string(data))
		}
	})
	t.Run("its commented keys are right too", func(t *testing.T) {
		uncommented := strings.NewReplacer("# host:", "host:", "# enabled:", "enabled:", "# serverName:", "serverName:", "# apiKeyFile:", "apiKeyFile:",
			"# resolver:", "resolver:", "# vaultDomain:", "vaultDomain:", "# vaultAudience:", "vaultAudience:",
			"# targets:", "targets:", "#   - /etc/infrabackup/targets", "  - /etc/infrabackup/targets", "# drillSigners:", "drillSigners:",
			"clientSecretFile:", "# clientSecretFile:", "# clientCertFile:", "clientCertFile:").Replace(string(data))
		require.NotEqual(t, string(data), uncommented)
		w, err := Decode("worker.example.yaml", []byte(uncommented), "/etc/infrabackup", hostname)
		require.NoError(t, err)
		require.Equal(t, []string{"/etc/infrabackup/targets/site-b.yaml"}, w.Targets)
		require.Equal(t, "/etc/infrabackup/drill_signers", w.DrillSigners)
	})
}

func leafKeys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		field := t.Field(i)
		keys = append(keys, field.Tag.Get("yaml"))
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, leafKeys(inner)...)
		}
	}
	return keys
}

func TestEveryFieldHasAKey(t *testing.T) {
	for _, key := range leafKeys(reflect.TypeFor[Worker]()) {
		require.NotEmpty(t, key)
	}
}

func TestMistakes(t *testing.T) {
	with := func(old, replacement string) string {
		require.Contains(t, minimal, old)
		return strings.Replace(minimal, old, replacement, 1)
	}
	ad := func(lines string) string { return minimal + "  ad:\n" + lines }
	const goodAD = "    url: ldaps://dc1\n    caFile: ca.pem\n    username: svc\n    passwordFile: p\n"
	for name, test := range map[string]struct{ yaml, want string }{
		"empty":                {"", "w.yaml: the file is empty"},
		"comments only":        {"# nothing\n", "w.yaml: the file is empty"},
		"not a mapping":        {"- a\n", "w.yaml:1: the file is not a mapping"},
		"not YAML":             {"instance: [\n", "w.yaml:1: not YAML: did not find"},
		"tab":                  {"instance:\n\tname: x\n", "w.yaml:2: not YAML"},
		"binary":               {"\x00\x01", "w.yaml: not YAML"},
		"second document":      {minimal + "---\na: b\n", "w.yaml:13: a second YAML document"},
		"unknown key":          {with("  region: local", "  region: local\n  regin: x"), "w.yaml:5: instance.regin: unknown key; known here: name, fqdn"},
		"unknown top key":      {minimal + "password: canary-secret\n", "w.yaml:13: password: unknown key"},
		"key in another case":  {with("codec:", "Codec:"), "w.yaml:6: Codec: unknown key"},
		"repeated key":         {minimal + "spool: {dir: /x}\n", "w.yaml:13: spool: the key appears twice"},
		"list for text":        {with("region: local", "region: [canary-secret]"), "w.yaml:4: instance.region: want a single value"},
		"number for text":      {with("region: local", "region: 1"), "w.yaml:4: instance.region: want text"},
		"text for mapping":     {with("spool:\n  dir: /var/lib/infrabackup/spool", "spool: canary-secret"), "w.yaml:8: spool: want a mapping"},
		"text for duration":    {minimal + "limits: {stopTimeout: canary-secret}\n", "w.yaml:13: limits.stopTimeout: want a duration"},
		"bare duration":        {minimal + "limits: {stopTimeout: 20}\n", "w.yaml:13: limits.stopTimeout: want a duration"},
		"short duration":       {minimal + "limits: {stopTimeout: 1ms}\n", "limits.stopTimeout: want 1s"},
		"text for truth value": {ad(goodAD + "    sysvol: perhaps\n"), "w.yaml:18: sources.ad.sysvol: want true or false"},
		"anchor":               {with("region: local", "region: &a local"), "w.yaml:4: instance.region: want a value without anchors"},
		"merge key":            {minimal + "<<: {a: b}\n", "w.yaml:13: a key is not a plain word"},
		"bad instance name":    {with("name: local", "name: Lo_cal"), `w.yaml:2: instance.name: instance name "Lo_cal"`},
		"missing instance":     {"codec:" + strings.Split(minimal, "codec:")[1], "w.yaml: instance.name: missing"},
		"missing name":         {with("  name: local\n", ""), "w.yaml:1: instance.name: missing"},
		"empty name":           {with("name: local", "name:"), "w.yaml:2: instance.name: missing"},
		"missing fqdn":         {with("  fqdn: local.azurestack.test\n", ""), "instance.fqdn: missing"},
		"bad guid":             {with("7c5f3c1e", "7c5f"), "w.yaml:5: instance.deploymentId: want a GUID"},
		"missing codec key":    {with("codec:\n  keyFile: codec.keys\n", ""), "w.yaml: codec.keyFile: missing"},
		"missing spool":        {with("spool:\n  dir: /var/lib/infrabackup/spool\n", ""), "spool.dir: missing"},
		"no source":            {with("sources:\n  ca:\n    dir: CA\n", ""), "w.yaml: sources: no source is configured"},
		"empty source":         {with("    dir: CA\n", ""), "w.yaml:11: sources.ca: missing: the key is there without a value"},
		"empty CA folder":      {with("    dir: CA\n", "    dir: ''\n"), "w.yaml:12: sources.ca.dir: missing"},
		"ADCS without AD":      {minimal + "    adcs: true\n", "w.yaml:13: sources.ca.adcs: needs sources.ad"},
		"plain LDAP":           {ad(strings.Replace(goodAD, "ldaps", "ldap", 1)), "w.yaml:14: sources.ad.url: only ldaps://"},
		"LDAP with path":       {ad(strings.Replace(goodAD, "dc1", "dc1/dc=x", 1)), "sources.ad.url: want ldaps://host"},
		"LDAP with password":   {ad(strings.Replace(goodAD, "dc1", "u:canary-secret@dc1", 1)), "sources.ad.url: want ldaps://host"},
		"LDAP port":            {ad(strings.Replace(goodAD, "dc1", "dc1:99999", 1)), "sources.ad.url: the port"},
		"no CA file":           {ad(strings.Replace(goodAD, "    caFile: ca.pem\n", "", 1)), "w.yaml:13: sources.ad.caFile: missing"},
		"no user":              {ad(strings.Replace(goodAD, "    username: svc\n", "", 1)), "sources.ad.username: missing"},
		"user with line break": {ad(strings.Replace(goodAD, "svc", `"a\nb"`, 1)), "sources.ad.username: too long, or"},
		"no password file":     {ad(strings.Replace(goodAD, "    passwordFile: p\n", "", 1)), "sources.ad.passwordFile: missing"},
		"bad host":             {minimal + "host: 'a/b'\n", "w.yaml:13: host: want a host name"},
		"bad address":          {minimal + "temporal: {address: localhost}\n", "temporal.address: want host:port"},
		"half a certificate":   {minimal + "temporal: {tls: {certFile: a}}\n", "temporal.tls: certFile and keyFile go together"},
		"API key in clear":     {minimal + "temporal: {apiKeyFile: a}\n", "temporal.apiKeyFile: an API key needs tls"},
		"bad level":            {minimal + "log: {level: loud}\n", "log.level: want debug"},
		"bad format":           {minimal + "log: {format: xml}\n", "log.format: want text or json"},
		"too large":            {minimal + strings.Repeat("#", maxFileBytes), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode("w.yaml", []byte(test.yaml), "/etc", hostname)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "canary", "values may be misplaced secrets")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestNoHostname(t *testing.T) {
	_, err := Decode("w.yaml", []byte(minimal), "/etc", func() (string, error) { return "", errors.New("no name") })
	require.ErrorIs(t, err, fault.ConfigInvalid)
	require.ErrorContains(t, err, "for the key host")
}

func TestLoadChecksFiles(t *testing.T) {
	write := func(t *testing.T, yaml string, keyMode os.FileMode) string {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "codec.keys"), []byte("x"), keyMode))
		require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
		path := filepath.Join(dir, "worker.yaml")
		require.NoError(t, os.WriteFile(path, []byte(yaml), 0o644))
		return path
	}
	t.Run("all there", func(t *testing.T) {
		path := write(t, minimal, 0o600)
		w, err := Load(path, hostname)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(filepath.Dir(path), "codec.keys"), w.Codec.KeyFile)
	})
	for name, test := range map[string]struct {
		yaml string
		mode os.FileMode
		want string
	}{
		"secret for all": {minimal, 0o644, "worker.yaml:7: codec.keyFile: "},
		"missing file":   {strings.Replace(minimal, "codec.keys", "nowhere", 1), 0o600, "worker.yaml:7: codec.keyFile: "},
		"folder":         {strings.Replace(minimal, "codec.keys", "folder", 1), 0o600, "folder is not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load(write(t, test.yaml, test.mode), hostname)
			require.ErrorIs(t, err, fault.ConfigInvalid)
			require.ErrorContains(t, err, test.want)
		})
	}
	t.Run("no configuration", func(t *testing.T) {
		_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), hostname)
		require.ErrorIs(t, err, fault.ConfigInvalid)
		require.ErrorIs(t, err, os.ErrNotExist)
	})
	t.Run("a folder", func(t *testing.T) {
		_, err := Load(t.TempDir(), hostname)
		require.ErrorIs(t, err, fault.ConfigInvalid)
	})
}

// FuzzDecode: whatever stands in the file, the result is a valid configuration or
// one line of CONFIG_INVALID.
func FuzzDecode(f *testing.F) {
	example, err := os.ReadFile("../../deploy/worker.example.yaml")
	require.NoError(f, err)
	for _, seed := range []string{minimal, string(example), "a: &a [*a]", "? {a: b}\n: c", "!!binary x", "---\n---\n", "{}", "instance: !!str"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Decode("w.yaml", data, "/etc", hostname)
		if err != nil {
			require.ErrorIs(t, err, fault.ConfigInvalid)
			return
		}
		require.NoError(t, w.Validate())
	})
}
