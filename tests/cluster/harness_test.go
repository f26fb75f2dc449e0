package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"infrabackup/tests/lab"
	"infrabackup/tests/lab/cluster"
	"infrabackup/tests/lab/distance"
	"infrabackup/tests/tier"
)

func TestMain(m *testing.M) { lab.Main(tests{m}) }

// tests are this package's tests and what they share.
type tests struct{ *testing.M }

// Run implements the interface that the lab wraps.
func (t tests) Run() int {
	code := t.M.Run()
	for i := len(shared.undo) - 1; i >= 0; i-- {
		if err := shared.undo[i](); err != nil {
			fmt.Fprintln(os.Stderr, "take back what the tests set up:", err)
			code = max(code, 1)
		}
	}
	return code
}

// shared is what all tests of the package have together: its tests are not run beside each
// other, but for those that say so, because they stop its servers.
var shared struct {
	once    sync.Once
	err     error
	undo    []func() error
	cluster *cluster.Cluster
	network *network
	env     lab.Environment
	bin     string
}

// use starts the cluster once, with the share of the lab on the bridge. Where it cannot run, the
// test is left out and says why.
func use(t *testing.T) {
	t.Helper()
	if !tier.Soak() {
		t.Skip("in the soak only: the Temporal server takes minutes to build")
	}
	if problems := cluster.Missing(); len(problems) > 0 {
		t.Skipf("a Temporal cluster cannot run here: %v", problems)
	}
	env := lab.Use(t)
	shared.once.Do(func() { shared.err = setUp(env) })
	require.NoError(t, shared.err)
}

func setUp(env lab.Environment) error {
	shared.env = env
	var err error
	if shared.bin, err = binaries(); err != nil {
		return err
	}
	if shared.network, err = newNetwork(); err != nil {
		return err
	}
	shared.undo = append(shared.undo, shared.network.close)
	share, err := distance.Open(distance.Options{Listen: shared.network.address + ":445", Target: strings.Split(env["LAB_SHARE"], `\`)[2] + ":445"})
	if err != nil {
		return err
	}
	shared.undo = append(shared.undo, share.Close)
	dir, err := os.MkdirTemp("/tmp", "infrabackup-cluster")
	if err != nil {
		return err
	}
	shared.undo = append(shared.undo, func() error { return os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL runs as another user
		return err
	}
	shared.cluster, err = lab.StartCluster(context.Background(), dir, shared.network.address)
	if err != nil {
		return err
	}
	shared.undo = append(shared.undo, func() error { return shared.cluster.Stop(context.Background()) })
	return nil
}

// binaries is the folder of the product's programs.
func binaries() (string, error) {
	if dir := os.Getenv("INFRABACKUP_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "infrabackup-bin")
	if err != nil {
		return "", err
	}
	shared.undo = append(shared.undo, func() error { return os.RemoveAll(dir) })
	for name, pkg := range map[string]string{"infrabackup": "./starter", "infrabackup-worker": "./worker"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w: %s", name, err, out)
		}
	}
	return dir, nil
}

// sh runs a command to its end.
func sh(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return nil
}
