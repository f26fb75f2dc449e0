package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"infrabackup/activities"
	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/share/sharetest"
	"infrabackup/internal/share/smb"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
	"infrabackup/workflows"
)

// workerVariable makes the test binary a worker process, which a test can kill as a
// power cut does. Its value is the JSON of a workerConfig.
const workerVariable = "INFRABACKUP_E2E_WORKER"

// workerConfig is what a worker process is like.
type workerConfig struct {
	Address  string
	Instance backup.Instance
	Host     string
	KeyLine  string
	SpoolDir string
	ShareDir string       // a folder as the share, or
	SMB      bool         // the share that the settings name
	Blob     string       // file that the CA's source gives
	Records  int          // records that the directory's source gives
	Stamp    *cloudSource // a stamp, instead of these two sources
	Targets  map[string]string
	Program  string `json:"-"` // this test's binary when empty

	KillAtCall  int    // kill the process at this call of the store, 0 for never
	KillAfter   bool   // after the call had its effect
	KillAtFlush int    // kill the process when the CA's part was flushed for the n-th time
	Captured    bool   // and only when the CA was captured completely
	KillCapture bool   // kill the process within a capture
	Once        string // file that remembers that the process was killed already
	Hold        string // file with a part of a path: writing such a file stops there
}

// workerMain is the worker process. It runs until it is killed.
func workerMain() int {
	var c workerConfig
	if err := json.Unmarshal([]byte(os.Getenv(workerVariable)), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := c.serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (c workerConfig) serve() error {
	ring, err := codec.ParseKeyring([]byte(c.KeyLine))
	if err != nil {
		return err
	}
	dialled, err := temporal.Dial(context.Background(), temporal.Options{
		Address: c.Address, Namespace: "default", Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	spooled, err := spool.Open(c.SpoolDir)
	if err != nil {
		return err
	}
	k := &killer{config: c, client: dialled}
	sources := []collect.Collector{&items{service: backup.AD, records: c.Records, each: k.captured}, &blobSource{file: c.Blob}}
	if c.Stamp != nil {
		if sources, err = c.Stamp.collectors(); err != nil {
			return err
		}
	}
	acts := activities.New(activities.Dependencies{
		Client: dialled, Instance: c.Instance, Host: c.Host, Product: "infrabackup test",
		Collectors: sources, Spool: spooled, Keyring: ring,
		OpenStore: k.open, Keys: keyMaker{}, Encrypter: seal.FileEncrypter{}, Recorder: telemetry.Discard(), Now: time.Now, Targets: c.Targets,
	})
	main := worker.New(dialled, flow.Queue(c.Instance.Name), worker.Options{MaxHeartbeatThrottleInterval: 5 * time.Second})
	workflows.Register(main)
	acts.Register(main)
	host := worker.New(dialled, flow.SpoolQueue(c.Instance.Name, c.Host), worker.Options{DisableWorkflowWorker: true, MaxHeartbeatThrottleInterval: 5 * time.Second})
	acts.RegisterSpool(host)
	often := worker.Options{MaxHeartbeatThrottleInterval: time.Second}
	for _, w := range slices.Concat(acts.SourceWorkers(dialled, often), acts.TargetWorkers(dialled, often), []worker.Worker{main}) {
		if err := w.Start(); err != nil {
			return err
		}
	}
	return host.Run(worker.InterruptCh())
}

// blobSource gives one file as the CA's service.
type blobSource struct{ file string }

// Service implements collect.Collector.
func (s *blobSource) Service() backup.Service { return backup.CA }

// Check implements collect.Collector.
func (s *blobSource) Check(context.Context) error { return nil }

// Collect implements collect.Collector.
func (s *blobSource) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	start := time.Now()
	f, err := os.Open(s.file)
	if err != nil {
		return collect.Capture{}, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return collect.Capture{}, err
	}
	err = sink.File(backup.Item{Kind: "file", ID: "blob", Name: "blob"}, collect.FileInfo{Path: "ca/blob", Size: info.Size(), Mode: 0o600}, f)
	return collect.Capture{Start: start, End: time.Now()}, err
}

// killer ends its own process at a chosen point, once.
type killer struct {
	config  workerConfig
	client  client.Client
	calls   atomic.Int64
	flushes atomic.Int64
}

func (k *killer) die() {
	marker, err := os.OpenFile(k.config.Once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return // this process was started after the kill
	}
	_ = marker.Close() // empty
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // until the signal arrives
}

// uploading reports whether an upload is all that the run is at: everything is captured.
func (k *killer) uploading() bool {
	run, err := k.client.DescribeWorkflowExecution(context.Background(), flow.BackupWorkflowID(k.config.Instance.Name), "")
	if err != nil {
		return false // Temporal is busy, and asked again
	}
	pending := run.PendingActivities
	return len(pending) == 1 && pending[0].ActivityType.Name == flow.UploadPart.Name && pending[0].State == enumspb.PENDING_ACTIVITY_STATE_STARTED
}

func (k *killer) captured(i int) {
	if k.config.KillCapture && i == k.config.Records/2 {
		k.die()
	}
}

func (k *killer) open(ctx context.Context, s settings.Settings) (share.Store, error) {
	if !k.config.SMB {
		store, err := dir.Open(k.config.ShareDir)
		if err != nil {
			return nil, err
		}
		return &holding{Store: k.killing(store), order: k.config.Hold}, nil
	}
	unc, err := share.ParseUNC(s.Share.Path)
	if err != nil {
		return nil, err
	}
	store, err := smb.Open(ctx, smb.Config{UNC: unc, Username: s.Credential.Username, Password: s.Credential.Password.String})
	if err != nil {
		return nil, err
	}
	return k.killing(store), nil
}

// killing makes a store that ends the process at a change of the share, or when so much
// of a service is flushed.
func (k *killer) killing(store share.Store) share.Store {
	way := sharetest.Before
	if k.config.KillAfter {
		way = sharetest.After
	}
	return &flushKilling{k: k, Store: &sharetest.Crashing{
		Store: store, At: k.config.KillAtCall, Way: way, End: k.die, Count: func() int { return int(k.calls.Add(1)) },
	}}
}

// flushKilling is a store that ends the process at the n-th flush of a service's archive.
type flushKilling struct {
	share.Store
	k *killer
}

// Upload implements share.Store.
func (s *flushKilling) Upload(ctx context.Context, path string, src io.ReaderAt, from, size int64, flushed func(int64)) error {
	return s.Store.Upload(ctx, path, src, from, size, s.flushed(path, flushed))
}

// UploadGrowing implements share.Store.
func (s *flushKilling) UploadGrowing(ctx context.Context, path string, src io.ReaderAt, from int64, extent share.Extent, flushed func(int64)) (int64, error) {
	return s.Store.UploadGrowing(ctx, path, src, from, extent, s.flushed(path, flushed))
}

// flushed dies at a flush, when it was reported.
func (s *flushKilling) flushed(path string, report func(int64)) func(int64) {
	return func(offset int64) {
		if report != nil {
			report(offset)
		}
		if part := strings.Contains(path, "/ca.tar.zst.age.") && !strings.Contains(path, ".index"); part && int(s.k.flushes.Add(1)) == s.k.config.KillAtFlush {
			for s.k.config.Captured && !s.k.uploading() {
				runtime.Gosched()
			}
			s.k.die()
		}
	}
}

// workerProcess keeps a worker process running, as a service manager does.
type workerProcess struct {
	t       *testing.T
	config  workerConfig
	stopped atomic.Bool
	current atomic.Pointer[os.Process]
	done    chan struct{}
	starts  atomic.Int64
}

// startWorkers starts worker processes until the test ends; each one that dies is followed by
// another.
func startWorkers(t *testing.T, config workerConfig) *workerProcess {
	t.Helper()
	c := &workerProcess{t: t, config: config, done: make(chan struct{})}
	data, err := json.Marshal(config)
	require.NoError(t, err)
	go func() {
		defer close(c.done)
		for !c.stopped.Load() {
			cmd := exec.Command(cmp.Or(config.Program, os.Args[0]))
			cmd.Env = append(os.Environ(), workerVariable+"="+string(data))
			cmd.Stderr = os.Stderr
			c.starts.Add(1)
			if err := cmd.Start(); err != nil {
				t.Errorf("start a worker: %v", err)
				return
			}
			c.current.Store(cmd.Process)
			if c.stopped.Load() {
				_ = cmd.Process.Kill() // stop may have looked before this one was there
			}
			_ = cmd.Wait() // it is killed, one way or the other
		}
	}()
	t.Cleanup(c.stop)
	return c
}

// kill ends the worker process as a power cut does, and waits for the next one. The
// process may have ended itself a moment before, where its configuration says so.
func (c *workerProcess) kill() {
	c.t.Helper()
	process := c.current.Load()
	if err := process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		require.NoError(c.t, err)
	}
	require.Eventually(c.t, func() bool { return c.current.Load() != process }, time.Minute, 5*time.Millisecond)
}

// peak returns the peak memory of the process that runs now.
func (c *workerProcess) peak() int64 {
	c.t.Helper()
	peak, err := lab.PeakMemory(c.current.Load().Pid)
	require.NoError(c.t, err)
	return peak
}

// stop stops the worker process and starts no other.
func (c *workerProcess) stop() {
	c.stopped.Store(true)
	if p := c.current.Load(); p != nil {
		_ = p.Kill() // it may have ended by itself
	}
	<-c.done
}

// crashing makes an instance whose worker is a process of its own.
func crashing(t *testing.T, blobSize int, change func(*workerConfig)) (*controller, workerConfig) {
	t.Helper()
	c := newIdleController(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "blob")
	require.NoError(t, os.WriteFile(file, blob(t, blobSize), 0o600))
	config := workerConfig{
		Address: server(t), Instance: c.instance, Host: "host-1", KeyLine: c.keyLine, SpoolDir: c.spoolDir, ShareDir: c.shareDir,
		Blob: file, Records: 2000, Once: filepath.Join(dir, "killed"),
	}
	change(&config)
	return c, config
}
