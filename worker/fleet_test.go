package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
)

// named makes the configuration of a site that of another instance.
func (s site) named(t *testing.T, name string) {
	t.Helper()
	text, err := os.ReadFile(s.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.config, []byte(strings.Replace(string(text), "name: local,", "name: "+name+",", 1)), 0o600))
}

// TestFleet: a process that serves several instances answers for each, also while the configuration of
// one is wrong, and takes that one up when it was mended.
func TestFleet(t *testing.T) {
	address := lab.Temporal(t)
	var sites []site
	args := []string{}
	for _, name := range []string{"fleet-a", "fleet-b", "fleet-c"} {
		s := newSite(t, address)
		s.named(t, name)
		sites, args = append(sites, s), append(args, "--config", s.config)
	}
	good, err := os.ReadFile(sites[1].config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(sites[1].config, []byte("instance: {"), 0o600))
	p := newProcess(args...)
	socket, states := manager(t)
	p.env["NOTIFY_SOCKET"] = socket
	var rooms []int
	p.room = func(n int) { rooms = append(rooms, n) }
	code := make(chan int, 1)
	go func() { code <- run(p.process) }()
	require.Equal(t, "READY=1", wait(t, states, "READY=1"), p.err)
	require.Equal(t, []int{3}, rooms)
	require.Contains(t, p.err.String(), "the instance cannot be served; the others are")
	require.Contains(t, p.err.String(), sites[1].config)
	requireAnswers(t, address, sites[0], "fleet-a")
	requireAnswers(t, address, sites[2], "fleet-c")

	require.NoError(t, os.WriteFile(sites[1].config, good, 0o600))
	requireAnswers(t, address, sites[1], "fleet-b")

	p.signals <- syscall.SIGTERM
	require.Equal(t, fault.ExitOK, wait(t, code, "the end of the worker"), p.err)
	require.Equal(t, 3, strings.Count(p.err.String(), "msg=draining"), "each is drained")
	select {
	case state := <-states:
		require.Equal(t, "STOPPING=1", state, "it is ready once")
	default:
	}
}

// requireAnswers makes sure that a worker of an instance answers, with its own key.
func requireAnswers(t *testing.T, address string, s site, instance string) {
	t.Helper()
	ring, err := codec.LoadKeyring(s.keys)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := temporal.Dial(ctx, temporal.Options{Address: address, Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer c.Close()
	run, err := flow.Diagnose.Start(ctx, c, client.StartWorkflowOptions{ID: flow.DiagnoseWorkflowID(instance, "1"), TaskQueue: flow.Queue(instance)}, flow.DiagnoseInput{Instance: instance})
	require.NoError(t, err)
	report, err := run.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "test", report.Host)
}

// TestFleetThatCannotBegin: configurations of which none can be served end the process, as one does.
func TestFleetThatCannotBegin(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a.yaml", "b.yaml", "ignored.yml"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("instance: {"), 0o600))
	}
	p := newProcess("--config", folder)
	code := make(chan int, 1)
	go func() { code <- run(p.process) }()
	require.Equal(t, exitConfig, wait(t, code, "the end of the worker"))
	require.Contains(t, p.err.String(), "CONFIG_INVALID: "+filepath.Join(folder, "a.yaml"))
	require.NotContains(t, p.err.String(), "ignored")
}

// TestFleetTakesNothingTwice: one instance, or one spool folder, belongs to one configuration.
func TestFleetTakesNothingTwice(t *testing.T) {
	address := lab.Temporal(t)
	first, same := newSite(t, address), newSite(t, address)
	spool := newSite(t, address)
	spool.named(t, "other")
	text, err := os.ReadFile(spool.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(spool.config, []byte(strings.Replace(string(text), "spool: {dir: spool}", "spool: {dir: "+filepath.Join(first.dir, "spool")+"}", 1)), 0o600))
	first.named(t, "twice")
	same.named(t, "twice")
	p := newProcess("--config", first.config, "--config", same.config, "--config", spool.config)
	socket, states := manager(t)
	p.env["NOTIFY_SOCKET"] = socket
	code := make(chan int, 1)
	go func() { code <- run(p.process) }()
	require.Equal(t, "READY=1", wait(t, states, "READY=1"), p.err)
	// Which of them came first is left open.
	refused := strings.Count(p.err.String(), "as well")
	require.GreaterOrEqual(t, refused, 1, p.err)
	p.signals <- syscall.SIGTERM
	require.Equal(t, fault.ExitOK, wait(t, code, "the end of the worker"), p.err)
}

func TestConfigurations(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "odd [name]*")
	require.NoError(t, os.Mkdir(folder, 0o755))
	one := filepath.Join(folder, "one.yaml")
	_, _, err := configurations([]string{folder})
	require.ErrorIs(t, err, fault.ConfigInvalid)
	require.NoError(t, os.WriteFile(one, nil, 0o600))
	files, several, err := configurations([]string{folder})
	require.NoError(t, err)
	require.Equal(t, []any{[]string{one}, true}, []any{files, several}, "a folder may get more")
	files, several, err = configurations([]string{one})
	require.NoError(t, err)
	require.Equal(t, []any{[]string{one}, false}, []any{files, several})
	_, _, err = configurations([]string{one, folder})
	require.ErrorIs(t, err, fault.Usage)
	for n := range maxInstances {
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.yaml", n)), nil, 0o600))
	}
	_, _, err = configurations([]string{folder})
	require.ErrorIs(t, err, fault.ConfigInvalid)

	p := newProcess("--config", one, "--config", one+"x", "--convert")
	require.Equal(t, exitUsage, run(p.process))
	p = newProcess("--config", one, "--config", one+"x", "--check")
	require.Equal(t, exitConfig, run(p.process))
	require.Equal(t, 2, strings.Count(p.out.String(), "FAIL  configuration: CONFIG_INVALID"))
}

func TestAfterFailures(t *testing.T) {
	var all []time.Duration
	for n := 1; n < 8; n++ {
		all = append(all, afterFailures(n))
	}
	require.Equal(t, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute}, all)
}
