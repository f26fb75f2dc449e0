package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme runs every command of the README's tour, as its reader would.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme := readAll(t, filepath.Join("..", "..", "README.md"))
	_, tour, found := strings.Cut(readme, "## A five-minute tour")
	require.True(t, found)
	var commands []string
	for line := range strings.Lines(tour) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, strings.TrimSpace(command))
		}
	}
	require.GreaterOrEqual(t, len(commands), 10)
	o := newOperator(t)
	require.NoError(t, os.Symlink(binaries(t), o.file("bin")))
	p := o.serve()
	o.write("serve.token", p.token)
	for _, command := range commands {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", command)
		cmd.Dir = o.dir
		cmd.Env = append(os.Environ(), "INFRABACKUP_INSTANCE="+o.instance, "INFRABACKUP_CODEC_KEY_FILE="+o.file("codec.keys"),
			"LAB_IDENTITY="+o.file("operator.key"), "LAB_RECIPIENT="+o.recipient,
			"LAB_SERVE_URL="+p.base, "LAB_SERVE_CA="+o.file("serve.pem"), "LAB_SERVE_TOKEN_FILE="+o.file("serve.token"), "LAB_SERVE_SUBSCRIPTION="+subscription)
		for key, value := range o.env {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", command, out)
	}
}
