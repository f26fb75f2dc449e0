package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/fault"
)

// wholeVariable makes the test binary the worker itself.
const wholeVariable = "INFRABACKUP_TEST_WHOLE_WORKER"

// unit is what a systemd unit file says: the values of each key, in order.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("../deploy/systemd/infrabackup-worker.service")
	require.NoError(t, err)
	keys := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if key, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			keys[key] = append(keys[key], value)
		}
	}
	return keys
}

// stays reports whether the unit stays down after a process ended that way: systemd
// starts what failed again, unless its status is listed.
func stays(t *testing.T, ended *os.ProcessState) bool {
	t.Helper()
	u := unit(t)
	require.Equal(t, []string{"on-failure"}, u["Restart"])
	require.Equal(t, []string{"0"}, u["StartLimitIntervalSec"], "it is started again however often it failed")
	require.Len(t, u["RestartPreventExitStatus"], 1)
	status := ended.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return false
	}
	return status.ExitStatus() == 0 || slices.Contains(strings.Fields(u["RestartPreventExitStatus"][0]), strconv.Itoa(status.ExitStatus()))
}

// whole starts the worker as a process of its own.
func whole(t *testing.T, env []string, args ...string) (*exec.Cmd, *output) {
	t.Helper()
	cmd := exec.Command(self(t), args...)
	printed := &output{}
	cmd.Stdout, cmd.Stderr = printed, printed
	cmd.Env = append(append(os.Environ(), wholeVariable+"=1"), env...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
	})
	return cmd, printed
}

func ended(t *testing.T, cmd *exec.Cmd) *os.ProcessState {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
	}
	return cmd.ProcessState
}

// A crash, however it ends the process, is followed by a start; what cannot mend itself
// is not.
func TestUnitStartsAgainAfterACrashOnly(t *testing.T) {
	s := newSite(t, "127.0.0.1:1")
	for name, test := range map[string]struct {
		env    []string
		signal syscall.Signal
	}{
		"the runtime's own end of a crash": {nil, syscall.SIGQUIT},
		"an abort":                         {nil, syscall.SIGABRT},
		"a crash with a core":              {[]string{"GOTRACEBACK=crash"}, syscall.SIGQUIT},
		"no memory":                        {nil, syscall.SIGKILL},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, printed := whole(t, test.env, "--config", newSite(t, "127.0.0.1:1").config)
			require.Eventually(t, func() bool { return strings.Contains(printed.String(), "does not answer yet") }, 30*time.Second, 10*time.Millisecond, printed)
			require.NoError(t, cmd.Process.Signal(test.signal))
			state := ended(t, cmd)
			require.False(t, stays(t, state), "%v: %s", state, printed)
			require.NotEqual(t, 0, state.ExitCode())
			require.NotContains(t, []int{exitUsage, exitConfig}, state.ExitCode())
		})
	}
	pipe := filepath.Join(s.dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	open := newSite(t, "127.0.0.1:1")
	require.NoError(t, os.Chmod(open.config, 0o666))
	for name, args := range map[string][]string{
		"named pipe as configuration": {"--config", pipe},
		"configuration of all":        {"--config", open.config},
		"wrong use":                   {"--colour"},
		"surplus argument":            {"start"},
		"missing configuration":       {"--config", s.dir + "/none.yaml"},
		"refused configuration":       {"--config", s.keys},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd, printed := whole(t, nil, args...)
			state := ended(t, cmd)
			require.True(t, stays(t, state), "%v: %s", state, printed)
			require.Contains(t, []int{exitUsage, exitConfig}, state.ExitCode())
		})
	}
}

// Go's own status of a crash, 2, is no status of a fault of the worker.
func TestNoFaultHasTheStatusOfACrash(t *testing.T) {
	for _, code := range fault.Codes() {
		require.NotEqual(t, 2, exitStatus(code), code)
	}
	require.Equal(t, exitConfig, exitStatus(fault.ConfigInvalid))
	require.Equal(t, exitUsage, exitStatus(fault.Usage))
	require.Equal(t, fault.ExitTemporal, exitStatus(fault.TemporalUnreachable))
}
