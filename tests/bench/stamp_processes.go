package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// The program runs itself again as one of these. Input and output are JSON.
const (
	serveStamp   = "serve-stamp"
	captureStamp = "capture-stamp"
	readStamp    = "read-stamp"
)

// child is the process that the first argument asks for. It reports false when that
// asks for none.
func child(ctx context.Context) (bool, error) {
	if len(os.Args) != 2 {
		return false, nil
	}
	switch os.Args[1] {
	case serveStamp:
		return true, serve(os.Stdin, os.Stdout)
	case captureStamp:
		return true, answer(ctx, func(ctx context.Context, t captureTask) (cost, error) { return t.run(ctx) })
	case readStamp:
		return true, answer(ctx, func(ctx context.Context, t readTask) (cost, error) { return t.run(ctx) })
	}
	return false, nil
}

// answer does one task and says what it cost, memory and processor included.
func answer[Task any](ctx context.Context, do func(context.Context, Task) (cost, error)) error {
	var task Task
	if err := json.NewDecoder(os.Stdin).Decode(&task); err != nil {
		return err
	}
	one, err := do(ctx, task)
	if err != nil {
		return err
	}
	if one.Memory, err = lab.PeakMemory(os.Getpid()); err != nil {
		return err
	}
	if one.CPU, err = processorTime(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(one)
}

// processorTime is what this process has used, in user mode and for the system, and what
// its children had that it has waited for.
func processorTime() (time.Duration, error) {
	var own, children syscall.Rusage
	err := errors.Join(syscall.Getrusage(syscall.RUSAGE_SELF, &own), syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children))
	return time.Duration(own.Utime.Nano() + own.Stime.Nano() + children.Utime.Nano() + children.Stime.Nano()), err
}

// workerMemory is the limit that a worker gives its Go runtime.
const workerMemory = "GOMEMLIMIT=200MiB"

// ask runs a process of this program for one task.
func ask(ctx context.Context, name string, task any, environment ...string) (one cost, err error) {
	cmd, err := again(ctx, name)
	if err != nil {
		return one, err
	}
	encoded, err := json.Marshal(task)
	if err != nil {
		return one, err
	}
	cmd.Stdin = bytes.NewReader(encoded)
	cmd.Env = append(os.Environ(), environment...)
	out, err := cmd.Output()
	if err != nil {
		return one, fmt.Errorf("%s: %w", name, err)
	}
	return one, json.Unmarshal(out, &one)
}

func again(ctx context.Context, name string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, name)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// source says how to read a stamp.
type source struct {
	TenantURL, AdminURL, Authority, ClientID, ClientSecret, CA, Resolver string
}

// request is one that reached a stamp.
type request struct {
	Method, URL string
	Authorized  bool // it came with a token
}

// stampInput says what stamp to serve, stampOutput what it is, and stampLoad what was
// asked of it and how much processor time that took.
type (
	stampInput struct {
		Resources int
		Delay     time.Duration // before each answer
	}
	stampOutput struct {
		Source       source
		Documents    int
		VaultObjects int
	}
	stampLoad struct {
		Requests []request
		CPU      time.Duration
	}
)

// serve is the process with the stamp. For each line that it reads it writes what was
// asked of the stamp since the last one.
func serve(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		return errors.New("no input")
	}
	var input stampInput
	if err := json.Unmarshal(lines.Bytes(), &input); err != nil {
		return err
	}
	s, contents, err := newStamp(input.Resources)
	if err != nil {
		return err
	}
	load := &stampMeter{delay: input.Delay}
	s.Observe(load.note)
	encoder := json.NewEncoder(out)
	err = encoder.Encode(stampOutput{
		Source: source{
			TenantURL: s.TenantURL(), AdminURL: s.AdminURL(), Authority: s.AuthorityURL(), ClientID: s.ClientID(),
			ClientSecret: s.ClientSecret(), CA: string(s.CA()), Resolver: s.Resolver(),
		},
		Documents: len(contents.Documents), VaultObjects: len(contents.VaultObjects),
	})
	for err == nil && lines.Scan() {
		var since stampLoad
		if since, err = load.take(); err == nil {
			err = encoder.Encode(since)
		}
	}
	return errors.Join(err, lines.Err(), s.Close())
}

// stampMeter measures what a stamp has to do, and delays it.
type stampMeter struct {
	delay time.Duration
	mu    sync.Mutex
	seen  []request
	used  time.Duration
}

func (m *stampMeter) note(r *http.Request) {
	one := request{Method: r.Method, URL: "https://" + r.Host + r.URL.String(), Authorized: r.Header.Get("Authorization") != ""}
	if m.delay > 0 {
		time.Sleep(m.delay)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, one)
}

// take returns what there was since the last call.
func (m *stampMeter) take() (stampLoad, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used, err := processorTime()
	load := stampLoad{Requests: m.seen, CPU: used - m.used}
	m.seen, m.used = nil, used
	return load, err
}

// newStamp starts a stamp whose contents were made long before.
func newStamp(resources int) (*stamp.Stamp, *inventory.Stamp, error) {
	port, err := lab.FreePort()
	if err != nil {
		return nil, nil, err
	}
	contents, err := inventory.Generate(inventory.Options{Seed: 7, Resources: resources, Domain: "local.azurestack.test", VaultPort: port})
	if err != nil {
		return nil, nil, err
	}
	var started atomic.Bool
	s, err := stamp.Start(stamp.Options{
		Contents: contents, Versions: stamp.UncommonTypes(), Listen: fmt.Sprintf("127.0.0.1:%d", port),
		Now: func() time.Time {
			if started.Load() {
				return time.Now()
			}
			return time.Now().Add(-24 * time.Hour)
		},
	})
	started.Store(true)
	return s, contents, err
}

// stampProcess is a stamp in a process of its own.
type stampProcess struct {
	stampOutput
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

func startStamp(ctx context.Context, input stampInput) (*stampProcess, error) {
	cmd, err := again(ctx, serveStamp)
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &stampProcess{cmd: cmd, in: in, out: json.NewDecoder(out)}
	if err := errors.Join(json.NewEncoder(in).Encode(input), p.out.Decode(&p.stampOutput)); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// load is what the stamp had to do since the last call.
func (p *stampProcess) load() (load stampLoad, err error) {
	if _, err = io.WriteString(p.in, "load\n"); err == nil {
		err = p.out.Decode(&load)
	}
	return load, err
}

func (p *stampProcess) stop() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// capture captures services in a new process, into a spool on the RAM disk.
func (b *bench) capture(ctx context.Context, server *stampProcess, services []backup.Service) (one cost, err error) {
	task := captureTask{
		Source: server.Source, Services: services, Spool: filepath.Join(b.dir, "stamp-spool"), Worker: filepath.Join(b.bin, "infrabackup-worker"),
	}
	one, err = ask(ctx, captureStamp, task, workerMemory)
	return one, errors.Join(err, os.RemoveAll(task.Spool))
}

// read reads requests in a new process.
func read(ctx context.Context, server *stampProcess, wanted map[backup.Service][]request, atOnce int) (cost, error) {
	return ask(ctx, readStamp, readTask{Source: server.Source, Wanted: wanted, AtOnce: atOnce})
}
