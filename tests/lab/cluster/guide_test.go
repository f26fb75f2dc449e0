package cluster

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCommandsOfASection(t *testing.T) {
	const document = "# T\n\n### One\n\nText.\n\n    a b\n    c\n\nMore, `d`:\n\n    e 'f\n\n```yaml\ng: h\n```\n\n### Two\n\nText.\n"
	lines, err := commands(document, "One")
	require.NoError(t, err)
	require.Equal(t, []string{"a b", "c", "e 'f"}, lines)
	_, err = commands(document, "Two")
	require.ErrorContains(t, err, "no commands")
	_, err = commands(document, "Three")
	require.ErrorContains(t, err, "no section")
}

// prepared are the files and commands as a cluster has them.
func prepared(t *testing.T) (*Cluster, string) {
	t.Helper()
	folder, err := deployFolder()
	require.NoError(t, err)
	c := &Cluster{options: Options{Dir: "/lab", Address: "10.1.2.3"}}
	require.NoError(t, c.choosePorts())
	c.guide = &guide{folder: folder, replace: c.replacer()}
	to := t.TempDir()
	require.NoError(t, c.guide.copyFiles(to))
	return c, to
}

// TestNothingOfTheMachineIsLeft: what belongs to the machine that deploy is written for is replaced,
// in the files and in the commands.
func TestNothingOfTheMachineIsLeft(t *testing.T) {
	c, to := prepared(t)
	var all strings.Builder
	for _, name := range []string{certificates, tokens, database, namespace} {
		lines, err := c.guide.section(name)
		require.NoError(t, err)
		all.WriteString(strings.Join(lines, "\n") + "\n")
	}
	for _, name := range []string{"temporal.yaml", "postgresql.conf", "pg_hba.conf", "dynamic.yaml"} {
		text, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		all.Write(text)
	}
	for _, unit := range []string{"temporal.service", "temporal-keys.service"} {
		command, err := service(filepath.Join(to, unit))
		require.NoError(t, err)
		all.WriteString(command + "\n")
	}
	require.NotRegexp(t, `/etc/|/usr/local|:880/| 880$`, all.String())
	for _, port := range ports[:len(ports)-1] {
		require.NotRegexp(t, `\b`+port+`\b`, all.String())
	}
	require.Contains(t, all.String(), c.Address())
	_, err := service(filepath.Join(to, "temporal.yaml"))
	require.ErrorContains(t, err, "starts nothing")
}

// TestNoSecretInDeploy: the files hold neither keys nor passwords.
func TestNoSecretInDeploy(t *testing.T) {
	_, to := prepared(t)
	entries, err := os.ReadDir(to)
	require.NoError(t, err)
	require.Greater(t, len(entries), 5)
	secret := regexp.MustCompile(`(?i)PRIVATE KEY|^\s*password:|keyData|ey[A-Za-z0-9_-]{20,}\.`)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(to, e.Name()))
		require.NoError(t, err)
		require.NotRegexp(t, secret, string(text), e.Name())
	}
	require.Regexp(t, secret, "-----BEGIN PRIVATE KEY-----", "it can fail")
}
