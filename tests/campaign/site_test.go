package campaign

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
	"infrabackup/tests/lab/stamp/inventory"
)

// What a site is like.
const (
	instance     = "campaign"
	address      = "127.0.0.81" // of its file server
	temporalPort = 27233
	shareSize    = 320 << 20
	spoolSize    = 96 << 20
	blobSize     = 6 << 20 // of the largest file of the CA, which does not get smaller by compression
	resources    = 40
	deployment   = "0f0d9a58-4b0e-4a43-9f0f-7f6a110b1f4c"
)

// commandBound is within what a command has to end, whatever happens around it: longer than
// any of them waits for what a fault here takes away.
const commandBound = 8 * time.Minute

// site is everything that a round has for itself: servers, a worker, sources and a target.
type site struct {
	t          *testing.T
	env        lab.Environment
	dir, bin   string
	files      *lab.FileServer
	temporal   *lab.TemporalServer
	client     client.Client
	stamp      *stamp.Stamp
	misbehaves func() // ends that of the stamp

	authority sync.Mutex // held while the CA's folder is away

	mu      sync.Mutex
	worker  *exec.Cmd
	gone    chan struct{} // closed when that worker has ended
	held    bool          // no worker is to run now
	command *exec.Cmd     // that runs now
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

// newSite starts one. Nothing is enabled.
func newSite(t *testing.T, env lab.Environment) *site {
	t.Helper()
	s := &site{t: t, env: env, dir: t.TempDir(), bin: os.Getenv("INFRABACKUP_BIN")}
	if s.bin == "" {
		s.bin = t.TempDir()
		for name, pkg := range map[string]string{"infrabackup": "./starter", "infrabackup-worker": "./worker"} {
			cmd := exec.Command("go", "build", "-o", filepath.Join(s.bin, name), pkg)
			cmd.Dir = filepath.Join("..", "..")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
	}
	s.mount("share", shareSize)
	s.mount("disk", spoolSize)
	var err error
	s.files, err = lab.StartFileServer(t.Context(), lab.FileServerOptions{Dir: s.file("fs"), ShareDir: s.file("share"), Address: address})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.files.Thaw() // it may have ended
		require.NoError(t, s.files.Stop(context.Background()))
	})
	s.temporal, err = lab.StartTemporal(t.Context(), s.file("temporal"), temporalPort)
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.temporal.Thaw() // it may have ended
		require.NoError(t, s.temporal.Stop(context.Background()))
	})
	s.client, err = client.NewLazyClient(client.Options{HostPort: s.temporal.Address()})
	require.NoError(t, err)
	t.Cleanup(s.client.Close)
	s.startStamp()
	s.prepare()
	t.Cleanup(func() { s.stopWorker(syscall.SIGKILL) })
	require.NoError(t, s.startWorker(t.Context()))
	return s
}

// mount makes a disk of its own, so that it can be filled.
func (s *site) mount(name string, size int) {
	s.t.Helper()
	dir := s.file(name)
	require.NoError(s.t, os.Mkdir(dir, 0o700))
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=0700", size), "tmpfs", dir).CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	s.t.Cleanup(func() {
		out, err := exec.Command("umount", "-l", dir).CombinedOutput()
		require.NoError(s.t, err, "%s", out)
	})
}

// startStamp starts a stamp of the site's own.
func (s *site) startStamp() {
	t := s.t
	port, err := lab.FreePort()
	require.NoError(t, err)
	contents, err := inventory.Generate(inventory.Options{
		Seed: 7, Resources: resources, Domain: "local.azurestack.test", VaultPort: port,
		Principals: []string{"S-1-5-21-1004336348-1177238915-682003330-1100"}, Issuer: s.issuer(), Now: time.Now(),
	})
	require.NoError(t, err)
	var started atomic.Bool
	s.stamp, err = stamp.Start(stamp.Options{
		Contents: contents, Versions: stamp.UncommonTypes(), Listen: fmt.Sprintf("127.0.0.1:%d", port),
		Now: func() time.Time {
			if started.Load() {
				return time.Now()
			}
			return time.Now().Add(-24 * time.Hour) // what is there at the start was made long ago
		},
	})
	started.Store(true)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stamp.Close()) })
}

// issuer is the lab's CA, which issued the certificates in the stamp's vaults.
func (s *site) issuer() *inventory.Issuer {
	der := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(s.env["LAB_CA_DIR"], name))
		require.NoError(s.t, err)
		block, _ := pem.Decode(text)
		require.NotNil(s.t, block)
		return block.Bytes
	}
	certificate, err := x509.ParseCertificate(der("cacert.pem"))
	require.NoError(s.t, err)
	key, err := x509.ParsePKCS8PrivateKey(der("private/cakey.pem"))
	require.NoError(s.t, err)
	signer, ok := key.(crypto.Signer)
	require.True(s.t, ok)
	return &inventory.Issuer{Certificate: certificate, Key: signer}
}

