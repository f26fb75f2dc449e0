package build

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecordedVersion(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for want, info := range map[string]debug.BuildInfo{
		"v1.2.3":       {Main: debug.Module{Version: "v1.2.3"}},
		"abc123":       {Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{setting("vcs.revision", "abc123"), setting("vcs.modified", "false")}},
		"abc123-dirty": {Settings: []debug.BuildSetting{setting("vcs.modified", "true"), setting("vcs.revision", "abc123")}},
		"devel":        {Main: debug.Module{Version: "(devel)"}},
	} {
		require.Equal(t, want, recorded(&info))
	}
}

// The linker's flag has a target, in every place that builds the product, and the
// package is linked into both programs.
func TestTheBuildsVersionHasATarget(t *testing.T) {
	const flag = "infrabackup/internal/build.version="
	for _, file := range []string{"Makefile", filepath.Join("deploy", "container", "Containerfile")} {
		data, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		require.Contains(t, string(data), "-X "+flag, file)
	}
	for _, program := range []string{"./starter", "./worker"} {
		cmd := exec.Command("go", "list", "-deps", program)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Contains(t, strings.Fields(string(out)), "infrabackup/internal/build", program)
	}
	// What a flag sets is what is told, also of a build that knows no commit.
	cmd := exec.Command("go", "run", "-buildvcs=false", "-ldflags", "-X "+flag+"v9.8.7-test", "./testdata/version")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "v9.8.7-test", strings.TrimSpace(string(out)))
}
