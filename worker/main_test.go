package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
	"infrabackup/internal/privsep"
)

// output collects what a process prints, from any goroutine.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

type testProcess struct {
	process
	out, err *output
	signals  chan os.Signal
	env      map[string]string
}

func newProcess(args ...string) *testProcess {
	p := &testProcess{out: &output{}, err: &output{}, signals: make(chan os.Signal, 2), env: map[string]string{}}
	p.process = process{
		args: args, stdin: strings.NewReader(""), stdout: p.out, stderr: p.err, signals: p.signals,
		lookup:  func(name string) (string, bool) { value, ok := p.env[name]; return value, ok },
		confine: func() error { return nil }, room: func(int) {}, again: func(int) time.Duration { return 10 * time.Millisecond },
	}
	return p
}

// self is this test binary, which is the child, see TestMain.
func self(t testing.TB) string {
	t.Helper()
	program, err := privsep.OwnProgram()
	require.NoError(t, err)
	return program
}

func TestFlags(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	for name, test := range map[string]struct {
		args             []string
		code             int
		stdout, stderrOf string
	}{
		"help":            {[]string{"--help"}, fault.ExitOK, "", "Usage: infrabackup-worker"},
		"version":         {[]string{"--version"}, fault.ExitOK, "infrabackup-worker ", ""},
		"unknown flag":    {[]string{"--colour"}, exitUsage, "", "colour"},
		"flag, no value":  {[]string{"--config"}, exitUsage, "", "needs an argument"},
		"argument":        {[]string{"start"}, exitUsage, "", `USAGE: unexpected argument "start"`},
		"missing config":  {[]string{"--config", missing}, exitConfig, "", "CONFIG_INVALID: "},
		"check of nought": {[]string{"--check", "--config", missing}, exitConfig, "", missing},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(test.args...)
			require.Equal(t, test.code, run(p.process))
			require.Contains(t, p.out.String(), test.stdout)
			require.Contains(t, p.err.String(), test.stderrOf)
			if test.stdout == "" {
				require.Empty(t, p.out.String())
			}
		})
	}
}

func TestUsageNamesEveryFlag(t *testing.T) {
	for _, name := range []string{"--config", "--check", "--version"} {
		require.Contains(t, usage, name)
	}
}

func TestConfineFailureEndsTheProcess(t *testing.T) {
	for name, args := range map[string][]string{"worker": nil, "child for a key": {"make-key"}, "child for a file": {"encrypt", "age1x"}} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(args...)
			p.confine = func() error { return fault.Newf(fault.Internal, "not confined") }
			require.Equal(t, fault.ExitFailed, run(p.process))
			require.Contains(t, p.out.String()+p.err.String(), "not confined")
		})
	}
}

func TestFirstSignalEndsTheContextSecondTheWait(t *testing.T) {
	p := newProcess()
	logger := slog.New(slog.NewTextHandler(p.err, nil))
	release := make(chan struct{})
	defer close(release)
	code := p.watch(logger, func(ctx context.Context) int {
		p.signals <- syscall.SIGTERM
		<-ctx.Done()
		p.signals <- syscall.SIGTERM
		<-release // work that does not come to an end
		return fault.ExitOK
	})
	require.Equal(t, fault.ExitFailed, code)
	require.Contains(t, p.err.String(), "second time")
}

func TestOneSignalWaitsForTheWork(t *testing.T) {
	p := newProcess()
	code := p.watch(slog.New(slog.DiscardHandler), func(ctx context.Context) int {
		p.signals <- os.Interrupt
		<-ctx.Done()
		return fault.ExitOK
	})
	require.Equal(t, fault.ExitOK, code)
}

func TestSpoolBelongsToOneWorker(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockSpool(dir)
	require.NoError(t, err)
	_, err = lockSpool(dir)
	require.ErrorIs(t, err, fault.ConfigInvalid)
	require.ErrorContains(t, err, "another worker uses")
	require.NoError(t, unlock())
	unlock, err = lockSpool(dir)
	require.NoError(t, err)
	require.NoError(t, unlock())

	_, err = lockSpool(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fault.SpoolIO)
}

func TestDrainEndsWhatDoesNotEndByItself(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	started := time.Now()
	drain(stubborn(ctx, 2), end, 50*time.Millisecond)
	require.GreaterOrEqual(t, time.Since(started), 50*time.Millisecond, "running work had its time")
	require.Error(t, ctx.Err())
}
