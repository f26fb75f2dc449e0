package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"infrabackup/internal/codec"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
)

// stubborn makes workers whose Stop waits for ctx.
func stubborn(ctx context.Context, n int) []worker.Worker {
	all := make([]worker.Worker, n)
	for i := range all {
		all[i] = stubbornWorker{ctx: ctx}
	}
	return all
}

type stubbornWorker struct {
	worker.Worker
	ctx context.Context
}

func (s stubbornWorker) Stop() { <-s.ctx.Done() }

// testCodec encrypts with a key of its own.
func testCodec(t *testing.T) *codec.Codec {
	t.Helper()
	line, err := codec.GenerateKeyLine("k", rand.Reader)
	require.NoError(t, err)
	ring, err := codec.ParseKeyring([]byte(line))
	require.NoError(t, err)
	return codec.New(ring)
}

// site is a folder with a worker's configuration, whose CA source is missing.
type site struct{ dir, config, keys string }

func newSite(t *testing.T, address string) site {
	t.Helper()
	s := site{dir: t.TempDir()}
	s.config, s.keys = filepath.Join(s.dir, "worker.yaml"), filepath.Join(s.dir, "codec.keys")
	line, err := codec.GenerateKeyLine("k", rand.Reader)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.keys, []byte(line), 0o600))
	require.NoError(t, os.WriteFile(s.config, fmt.Appendf(nil, `
instance: {name: local, fqdn: local.azurestack.test, region: local, deploymentId: 7c5f3c1e-6a0b-4f7e-9d55-0a3c1f5d2b10}
temporal: {address: "%s"}
codec: {keyFile: codec.keys}
spool: {dir: spool}
host: test
limits: {stopTimeout: 1s}
sources: {ca: {dir: no-such-ca}}
`, address), 0o600))
	return s
}

// manager is a service manager that waits for states.
func manager(t *testing.T) (path string, states <-chan string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	received := make(chan string, 8)
	go func() {
		buffer := make([]byte, 64)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return // closed
			}
			received <- string(buffer[:n])
		}
	}()
	return path, received
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(30 * time.Second):
		require.FailNow(t, "timed out waiting for "+what)
		panic("unreachable")
	}
}

// A worker whose source is broken starts all the same, answers the doctor, and
// ends with 0 when it is told to.
func TestServeAndDrain(t *testing.T) {
	address := lab.Temporal(t)
	s := newSite(t, address)
	p := newProcess("--config", s.config)
	socket, states := manager(t)
	p.env["NOTIFY_SOCKET"] = socket

	code := make(chan int, 1)
	go func() { code <- run(p.process) }()
	require.Equal(t, "READY=1", wait(t, states, "READY=1"), p.err)
	require.Contains(t, p.err.String(), "the source cannot be captured")
	require.Contains(t, p.err.String(), "code=SOURCE_")

	second := newProcess("--config", s.config)
	require.Equal(t, exitConfig, run(second.process), "the spool is in use")
	require.Contains(t, second.err.String(), "another worker uses the spool folder")

	ring, err := codec.LoadKeyring(s.keys)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := temporal.Dial(ctx, temporal.Options{Address: address, Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer c.Close()
	run, err := flow.Diagnose.Start(ctx, c, client.StartWorkflowOptions{
		ID: flow.DiagnoseWorkflowID("local", "1"), TaskQueue: flow.Queue("local"),
	}, flow.DiagnoseInput{Instance: "local"})
	require.NoError(t, err)
	report, err := run.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "test", report.Host)
	require.NotEmpty(t, report.Checks)
	require.False(t, report.Checks[0].OK)

	p.signals <- syscall.SIGTERM
	require.Equal(t, "STOPPING=1", wait(t, states, "STOPPING=1"))
	require.Equal(t, fault.ExitOK, wait(t, code, "the end of the worker"), p.err)
	require.Contains(t, p.err.String(), "msg=draining")
}

func TestCheck(t *testing.T) {
	s := newSite(t, lab.Temporal(t))
	p := newProcess("--check", "--config", s.config)
	require.Equal(t, fault.ExitFailed, run(p.process))
	out := p.out.String()
	for _, want := range []string{"ok    configuration\n", "ok    codec keys\n", "ok    spool ", "ok    Temporal\n", "FAIL  source CA: SOURCE_"} {
		require.Contains(t, out, want)
	}
}

func TestCheckWithoutTemporal(t *testing.T) {
	p := newProcess("--check", "--config", newSite(t, "127.0.0.1:1").config)
	require.Equal(t, fault.ExitTemporal, run(p.process), "the first failure decides")
	require.Contains(t, p.out.String(), "FAIL  Temporal: TEMPORAL_UNREACHABLE")
}

// A stop while Temporal is still awaited is no failure.
func TestStopWhileTemporalIsAway(t *testing.T) {
	p := newProcess("--config", newSite(t, "127.0.0.1:1").config)
	code := make(chan int, 1)
	go func() { code <- run(p.process) }()
	require.Eventually(t, func() bool { return strings.Contains(p.err.String(), "does not answer yet") }, 30*time.Second, 10*time.Millisecond)
	p.signals <- syscall.SIGTERM
	require.Equal(t, fault.ExitOK, wait(t, code, "the end of the worker"), p.err)
}

func TestTemporalOptions(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("file-key\n"), 0o600))
	env := map[string]string{
		"TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "env", "TEMPORAL_TLS_SERVER_NAME": "env", "TEMPORAL_API_KEY": "env-key",
	}
	lookup := func(name string) (string, bool) { value, ok := env[name]; return value, ok }

	o, err := temporal.FromConfig(config.Temporal{}, lookup)
	require.NoError(t, err)
	require.Equal(t, "env:1", o.Address)
	require.Equal(t, "env", o.Namespace)
	require.Equal(t, "env-key", o.APIKey.Reveal())

	o, err = temporal.FromConfig(config.Temporal{Address: "file:2", Namespace: "file", APIKeyFile: key, TLS: config.TLS{CAFile: "/ca"}}, lookup)
	require.NoError(t, err)
	require.Equal(t, "file:2", o.Address)
	require.Equal(t, "file", o.Namespace)
	require.Equal(t, "file-key", o.APIKey.Reveal())
	require.Equal(t, temporal.TLS{CAFile: "/ca"}, o.TLS, "taken as a whole")

	_, err = temporal.FromConfig(config.Temporal{APIKeyFile: key + "x"}, lookup)
	require.ErrorIs(t, err, fault.ConfigInvalid)
}