// prepare writes the configuration, the keys and the CA's folder.
func (s *site) prepare() {
	t := s.t
	s.write("stamp.pem", string(s.stamp.CA()))
	s.write("stamp.secret", s.stamp.ClientSecret()+"\n")
	s.write("password", s.files.Password())
	s.write("wrong", "not-the-password")
	for _, folder := range []string{"share/first", "share/second", "target"} {
		require.NoError(t, os.Mkdir(s.file(folder), 0o700))
	}
	out, err := exec.Command("cp", "-a", s.env["LAB_CA_DIR"], s.file("ca")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	conf, err := os.ReadFile(s.file("ca/openssl.cnf"))
	require.NoError(t, err)
	s.write("ca/openssl.cnf", strings.ReplaceAll(string(conf), s.env["LAB_CA_DIR"], s.file("ca")))
	blob := make([]byte, blobSize)
	_, err = rand.Read(blob)
	require.NoError(t, err)
	s.write("ca/blob", string(blob))
	s.write("site-c.yaml", "name: site-c\nfqdn: c.example.com\ndeploymentId: 2ad5be4e-22ab-4af6-b4cb-7a0f8e7b5b0c\nca:\n  dir: target\n")
	answer := s.run("codec-key", "generate", "--out", s.file("codec.keys"))
	require.Zero(t, answer.code, "%s%s", answer.stdout, answer.stderr)
	s.write("worker.yaml", fmt.Sprintf(`instance: {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: %s}
temporal: {address: %q, namespace: default}
codec: {keyFile: codec.keys}
spool: {dir: disk/spool}
host: host-1
targets: [site-c.yaml]
sources:
  ca: {dir: ca}
  azure: {managementUrl: %s, adminManagementUrl: %s, authorityUrl: %s, clientId: %s, clientSecretFile: stamp.secret, caFile: stamp.pem, resolver: %s}
`, instance, deployment, s.temporal.Address(), s.stamp.TenantURL(), s.stamp.AdminURL(), s.stamp.AuthorityURL(), s.stamp.ClientID(), s.stamp.Resolver()))
}

func (s *site) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.file(name), []byte(text), 0o600))
}

// startWorker starts a worker and waits until it polls.
func (s *site) startWorker(ctx context.Context) error {
	before, gone, err := s.launchWorker()
	if err != nil {
		return err
	}
	return waitUntil(ctx, 2*time.Minute, "the worker is ready", func() (bool, error) {
		data, err := os.ReadFile(s.file("worker.log"))
		select {
		case <-gone:
			return false, errors.New("the worker ended")
		default:
		}
		return err == nil && bytes.Contains(data[before:], []byte("msg=ready")), err
	})
}

// launchWorker starts a worker, and returns where its part of the log begins and what is closed
// when it has ended.
func (s *site) launchWorker() (before int, gone chan struct{}, err error) {
	log, err := os.OpenFile(s.file("worker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = log.Close() }() // the worker has its own
	written, err := os.ReadFile(s.file("worker.log"))
	if err != nil {
		return 0, nil, err
	}
	cmd := exec.Command(filepath.Join(s.bin, "infrabackup-worker"), "--config", s.file("worker.yaml"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	gone = make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed, one way or the other
		close(gone)
	}()
	s.mu.Lock()
	s.worker, s.gone, s.held = cmd, gone, false
	s.mu.Unlock()
	return len(written), gone, nil
}

// stopWorker ends the worker and its children by a signal, and starts no other.
func (s *site) stopWorker(sig syscall.Signal) {
	s.mu.Lock()
	cmd, gone := s.worker, s.gone
	s.held = true
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	target := cmd.Process.Pid
	if sig == syscall.SIGKILL {
		target = -target
	}
	_ = syscall.Kill(target, sig) // it may have ended
	<-gone
}

// signalWorker sends a signal to the worker and its children, which may have ended.
func (s *site) signalWorker(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := syscall.Kill(-s.worker.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// revive starts a worker where it has ended by itself, as a service manager does.
func (s *site) revive() (revived bool, err error) {
	s.mu.Lock()
	gone, held := s.gone, s.held
	s.mu.Unlock()
	select {
	case <-gone:
		if held {
			return false, nil
		}
		_, _, err := s.launchWorker()
		return true, err
	default:
		return false, nil
	}
}

// open are the IDs of the workflows that run, but for the settings, which always do.
func (s *site) open(ctx context.Context) ([]string, error) {
	var ids []string
	found, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", Query: `ExecutionStatus = "Running"`})
	if err != nil {
		return nil, err
	}
	for _, e := range found.GetExecutions() {
		if id := e.GetExecution().GetWorkflowId(); !strings.HasSuffix(id, ":settings") {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// keep saves histories, logs, configuration and the small files of the share.
func (s *site) keep(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	errs := []error{s.keepHistories(ctx, filepath.Join(dir, "histories"))}
	script := `cp worker.log worker.yaml site-c.yaml codec.keys fs/log/smbd.log temporal/log/temporal.log "$1"/; cp *.key "$1"/
mkdir -p "$1"/share; (cd share && find . -printf '%p %s %m %t\n') > "$1"/share.list
(cd share && find . -type f -size -64k -print0 | tar c --null -T -) | tar x -C "$1"/share; find disk target -printf '%p %s\n' > "$1"/local.list`
	cmd := exec.Command("bash", "-c", script, "keep", dir)
	cmd.Dir = s.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		errs = append(errs, fmt.Errorf("%w: %s", err, out))
	}
	return errors.Join(errs...)
}

// keepHistories saves the newest runs of the namespace, as Temporal has them.
func (s *site) keepHistories(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	found, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default", PageSize: 40})
	if err != nil {
		return err
	}
	for _, e := range found.GetExecutions() {
		id, run := e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()
		var text bytes.Buffer
		events := s.client.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return err
			}
			line, err := protojson.Marshal(event)
			if err != nil {
				return err
			}
			text.Write(append(line, '\n'))
		}
		name := strings.NewReplacer(":", "_", "/", "_").Replace(fmt.Sprintf("%s %s.jsonl", id, run))
		if err := os.WriteFile(filepath.Join(dir, name), text.Bytes(), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// waitUntil asks until the answer is yes. An error is kept until then.
func waitUntil(ctx context.Context, bound time.Duration, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s until %s: %w", bound, what, errors.Join(ctx.Err(), err))
		case <-look.C:
		}
	}
}

// pause lets a time pass, in which something else goes on.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
