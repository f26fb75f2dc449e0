package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// run runs a program to its end; input goes to its standard input. What it printed is
// in the error.
func run(ctx context.Context, input string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", name, err, tail(out.String(), 2000))
	}
	return out.String(), nil
}

func tail(s string, n int) string {
	s = strings.TrimSpace(s)
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

// startSuffix names the file beside a pid file that holds when the process began: a
// process with the same id that began at another time is somebody else's. (Samba
// overwrites its command line, which could otherwise tell.)
const startSuffix = ".start"

// daemon is a server that runs as a script in the lab's folder: the script replaces
// itself by the server and writes its process id, so that tests and people can stop
// and start the server by the same two files.
type daemon struct {
	name   string
	script string // starts it, in the foreground
	pid    string // file that holds its process id, which leads its process group
	log    string
	ready  func(ctx context.Context) error
}

// newDaemon writes the script. Command is a shell command that ends in the server.
func newDaemon(dir, name, command string, ready func(context.Context) error) (*daemon, error) {
	d := &daemon{
		name: name, script: filepath.Join(dir, "run", "start-"+name), pid: filepath.Join(dir, "run", name+".pid"),
		log: filepath.Join(dir, "log", name+".log"), ready: ready,
	}
	// A session of its own: signals at the terminal reach the lab only, which stops
	// its servers in order.
	text := fmt.Sprintf("#!/bin/sh\n# Starts the lab's %s in the background.\nsetsid sh -c 'cut -d\" \" -f22 /proc/$$/stat > %s; echo $$ > %s; exec >>%s 2>&1 </dev/null; %s' &\n",
		name, quote(d.pid+startSuffix), quote(d.pid), quote(d.log), command)
	if err := os.WriteFile(d.script, []byte(text), 0o700); err != nil {
		return nil, err
	}
	return d, nil
}

func quote(s string) string { return `"` + s + `"` }

// start starts the server and waits until it answers.
func (d *daemon) start(ctx context.Context) error {
	if _, ok := d.running(); ok {
		return fmt.Errorf("the lab's %s runs already", d.name)
	}
	if err := os.Remove(d.pid); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if _, err := run(ctx, "", d.script); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	var last error
	ended := false
	err := poll(ctx, func() bool {
		last = d.ready(ctx)
		_, alive := d.running()
		_, written := os.Stat(d.pid)
		ended = last != nil && written == nil && !alive
		return last == nil || ended
	})
	if ended {
		err = errors.New("it ended at once")
	}
	if err != nil {
		text, _ := os.ReadFile(d.log) // only to say more
		return fmt.Errorf("the lab's %s does not answer: %w: %s", d.name, errors.Join(last, err), tail(string(text), 1500))
	}
	return nil
}

// running returns the process id of the server, if it is alive and ours.
func (d *daemon) running() (int, bool) {
	data, err := os.ReadFile(d.pid)
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 2 {
		return 0, false
	}
	want, err := os.ReadFile(d.pid + startSuffix)
	if err != nil || strings.TrimSpace(string(want)) != startOf(pid) {
		return 0, false
	}
	return pid, true
}

// processorTime is what the server and its children have used so far.
func (d *daemon) processorTime() (time.Duration, error) {
	pid, ok := d.running()
	if !ok {
		return 0, fmt.Errorf("the lab's %s does not run", d.name)
	}
	return groupTime(pid)
}

// startOf is when a process began, in clock ticks since the machine did (proc(5)),
// and empty when it ended.
func startOf(pid int) string {
	fields := statOf(strconv.Itoa(pid))
	if fields == nil {
		return ""
	}
	return fields[19]
}

// statOf returns the fields of /proc/PID/stat from the state on, and nil for a process that
// ended: one that nobody waited for yet is still there, in state Z.
func statOf(pid string) []string {
	data, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return nil
	}
	// The name in parentheses may hold blanks.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return nil
	}
	return fields
}

// groupAlive reports whether a process of the group runs. One that ended counts for kill(2)
// until somebody has waited for it, which takes some machines seconds.
func groupAlive(group int) bool {
	if errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) {
		return false
	}
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(dir string) bool {
		fields := statOf(filepath.Base(dir))
		return fields != nil && fields[2] == strconv.Itoa(group)
	})
}

// stop ends the server and its children; one that does not run is fine.
func (d *daemon) stop(ctx context.Context, sig syscall.Signal) error {
	pid, ok := d.running()
	if !ok {
		return nil
	}
	if err := syscall.Kill(-pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the lab's %s: %w", d.name, err)
	}
	waiting, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	gone := func() bool { return !groupAlive(pid) }
	if poll(waiting, gone) == nil {
		return nil
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the lab's %s: %w", d.name, err)
	}
	last, cancelLast := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancelLast()
	return poll(last, gone)
}

// signal sends a signal to the server and its children.
func (d *daemon) signal(sig syscall.Signal) error {
	pid, ok := d.running()
	if !ok {
		return fmt.Errorf("the lab's %s does not run", d.name)
	}
	return syscall.Kill(-pid, sig)
}

// poll asks until the answer is yes or ctx ends.
//
// It asks ever less often: smbd starts a process for each connection, and on a busy
// machine would do nothing else.
func poll(ctx context.Context, done func() bool) error {
	pause := 50 * time.Millisecond
	for !done() {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, 2*time.Second)
	}
	return nil
}

// listening reports whether something accepts connections at address.
func listening(address string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func all(checks ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, check := range checks {
			if err := check(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// addAddress gives the loopback interface an address, and reports whether it was new:
// Samba serves only addresses that an interface has.
func addAddress(ctx context.Context, address string) (bool, error) {
	out, err := run(ctx, "", "ip", "-o", "addr", "show", "dev", "lo")
	if err != nil {
		return false, err
	}
	if strings.Contains(out, " "+address+"/") {
		return false, nil
	}
	_, err = run(ctx, "", "ip", "addr", "add", address+"/8", "dev", "lo")
	return err == nil, err
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
