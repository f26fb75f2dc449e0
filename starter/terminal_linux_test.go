package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"infrabackup/internal/fault"
)

// screen is a terminal and what was written to it.
type screen struct {
	keyboard *os.File // the other end of the terminal
	terminal *os.File

	mu   sync.Mutex
	seen bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	require.NoError(t, err)
	s := &screen{keyboard: os.NewFile(uintptr(master), "ptmx")}
	s.terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(s.terminal.Close(), s.keyboard.Close())) })
	go func() {
		part := make([]byte, 4096)
		for {
			n, err := s.keyboard.Read(part)
			s.mu.Lock()
			s.seen.Write(part[:n])
			s.mu.Unlock()
			if err != nil {
				return // the test has ended
			}
		}
	}()
	return s
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// echoes reports whether what is typed is shown, and lines are edited.
func (s *screen) echoes(t *testing.T) bool {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(s.terminal.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return mode.Lflag&unix.ECHO != 0 && mode.Lflag&unix.ICANON != 0
}

func (s *screen) start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), programVariable+"=1", "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.terminal, s.terminal, s.terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended
	return cmd
}

// Whoever does not go on at a prompt gets the terminal back, at once and as it was.
func TestPromptsEndAtOnce(t *testing.T) {
	password := []string{"backup", "verify", "latest", "--share", `\\127.0.0.1\s`, "--username", "u"}
	question := []string{"backup", "delete", "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"}
	for name, test := range map[string]struct {
		args   []string
		prompt string
		hidden bool
		end    func(s *screen, p *os.Process) error
		want   string
	}{
		"Ctrl-C at the password":  {password, "Password of u: ", true, typed("sec\x03"), "CANCELLED: "},
		"Ctrl-\\ at the password": {password, "Password of u: ", true, typed("sec\x1c"), "CANCELLED: "},
		"SIGTERM at the password": {password, "Password of u: ", true, func(s *screen, p *os.Process) error {
			_, err := s.keyboard.WriteString("sec")
			return errors.Join(err, p.Signal(unix.SIGTERM))
		}, "CANCELLED: "},
		"the time is over at the password": {append(password, "--timeout", "300ms"), "Password of u: ", true, typed("sec"), "within --timeout"},
		"Ctrl-C at a question":             {question, "Type yes to go on: ", false, typed("ye\x03"), "CANCELLED: "},
		"SIGTERM at a question": {question, "Type yes to go on: ", false, func(_ *screen, p *os.Process) error {
			return p.Signal(unix.SIGTERM)
		}, "CANCELLED: "},
		"no to a question": {question, "Type yes to go on: ", false, typed("no\n"), "nothing was done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t)
			require.True(t, s.echoes(t))
			cmd := s.start(t, test.args...)
			require.Eventually(t, func() bool {
				return bytes.Contains([]byte(s.text()), []byte(test.prompt)) && s.echoes(t) != test.hidden
			},
				30*time.Second, 5*time.Millisecond, "%s", name)
			require.NoError(t, test.end(s, cmd.Process))
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			select {
			case <-done:
			case <-time.After(30 * time.Second):
				t.Fatalf("it does not end: %q", s.text())
			}
			require.Equal(t, fault.ExitFailed, cmd.ProcessState.ExitCode(), s.text())
			require.Eventually(t, func() bool { return bytes.Contains([]byte(s.text()), []byte(test.want)) }, 5*time.Second, 5*time.Millisecond, s)
			require.True(t, s.echoes(t), "the terminal stays without echo")
			require.NotContains(t, s.text(), "sec", "what was typed of the password is shown")
			if test.hidden {
				waiting, err := unix.IoctlGetInt(int(s.terminal.Fd()), unix.TIOCINQ)
				require.NoError(t, err)
				require.Zero(t, waiting, "the shell would get what was typed of the password")
			}
		})
	}
}

func typed(keys string) func(*screen, *os.Process) error {
	return func(s *screen, _ *os.Process) error {
		if _, err := s.keyboard.WriteString(keys); err != nil {
			return fmt.Errorf("type: %w", err)
		}
		return nil
	}
}
