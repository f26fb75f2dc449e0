package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Namespace is the one that TEMPORAL.md creates.
const Namespace = "backup"

// serverName stands in the frontend's certificate.
const serverName = "temporal.example.com"

// Daemon is a server process.
type Daemon interface {
	// Start starts it and waits until it answers.
	Start(ctx context.Context) error
	// Stop ends it by a signal, and by force when that does not help. One that does not run
	// is fine.
	Stop(ctx context.Context, sig syscall.Signal) error
	// Process is the ID of its process, and whether that runs.
	Process() (int, bool)
}

// Options say what a cluster is like.
type Options struct {
	Dir      string // folder of its own, which any user of the system may enter
	Address  string // at which clients reach it, 127.0.0.1 when empty; it listens on all addresses
	Port     int    // of the frontend, a free one when zero
	Temporal string // path of Temporal's command line
	// Daemon prepares a server: Command is a shell command that ends in it.
	Daemon func(name, command string, ready func(context.Context) error) (Daemon, error)
}

// Cluster is a Temporal cluster that runs.
type Cluster struct {
	options Options
	ports   map[string]int // by the port in the files of deploy
	sockets string         // folder of PostgreSQL's socket
	guide   *guide

	database, keys, server Daemon
}

// Start sets a cluster up and starts it. Errors say what is missing.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if problems := Missing(); len(problems) > 0 {
		var text []string
		for _, p := range problems {
			text = append(text, p.What+": "+p.Remedy)
		}
		return nil, fmt.Errorf("a Temporal cluster on PostgreSQL cannot run here:\n  %s", strings.Join(text, "\n  "))
	}
	o.Address = cmp.Or(o.Address, "127.0.0.1")
	c := &Cluster{options: o}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop(ctx))
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context) error {
	if err := c.prepare(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{c.makeIdentities, c.startDatabase, c.startServer, c.makeNamespace} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Folders of a cluster.
func (c *Cluster) home() string     { return filepath.Join(c.options.Dir, "temporal") }
func (c *Cluster) data() string     { return filepath.Join(c.options.Dir, "postgresql") }
func (c *Cluster) programs() string { return filepath.Join(c.options.Dir, "bin") }

// prepare makes folders, and copies of the files of deploy with this cluster's folders and ports.
func (c *Cluster) prepare() (err error) {
	for _, dir := range []string{c.home(), c.programs()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if c.sockets, err = os.MkdirTemp("/tmp", "pg"); err != nil { // unix(7): the path of a socket is short
		return err
	}
	found, err := programs()
	if err != nil {
		return err
	}
	found["temporal"] = c.options.Temporal
	for name, path := range found {
		if err := os.Symlink(path, filepath.Join(c.programs(), name)); err != nil {
			return err
		}
	}
	if err := c.choosePorts(); err != nil {
		return err
	}
	folder, err := deployFolder()
	if err != nil {
		return err
	}
	c.guide = &guide{folder: folder, replace: c.replacer(), env: append(os.Environ(),
		"PATH="+c.programs()+":"+os.Getenv("PATH"), "PGHOST="+c.sockets, fmt.Sprintf("PGPORT=%d", c.ports["5432"]))}
	return c.guide.copyFiles(c.home())
}

// ports are those in the files of deploy. The one of the keys is short, and is replaced with
// what stands around it.
var ports = []string{"5432", "6933", "6934", "6935", "6936", "6939", "7233", "7234", "7235", "7236", "7239", "880"}

// choosePorts finds a free port for each.
func (c *Cluster) choosePorts() error {
	c.ports = map[string]int{}
	for _, port := range ports {
		if port == "7233" && c.options.Port != 0 {
			c.ports[port] = c.options.Port
			continue
		}
		listener, err := listen()
		if err != nil {
			return err
		}
		defer func() { _ = listener.Close() }() // all are open until each has its own
		c.ports[port] = listener.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// listen finds a free port that PostgreSQL can hold: the table of the cluster's members has ports
// as 16 bits with a sign, and those that the kernel gives out by itself are above.
func listen() (net.Listener, error) {
	const first, last = 10_000, 32_000
	var err error
	for range 100 {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf(":%d", first+rand.IntN(last-first))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no port is free: %w", err)
}

// replacer changes what belongs to the machine that deploy is written for.
func (c *Cluster) replacer() *strings.Replacer {
	pairs := []string{
		serverName + ":7233", c.Address(),
		"/etc/postgresql/15/main", c.data(),
		"/etc/temporal", c.home(),
		"/usr/local/bin", c.programs(),
		":880/", fmt.Sprintf(":%d/", c.ports["880"]),
		"/keys 880", fmt.Sprintf("/keys %d", c.ports["880"]),
	}
	for _, port := range ports[:len(ports)-1] {
		pairs = append(pairs, port, fmt.Sprint(c.ports[port]))
	}
	return strings.NewReplacer(pairs...)
}

// makeIdentities makes certificates and tokens, and serves the key of the tokens.
func (c *Cluster) makeIdentities(ctx context.Context) error {
	if err := errors.Join(c.guide.follow(ctx, certificates), c.guide.follow(ctx, tokens)); err != nil {
		return err
	}
	command, err := service(filepath.Join(c.home(), "temporal-keys.service"))
	if err != nil {
		return err
	}
	if c.keys, err = c.options.Daemon("keys", command, c.listening("880")); err != nil {
		return err
	}
	return c.keys.Start(ctx)
}

// startDatabase makes a PostgreSQL with Temporal's tables.
func (c *Cluster) startDatabase(ctx context.Context) error {
	folder, err := postgresFolder()
	if err != nil {
		return err
	}
	asPostgres := "setpriv --reuid=" + databaseUser + " --regid=" + databaseUser + " --init-groups "
	if err := c.guide.shell(ctx, []string{
		"install -d -o " + databaseUser + " -m 0700 " + c.data() + " " + c.sockets,
		"cd " + c.data(),
		asPostgres + "test -x " + c.data() + " || { echo 'the user " + databaseUser + " cannot enter " + c.data() + "'; exit 1; }",
		asPostgres + filepath.Join(folder, "initdb") + " --pgdata=" + c.data() + " --username=" + databaseUser + " --auth=peer --encoding=UTF8 --no-locale --no-sync",
		// Debian's configuration reads the folder as well. Nothing waits for the disk, which only
		// a power cut would punish.
		fmt.Sprintf("printf '%%s\\n' \"include_dir 'conf.d'\" \"port = %d\" \"unix_socket_directories = '%s'\" 'fsync = off' >> postgresql.conf", c.ports["5432"], c.sockets),
		"install -d -o " + databaseUser + " -m 0700 conf.d",
	}); err != nil {
		return err
	}
	lines, err := c.guide.section(database)
	if err != nil {
		return err
	}
	files := 0
	for files < len(lines) && strings.HasPrefix(lines[files], prelude) {
		files++
	}
	if err := c.guide.shell(ctx, lines[:files]); err != nil {
		return err
	}
	command := "exec " + asPostgres + filepath.Join(folder, "postgres") + " -D " + c.data()
	if c.database, err = c.options.Daemon("postgres", command, c.listening("5432")); err != nil {
		return err
	}
	if err := c.database.Start(ctx); err != nil {
		return err
	}
	return c.guide.shell(ctx, lines[files:])
}

func (c *Cluster) startServer(ctx context.Context) error {
	command, err := service(filepath.Join(c.home(), "temporal.service"))
	if err != nil {
		return err
	}
	if c.server, err = c.options.Daemon("temporal", command, c.healthy); err != nil {
		return err
	}
	return c.server.Start(ctx)
}

// makeNamespace makes the namespace, and waits until the server knows it everywhere.
func (c *Cluster) makeNamespace(ctx context.Context) error {
	if err := c.guide.follow(ctx, namespace); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := c.until(ctx, c.usable); err != nil {
		return fmt.Errorf("the namespace %s cannot be used: %w", Namespace, err)
	}
	return nil
}

// listening reports whether PostgreSQL or the keys can be asked.
func (c *Cluster) listening(port string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", c.ports[port]))
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// Server is the Temporal server, and all its services.
func (c *Cluster) Server() Daemon { return c.server }

// Database is PostgreSQL.
func (c *Cluster) Database() Daemon { return c.database }

// Ensure starts the server when it has ended by itself, as systemd does, and waits until it answers.
func (c *Cluster) Ensure(ctx context.Context) error {
	if _, runs := c.server.Process(); runs {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		return c.until(ctx, c.usable)
	}
	return c.server.Start(ctx)
}

// until asks until there is no error, or ctx ends.
func (c *Cluster) until(ctx context.Context, done func(context.Context) error) error {
	for {
		err := done(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Halt is how each is stopped: PostgreSQL waits for its clients with another signal.
const (
	HaltServer   = syscall.SIGTERM
	HaltDatabase = syscall.SIGINT
)

// Stop stops everything. What was written stays.
func (c *Cluster) Stop(ctx context.Context) error {
	var errs []error
	for _, d := range []struct {
		Daemon
		sig syscall.Signal
	}{{c.server, HaltServer}, {c.database, HaltDatabase}, {c.keys, syscall.SIGTERM}} {
		if d.Daemon != nil {
			errs = append(errs, d.Stop(ctx, d.sig))
		}
	}
	if c.sockets != "" {
		errs = append(errs, os.RemoveAll(c.sockets))
	}
	return errors.Join(errs...)
}

// script runs one of the scripts of deploy/temporal.
func (c *Cluster) script(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", append([]string{name}, args...)...)
	cmd.Dir = c.home()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %q: %w", name, args, err)
	}
	return strings.TrimSpace(string(out)), nil
}
