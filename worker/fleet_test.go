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
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/codec"
	"infrabackup/internal/config"
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

// served is a fleet of instances whose fates a test decides.
type served struct {
	fates map[string]chan error // what comes of the next try of an instance; nil lets it be ready
	ready chan struct{}
	end   context.CancelFunc
	ended chan error
}

// runs begins to serve instances in a bubble.
func runs(t *testing.T, files ...string) *served {
	ctx, end := context.WithCancel(t.Context())
	s := &served{fates: map[string]chan error{}, ready: make(chan struct{}, 8), end: end, ended: make(chan error, 1)}
	for _, file := range files {
		s.fates[file] = make(chan error)
	}
	f := &fleet{logger: slog.New(slog.DiscardHandler), count: len(files), again: afterFailures, giveUp: end, known: map[string]error{},
		ready: func() { s.ready <- struct{}{} },
		serve: func(ctx context.Context, file string, ready func()) error {
			for {
				select {
				case err := <-s.fates[file]:
					if err != nil {
						return err
					}
					ready()
				case <-ctx.Done():
					return nil
				}
			}
		}}
	go func() { s.ended <- f.run(ctx, files) }()
	return s
}

// TestFleetGoesOn: what became of an instance once does not decide what becomes of others later.
func TestFleetGoesOn(t *testing.T) {
	wrong, away := fault.Newf(fault.ConfigInvalid, "wrong"), fault.Newf(fault.TemporalUnreachable, "away")
	bubble := func(name string, test func(t *testing.T)) { t.Run(name, func(t *testing.T) { synctest.Test(t, test) }) }
	bubble("mended before the other fails", func(t *testing.T) {
		s := runs(t, "a", "b")
		s.fates["a"] <- wrong
		s.fates["a"] <- nil // 30 s later
		synctest.Wait()
		require.Empty(t, s.ready, "b is being tried")
		s.fates["b"] <- away
		synctest.Wait()
		require.Len(t, s.ready, 1)
		require.Empty(t, s.ended, "a goes on")
		s.end()
		require.NoError(t, <-s.ended)
	})
	bubble("all are wrong", func(t *testing.T) {
		s := runs(t, "a", "b")
		s.fates["b"] <- fault.Newf(fault.Usage, "another")
		s.fates["a"] <- wrong
		require.ErrorIs(t, <-s.ended, fault.ConfigInvalid)
		require.Empty(t, s.ready)
	})
	bubble("one is wrong, the other's cluster is away", func(t *testing.T) {
		s := runs(t, "a", "b")
		s.fates["a"] <- wrong
		s.fates["b"] <- away
		synctest.Wait()
		require.Empty(t, s.ready)
		require.Empty(t, s.ended, "it may come back")
		s.fates["b"] <- nil
		synctest.Wait()
		require.Len(t, s.ready, 1)
		s.end()
		require.NoError(t, <-s.ended)
	})
	bubble("one hangs", func(t *testing.T) {
		s := runs(t, "a", "b")
		s.fates["a"] <- nil
		<-time.After(startTimeout - time.Second)
		require.Empty(t, s.ready)
		<-time.After(2 * time.Second)
		require.Len(t, s.ready, 1, "the manager would end it")
		s.fates["b"] <- nil
		synctest.Wait()
		require.Len(t, s.ready, 1, "once")
		s.end()
		require.NoError(t, <-s.ended)
	})
	bubble("it fails after it was ready", func(t *testing.T) {
		s := runs(t, "a", "b")
		s.fates["a"] <- nil
		s.fates["b"] <- nil
		for range 3 { // the pause is the shortest again each time
			s.fates["a"] <- wrong
			began := time.Now()
			s.fates["a"] <- nil
			require.Equal(t, firstRetry, time.Since(began))
		}
		require.Empty(t, s.ended)
		require.Len(t, s.ready, 1)
		s.end()
		require.NoError(t, <-s.ended)
	})
	bubble("a stop while one is tried", func(t *testing.T) {
		s := runs(t, "a", "b")
		s.fates["a"] <- wrong
		s.end()
		require.NoError(t, <-s.ended)
		require.Empty(t, s.ready)
	})
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

// TestFleetTakesNothingTwice: one instance, or one spool folder, belongs to one configuration, the first
// that names it; --check says so.
func TestFleetTakesNothingTwice(t *testing.T) {
	first, same, spool := newSite(t, "127.0.0.1:1"), newSite(t, "127.0.0.1:1"), newSite(t, "127.0.0.1:1")
	spool.named(t, "other")
	text, err := os.ReadFile(spool.config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(spool.config, []byte(strings.Replace(string(text), "spool: {dir: spool}", "spool: {dir: "+filepath.Join(first.dir, "spool")+"}", 1)), 0o600))
	args := []string{"--config", first.config, "--config", same.config, "--config", spool.config}
	for range 3 {
		p := newProcess(args...)
		code := make(chan int, 1)
		go func() { code <- run(p.process) }()
		require.Eventually(t, func() bool {
			return strings.Contains(p.err.String(), same.config+" has the instance local, which "+first.config+" has as well") &&
				strings.Contains(p.err.String(), spool.config+" has the spool folder "+filepath.Join(first.dir, "spool")+", which "+first.config+" has as well") &&
				strings.Contains(p.err.String(), "does not answer yet")
		}, 30*time.Second, 10*time.Millisecond)
		p.signals <- syscall.SIGTERM
		require.Equal(t, fault.ExitOK, wait(t, code, "the end of the worker"), p.err)
		require.NotContains(t, p.err.String(), first.config+" has the")
	}
	p := newProcess(append(args, "--check")...)
	require.Equal(t, fault.ExitTemporal, run(p.process))
	require.Equal(t, 2, strings.Count(p.out.String(), "FAIL  configuration: CONFIG_INVALID"), p.out)

	// What a file does not name any more is free.
	var c claims
	of := func(instance, spool string) *config.Worker {
		return &config.Worker{Instance: config.Instance{Name: instance}, Spool: config.Spool{Dir: spool}}
	}
	require.NoError(t, c.take(of("a", "/a"), "1"))
	require.Error(t, c.take(of("a", "/b"), "2"))
	require.Error(t, c.take(of("b", "/a"), "2"))
	require.NoError(t, c.take(of("b", "/b"), "1"))
	require.NoError(t, c.take(of("a", "/a"), "2"))
	require.Error(t, c.take(of("a", "/b"), "1"))
}

// TestFleetReadsNoVariables: an API key in the environment is not sent to the clusters of all.
func TestFleetReadsNoVariables(t *testing.T) {
	lookup := ownTemporal(func(string) (string, bool) { return "set", true })
	_, ok := lookup("TEMPORAL_API_KEY")
	require.False(t, ok)
	_, ok = lookup("NOTIFY_SOCKET")
	require.True(t, ok)
}

func TestConfigurations(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "odd [name]*")
	require.NoError(t, os.Mkdir(folder, 0o755))
	one := filepath.Join(folder, "one.yaml")
	_, _, err := configurations([]string{folder})
	require.ErrorIs(t, err, fault.ConfigInvalid)
	require.NoError(t, os.WriteFile(one, nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".#two.yaml"), nil, 0o600))
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
