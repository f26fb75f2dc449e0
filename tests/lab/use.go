package lab

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"infrabackup/tests/tier"
)

// EnvVariable names the folder of a lab that runs already and that tests share.
const EnvVariable = "INFRABACKUP_LAB"

// RequireVariable, when "1", makes tests that need real servers fail where these
// cannot run, instead of being skipped.
const RequireVariable = "INFRABACKUP_REQUIRE_LAB"

// Environment is how tests see a lab: the variables of [Lab.Env].
type Environment map[string]string

var private struct {
	once sync.Once
	lab  *Lab
	err  error
}

// Use returns the lab that tests share: the one that [EnvVariable] names, else one
// that is started for this test binary, which [Main] stops.
func Use(t testing.TB) Environment {
	t.Helper()
	tier.NeedsServers(t)
	if dir := os.Getenv(EnvVariable); dir != "" {
		env, err := readEnv(filepath.Join(dir, "env"))
		if err != nil {
			t.Fatalf("read the lab's environment: %v", err)
		}
		return env
	}
	Require(t)
	private.once.Do(func() {
		dir, err := os.MkdirTemp("", "infrabackup-lab")
		if err == nil {
			private.lab, err = Start(context.Background(), Options{Dir: dir, Seed: 7})
		}
		private.err = err
	})
	if private.err != nil {
		t.Fatal(private.err)
	}
	return private.lab.Env()
}

// Require ends a test that needs real servers where they cannot run, and in the quick
// tier.
func Require(t testing.TB) {
	t.Helper()
	tier.NeedsServers(t)
	problems := Missing()
	if len(problems) == 0 {
		return
	}
	if os.Getenv(RequireVariable) == "1" {
		t.Fatalf("real servers are required and cannot run: %v", problems)
	}
	t.Skipf("real servers cannot run here: %v", problems)
}

// Main runs a package's tests and stops what they may have started here.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if err := stopShared(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the lab:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func readEnv(file string) (Environment, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	env := Environment{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		key, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		if ok {
			env[key] = strings.Trim(value, "'")
		}
	}
	return env, lines.Err()
}
