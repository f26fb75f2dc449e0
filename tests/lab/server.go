package lab

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"infrabackup/tests/tier"
)

var lone struct {
	once   sync.Once
	server *testsuite.DevServer
	err    error
}

// Temporal returns the address of a real Temporal server: that of the lab that
// [EnvVariable] names, else one that is started for this test binary, which [Main]
// stops. Tests share it, so each uses names of its own.
func Temporal(t testing.TB) string {
	t.Helper()
	tier.NeedsServers(t)
	if dir := os.Getenv(EnvVariable); dir != "" {
		env, err := readEnv(filepath.Join(dir, "env"))
		if err != nil {
			t.Fatalf("read the lab's environment: %v", err)
		}
		return env["TEMPORAL_ADDRESS"]
	}
	binary := temporalFor(t)
	lone.once.Do(func() { lone.server, lone.err = startDevServer(binary) })
	if lone.err != nil {
		t.Fatal(lone.err)
	}
	return lone.server.FrontendHostPort()
}

// DevServer starts a Temporal server of the test's own, whose state is new, and stops it
// when the test ends. Most tests share [Temporal].
func DevServer(t testing.TB) *testsuite.DevServer {
	t.Helper()
	tier.NeedsServers(t)
	server, err := startDevServer(temporalFor(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// temporalFor finds the Temporal program, or ends the test.
func temporalFor(t testing.TB) string {
	t.Helper()
	binary, err := temporalBinary()
	if err != nil {
		if os.Getenv(RequireVariable) == "1" {
			t.Fatal("no temporal program on PATH, in GOBIN or in GOPATH/bin")
		}
		t.Skip("no temporal program on PATH, in GOBIN or in GOPATH/bin")
	}
	return binary
}

func startDevServer(binary string) (*testsuite.DevServer, error) {
	return testsuite.StartDevServer(context.Background(), testsuite.DevServerOptions{
		ExistingPath: binary, LogLevel: "error", Stdout: io.Discard, Stderr: io.Discard,
	})
}

// stopShared stops what [Use] and [Temporal] have started for this test binary.
func stopShared() error {
	var errs []error
	if lone.server != nil {
		errs = append(errs, lone.server.Stop())
	}
	if private.lab != nil {
		err := private.lab.Stop(context.Background())
		if err == nil {
			err = os.RemoveAll(private.lab.dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
