package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"infrabackup/tests/lab/cluster"
	"infrabackup/tests/lab/stamp"
)

// Options say what a lab is like.
type Options struct {
	Dir       string    // folder of its own, created when missing
	Seed      int64     // what the servers are filled with follows from it
	ADUsers   int       // users in the directory, besides contacts and computers
	Resources int       // about how many resources the stamp's tenants have
	Dangling  int       // dangling references of each relation in the stamp
	Fixed     bool      // Temporal on 7233 and its Web UI on 8233 instead of free ports
	Cluster   string    // [ClusterOnPostgres], or empty for the server of Temporal's command line
	Codec     string    // endpoint of the codec server for the Web UI, if any
	Out       io.Writer // progress for people, may be nil
}

// DefaultADUsers is enough for every kind of object and value.
const DefaultADUsers = 300

// Lab is a set of running servers.
type Lab struct {
	options      Options
	dir          string
	domain       *domain
	files        *FileServer
	stamp        *stamp.Stamp
	spare        *stamp.Stamp      // for drills
	temporal     *daemon           // nil where there is a cluster
	cluster      *cluster.Cluster  // nil where there is none
	clusterEnv   map[string]string // how an operator reaches it
	temporalPort int
	uiPort       int
	added        bool // the domain controller's address
}

// Start provisions and starts all servers. What an earlier lab in the same folder left
// running is stopped first. Errors say what is missing.
func Start(ctx context.Context, o Options) (*Lab, error) {
	if problems := MissingFor(o); len(problems) > 0 {
		var text []string
		for _, p := range problems {
			text = append(text, p.What+": "+p.Remedy)
		}
		return nil, fmt.Errorf("the lab cannot run here:\n  %s", strings.Join(text, "\n  "))
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(dir, " '\"$\\`") {
		return nil, fmt.Errorf("the lab's folder %s has characters that its scripts do not take", dir)
	}
	if o.ADUsers <= 0 {
		o.ADUsers = DefaultADUsers
	}
	if o.Resources <= 0 {
		o.Resources = DefaultResources
	}
	l := &Lab{options: o, dir: dir}
	if err := l.start(ctx); err != nil {
		return nil, errors.Join(err, l.Stop(ctx))
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	for _, sub := range []string{"run", "log"} {
		if err := os.MkdirAll(filepath.Join(l.dir, sub), 0o755); err != nil {
			return err
		}
	}
	if err := l.stopStale(ctx); err != nil {
		return err
	}
	if err := l.forget(); err != nil {
		return err
	}
	if err := l.choosePorts(); err != nil {
		return err
	}
	l.say("making the CA")
	caCertificate, err := newAuthority(ctx, filepath.Join(l.dir, "ca"))
	if err != nil {
		return err
	}
	if l.added, err = addAddress(ctx, domainAddress); err != nil {
		return err
	}
	if l.domain, err = newDomain(ctx, l, caCertificate); err != nil {
		return err
	}
	l.say("starting Active Directory on %s, the file server on %s and Temporal on port %d", domainAddress, fileServerAddress, l.temporalPort)
	if err := l.domain.server.start(ctx); err != nil {
		return err
	}
	if l.files, err = StartFileServer(ctx, FileServerOptions{Dir: filepath.Join(l.dir, "fs"), Address: fileServerAddress}); err != nil {
		return err
	}
	if err := l.startStamp(ctx); err != nil {
		return err
	}
	if err := l.startTemporal(ctx); err != nil {
		return err
	}
	return l.writeSecrets()
}

// stopStale ends servers of a lab that did not end well, by the process ids that it
// wrote, if the processes are still the ones it meant.
func (l *Lab) stopStale(ctx context.Context) error {
	var errs []error
	for _, name := range append([]string{"run/ad", "fs/run/smbd", "run/temporal", "run/worker", "run/codec", "run/serve"}, clusterDaemons...) {
		stale := &daemon{name: name, pid: filepath.Join(l.dir, name+".pid")}
		errs = append(errs, stale.stop(ctx, syscall.SIGTERM))
	}
	return errors.Join(errs...)
}

// forget removes what an earlier lab in the same folder left: keys and passwords are
// drawn again, so Temporal's state could not be read any more.
func (l *Lab) forget() error {
	var errs []error
	for _, name := range []string{"temporal.db", "temporal.db-wal", "temporal.db-shm", filepath.Join("fs", "share"), "spool", "stamp", "cluster"} {
		errs = append(errs, os.RemoveAll(filepath.Join(l.dir, name)))
	}
	return errors.Join(errs...)
}

func (l *Lab) choosePorts() error {
	if l.options.Fixed {
		l.temporalPort, l.uiPort = 7233, 8233
		return nil
	}
	for _, port := range []*int{&l.temporalPort, &l.uiPort} {
		free, err := FreePort()
		if err != nil {
			return err
		}
		*port = free
	}
	return nil
}

// FreePort returns a loopback port that was free a moment ago.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

func (l *Lab) writeSecrets() error {
	for name, text := range map[string]string{"share-password": l.files.Password(), "ldap-password": l.domain.password} {
		if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Dir is the lab's folder.
func (l *Lab) Dir() string { return l.dir }

// FileServer is the lab's file server.
func (l *Lab) FileServer() *FileServer { return l.files }

// Env describes the servers in the form that people and tests use.
func (l *Lab) Env() map[string]string {
	env := map[string]string{
		"LAB_SHARE":               l.files.UNC(),
		"LAB_SHARE_DIR":           l.files.ShareDir(),
		"LAB_SHARE_USER":          l.files.User(),
		"LAB_SHARE_PASSWORD_FILE": filepath.Join(l.dir, "share-password"),
		"LAB_SMBD_PID_FILE":       l.files.server.pid,
		"LAB_SMBD_COMMAND":        l.files.server.script,
		"LAB_LDAP_URL":            "ldaps://" + domainAddress + ":636",
		"LAB_LDAP_CA":             l.domain.tls.ca,
		"LAB_LDAP_USER":           "svc-infrabackup@" + strings.ToLower(domainRealm),
		"LAB_LDAP_PASSWORD_FILE":  filepath.Join(l.dir, "ldap-password"),
		"LAB_CA_DIR":              filepath.Join(l.dir, "ca"),
	}
	maps.Copy(env, l.temporalEnv())
	maps.Copy(env, l.stampEnv())
	maps.Copy(env, l.drillEnv())
	return env
}

// WriteEnv writes variables as a file that a shell can source.
func WriteEnv(file string, variables map[string]string) error {
	var out strings.Builder
	for _, key := range sortedKeys(variables) {
		fmt.Fprintf(&out, "export %s='%s'\n", key, variables[key])
	}
	return os.WriteFile(file, []byte(out.String()), 0o600)
}

// Stop stops every server and takes back the addresses that Start added.
func (l *Lab) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var errs []error
	if l.temporal != nil {
		errs = append(errs, l.temporal.stop(ctx, syscall.SIGTERM))
	}
	if l.cluster != nil {
		errs = append(errs, l.cluster.Stop(ctx))
	}
	for _, s := range []*stamp.Stamp{l.stamp, l.spare} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if l.files != nil {
		errs = append(errs, l.files.Stop(ctx))
	}
	if l.domain != nil && l.domain.server != nil {
		errs = append(errs, l.domain.server.stop(ctx, syscall.SIGTERM))
	}
	if l.added {
		_, err := run(ctx, "", "ip", "addr", "del", domainAddress+"/8", "dev", "lo")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (l *Lab) say(format string, args ...any) {
	if l.options.Out != nil {
		_, _ = fmt.Fprintf(l.options.Out, "lab: "+format+"\n", args...) // progress for people only
	}
}
