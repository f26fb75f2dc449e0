package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/seal"
	"infrabackup/tests/lab/cluster"
)

// target is where the workers may restore to.
const target = "site-c"

// site is one instance: three workers on hosts of their own, and an operator.
type site struct {
	t         *testing.T
	dir       string
	instance  string
	recipient string
	workers   []*worker
	sdk       client.Client // an operator's, without the product
}

// newSite makes an instance whose CA's folder has a file of so many bytes, and starts its workers.
func newSite(t *testing.T, size int) *site {
	t.Helper()
	use(t)
	s := &site{t: t, dir: t.TempDir()}
	id, err := backup.NewID(rand.Reader)
	require.NoError(t, err)
	s.instance = "cl-" + string(id[:8])
	key, err := codec.GenerateKeyLine("cluster", rand.Reader)
	require.NoError(t, err)
	s.write("codec.keys", key)
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	s.recipient = recipient.Text
	s.write("operator.key", text.Reveal())
	require.NoError(t, os.CopyFS(s.file("ca"), os.DirFS(shared.env["LAB_CA_DIR"])))
	large := make([]byte, size)
	_, err = rand.Read(large)
	require.NoError(t, err)
	s.write("ca/large", string(large))
	require.NoError(t, os.Mkdir(s.file("restored"), 0o700))
	s.write("target.yaml", "name: "+target+"\nfqdn: c.example.com\ndeploymentId: 77777777-2222-4333-8444-555555555555\nca:\n  dir: restored\n")
	s.sdk, err = shared.cluster.Dial(t.Context(), shared.cluster.Identity(cluster.Operator))
	require.NoError(t, err)
	t.Cleanup(s.sdk.Close)
	for range 3 {
		s.workers = append(s.workers, s.newWorker(string(id)))
	}
	enabled := s.run("enable", "-o", "json", "--share", `\\`+shared.network.address+`\`+strings.Split(shared.env["LAB_SHARE"], `\`)[3],
		"--username", shared.env["LAB_SHARE_USER"], "--password-file", shared.env["LAB_SHARE_PASSWORD_FILE"], "--recipient", s.recipient)
	require.Zero(t, enabled.code, "%s%s", enabled.stdout, enabled.stderr)
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name, text string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.file(name), []byte(text), 0o600))
}

// worker is a worker process on a host, which is started again when it ends, as by a service
// manager.
type worker struct {
	s    *site
	host *host
	log  string

	mu      sync.Mutex
	process *os.Process
	stopped bool
	ended   chan struct{}
}

func (s *site) newWorker(deployment string) *worker {
	s.t.Helper()
	h, err := shared.network.newHost()
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, h.close()) })
	w := &worker{s: s, host: h, log: s.file(h.name + ".log"), ended: make(chan struct{})}
	s.write(h.name+".yaml", fmt.Sprintf("instance: {name: %s, fqdn: local.azurestack.test, region: local, deploymentId: %s}\n%scodec: {keyFile: codec.keys}\nspool: {dir: %s}\nhost: %s\ntargets: [target.yaml]\nsources:\n  ca: {dir: ca}\n",
		s.instance, deployment, shared.cluster.Section(shared.cluster.Identity(cluster.Worker)), "spool-"+h.name, h.name))
	go w.keep()
	s.t.Cleanup(w.stop)
	require.Eventually(s.t, func() bool {
		data, err := os.ReadFile(w.log)
		return err == nil && bytes.Contains(data, []byte("msg=ready"))
	}, 2*time.Minute, 50*time.Millisecond, "%s", w.log)
	return w
}

// keep runs the process until stop.
func (w *worker) keep() {
	defer close(w.ended)
	for {
		log, err := os.OpenFile(w.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			w.s.t.Errorf("the log of %s: %v", w.host.name, err)
			return
		}
		cmd := w.host.command(filepath.Join(shared.bin, "infrabackup-worker"), "--config", w.s.file(w.host.name+".yaml"))
		cmd.Stdout, cmd.Stderr = log, log
		w.mu.Lock()
		stopped := w.stopped
		if !stopped {
			if err = cmd.Start(); err == nil {
				w.process = cmd.Process
			}
		}
		w.mu.Unlock()
		if stopped || err != nil {
			_ = log.Close() // nothing was written
			if err != nil {
				w.s.t.Errorf("start the worker of %s: %v", w.host.name, err)
			}
			return
		}
		_ = cmd.Wait()  // however it ends, it is started again
		_ = log.Close() // of the dead process
	}
}

// kill ends the process as a power cut does.
func (w *worker) kill() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.process.Kill()
}

// stop ends the process in order, and starts no other.
func (w *worker) stop() {
	w.mu.Lock()
	w.stopped = true
	if w.process != nil {
		_ = w.process.Signal(os.Interrupt) // it may have ended
	}
	w.mu.Unlock()
	select {
	case <-w.ended:
	case <-time.After(time.Minute):
		w.s.t.Errorf("the worker of %s does not end", w.host.name)
		_ = w.kill() // it may end just now
		<-w.ended
	}
}

// answer is what a command printed and its exit code.
type answer struct {
	code           int
	stdout, stderr string
}

// run runs the command line as an operator.
func (s *site) run(args ...string) answer {
	s.t.Helper()
	env, err := shared.cluster.Env(shared.cluster.Identity(cluster.Operator))
	require.NoError(s.t, err)
	a, err := s.runAs(env, args...)
	require.NoError(s.t, err)
	return a
}

// runAs runs the command line with these variables for Temporal.
func (s *site) runAs(temporal map[string]string, args ...string) (answer, error) {
	cmd := exec.Command(filepath.Join(shared.bin, "infrabackup"), args...)
	cmd.Env = append(os.Environ(), "INFRABACKUP_INSTANCE="+s.instance, "INFRABACKUP_CODEC_KEY_FILE="+s.file("codec.keys"))
	for key, value := range temporal {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return answer{exit.ExitCode(), stdout.String(), stderr.String()}, nil
	}
	return answer{0, stdout.String(), stderr.String()}, err
}

// into decodes what a command printed.
func into[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	require.Zero(t, a.code, "%.500s%.500s", a.stdout, a.stderr)
	require.NoError(t, json.Unmarshal([]byte(a.stdout), &v), "%.500s", a.stdout)
	return v
}

// status is what became of the newest run of a workflow; RUNNING also while the cluster does
// not answer.
func (s *site) status(workflow string) enumspb.WorkflowExecutionStatus {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	d, err := s.sdk.DescribeWorkflowExecution(ctx, workflow, "")
	if err != nil {
		return enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	return d.GetWorkflowExecutionInfo().GetStatus()
}

// ends waits for the end of a run, and returns how long that took.
func (s *site) ends(workflow string) time.Duration {
	s.t.Helper()
	began := time.Now()
	require.Eventually(s.t, func() bool { return s.status(workflow) != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING }, 20*time.Minute, 200*time.Millisecond, "%s does not end", workflow)
	require.Equal(s.t, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.status(workflow))
	return time.Since(began)
}

// middle waits until the links together have carried what comes before, in one direction, and then
// one of them enough of the data, and returns its host's worker. A run that ends before fails the
// test.
func (s *site) middle(workflow string, past, enough int64, direction func(from, to int64) int64) *worker {
	s.t.Helper()
	count := func(w *worker) int64 {
		from, to, err := w.host.carried()
		require.NoError(s.t, err)
		return direction(from, to)
	}
	before := map[*worker]int64{}
	all := func() (sum int64) {
		for _, w := range s.workers {
			before[w] = count(w)
			sum += before[w]
		}
		return sum
	}
	began := all()
	var busy *worker
	looked := time.Now()
	require.Eventually(s.t, func() bool {
		if past > 0 {
			if all()-began >= past {
				past = 0
			}
		} else {
			for _, w := range s.workers {
				if count(w)-before[w] >= enough {
					busy = w
					return true
				}
			}
		}
		if time.Since(looked) > 2*time.Second { // a run that has ended carries nothing more
			looked = time.Now()
			return s.status(workflow) != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		}
		return false
	}, 4*time.Minute, 5*time.Millisecond, "no host is at it")
	require.NotNil(s.t, busy, "the run ended before its middle")
	return busy
}

// held are the files below a folder; none when it is not there.
func held(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return names
}

// clean makes sure that a run has left nothing behind: on the share, and in the spools.
func (s *site) clean() {
	s.t.Helper()
	share := filepath.Join(shared.env["LAB_SHARE_DIR"], s.instance)
	require.Empty(s.t, held(s.t, filepath.Join(share, backup.IncomingDir)))
	for _, w := range s.workers {
		require.Eventually(s.t, func() bool {
			for _, name := range held(s.t, s.file("spool-"+w.host.name)) {
				if filepath.Base(name) != "lock" && !strings.HasPrefix(filepath.Base(name), ".") {
					return false
				}
			}
			return true
		}, 3*time.Minute, 200*time.Millisecond, "the spool of %s", w.host.name)
	}
	audit := into[backup.Audit](s.t, s.run("backup", "verify", "--all", "-o", "json"))
	require.True(s.t, audit.Good(), "%+v", audit)
}

// backedUp makes sure that there are so many backups, that each verifies with the operator's key,
// and that nothing is left behind.
func (s *site) backedUp(want int) {
	s.t.Helper()
	list := into[[]struct {
		BackupID backup.ID
		Status   backup.Status
	}](s.t, s.run("backup", "list", "-o", "json"))
	require.Len(s.t, list, want)
	for _, b := range list {
		require.Equal(s.t, backup.Succeeded, b.Status)
		verdict := into[backup.Verdict](s.t, s.run("backup", "verify", string(b.BackupID), "--identity", s.file("operator.key"), "-o", "json"))
		require.Empty(s.t, verdict.Findings)
	}
	s.clean()
}
