package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"infrabackup/activities"
	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
	"infrabackup/workflows"
)

// firstOf draws which of n to begin with, where a test tries every n-th of many things and only
// the soak all of them.
func firstOf(t *testing.T, n int) int {
	t.Helper()
	first := mathrand.IntN(n)
	t.Logf("every one of %d, from number %d on", n, first)
	return first
}

// server is the address of the Temporal server that all tests share.
func server(t *testing.T) string { return lab.Temporal(t) }

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		os.Exit(workerMain())
	}
	lab.Main(tests{m})
}

// tests are this package's tests and what they share.
type tests struct{ *testing.M }

// Run implements the interface that the lab wraps.
func (t tests) Run() int {
	code := t.M.Run()
	if err := os.RemoveAll(built.dir); built.dir != "" && err != nil {
		fmt.Fprintln(os.Stderr, "remove the binaries:", err)
	}
	return code
}

// controller is one instance with an in-process worker and a folder as its share.
type controller struct {
	t         *testing.T
	client    client.Client
	instance  backup.Instance
	shareDir  string
	shares    map[string]string // folders by UNC path, nil for shareDir whatever the path
	passwords map[string]string // of accounts, nil for any
	spoolDir  string
	ring      *codec.Keyring
	keyLine   string
	operator  []seal.Identity
	identity  secret.String
	sources   []collect.Collector
	wrap      func(share.Store) share.Store
	edit      func(*settings.Settings) // of the proposal, when not nil
	targets   map[string]string        // files of targets by name
	stop      func()
}

// started are the options of a workflow that runs once at a time.
func (c *controller) started(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(c.instance.Name), WorkflowExecutionErrorWhenAlreadyStarted: true}
}

// newController makes an instance that is not enabled yet. Sources are what its
// worker captures.
func newController(t *testing.T, sources ...collect.Collector) *controller {
	t.Helper()
	c := newIdleController(t, sources...)
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

// newIdleController makes an instance that has no worker.
func newIdleController(t *testing.T, sources ...collect.Collector) *controller {
	t.Helper()
	line, err := codec.GenerateKeyLine("test", rand.Reader)
	require.NoError(t, err)
	ring, err := codec.ParseKeyring([]byte(line))
	require.NoError(t, err)
	id, err := backup.NewID(rand.Reader)
	require.NoError(t, err)
	c := &controller{
		t: t, ring: ring, keyLine: line, sources: sources,
		instance: backup.Instance{Name: "t-" + string(id[:8]), FQDN: "local.azurestack.test", Region: "local", DeploymentID: string(id)},
		shareDir: filepath.Join(t.TempDir(), "share"), spoolDir: filepath.Join(t.TempDir(), "spool"),
		wrap: func(s share.Store) share.Store { return s },
	}
	require.NoError(t, os.Mkdir(c.shareDir, 0o700))
	c.client, err = temporal.Dial(t.Context(), temporal.Options{
		Address: server(t), Namespace: "default", Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(c.client.Close)
	return c
}

// start starts the worker.
func (c *controller) start() { c.stop = c.work("host-1", c.spoolDir, c.sources...) }

// work starts a worker on a host of its own, and returns how it is stopped.
func (c *controller) work(host, spoolDir string, sources ...collect.Collector) (stop func()) {
	c.t.Helper()
	spooled, err := spool.Open(spoolDir)
	require.NoError(c.t, err)
	acts := activities.New(activities.Dependencies{
		Client: c.client, Instance: c.instance, Host: host, Product: "infrabackup test",
		Collectors: sources, Spool: spooled, Keyring: c.ring,
		OpenStore: func(_ context.Context, set settings.Settings) (share.Store, error) {
			s, err := c.openStore(set)
			if err != nil {
				return nil, err
			}
			return c.wrap(s), nil
		},
		Keys: keyMaker{}, Encrypter: seal.FileEncrypter{}, Recorder: telemetry.Discard(), Now: time.Now, Targets: c.targets,
	})
	options := worker.Options{Identity: flow.WorkerIdentity(host), MaxHeartbeatThrottleInterval: 5 * time.Second}
	main := worker.New(c.client, flow.Queue(c.instance.Name), options)
	workflows.Register(main)
	acts.Register(main)
	options.DisableWorkflowWorker = true
	own := worker.New(c.client, flow.SpoolQueue(c.instance.Name, host), options)
	acts.RegisterSpool(own)
	all := slices.Concat(acts.SourceWorkers(c.client, options), acts.TargetWorkers(c.client, options), []worker.Worker{own, main})
	for _, w := range all {
		require.NoError(c.t, w.Start())
	}
	return sync.OnceFunc(func() {
		var stopped sync.WaitGroup
		for _, w := range all {
			stopped.Go(w.Stop)
		}
		stopped.Wait()
		if err := acts.Close(); err != nil {
			c.t.Errorf("close the activities: %v", err)
		}
		if err := spooled.Close(); err != nil {
			c.t.Errorf("close the spool: %v", err)
		}
	})
}

// keyMaker makes backup keys in this process.
type keyMaker struct{}

func (keyMaker) MakeKey(_ context.Context, recipients []string) (recipient string, keyAge []byte, err error) {
	return seal.MakeWrappedKey(recipients)
}

// proposal is a complete set of valid settings.
func (c *controller) proposal() settings.Settings {
	c.t.Helper()
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(c.t, err)
	c.identity = text
	c.operator, err = seal.ParseIdentities([]byte(text.Reveal()))
	require.NoError(c.t, err)
	signing, err := seal.GenerateSigningKey(rand.Reader)
	require.NoError(c.t, err)
	key, err := seal.ParseSigningKey(signing)
	require.NoError(c.t, err)
	s := settings.Settings{
		Instance:   c.instance,
		Share:      settings.Share{Path: `\\fs.example.test\AzSBackups`, Transport: share.Encrypted},
		Credential: settings.Credential{Username: `CORP\backup`, Password: secret.NewTransfer(secret.New("canary-share-password"))},
		Recipients: []settings.Recipient{{
			Recipient: backup.Recipient{Kind: recipient.Kind, Fingerprint: recipient.Fingerprint}, Text: recipient.Text,
		}},
		Signing:    settings.Signing{PrivateKey: secret.NewTransfer(signing), Public: key.Public()},
		Controller: c.instance.DeploymentID,
	}
	if c.edit != nil {
		c.edit(&s)
	}
	return s
}

// enable activates valid settings.
func (c *controller) enable() settings.Summary {
	c.t.Helper()
	ctx := c.t.Context()
	id := flow.SettingsWorkflowID(c.instance.Name)
	_, err := flow.Settings.Start(ctx, c.client, client.StartWorkflowOptions{
		ID: id, TaskQueue: flow.Queue(c.instance.Name), WorkflowIDConflictPolicy: useExisting,
	}, flow.SettingsState{Instance: c.instance.Name})
	require.NoError(c.t, err)
	revision, err := flow.ProposeSettings.Send(ctx, c.client, id, flow.SettingsProposal{Settings: c.proposal(), First: true})
	require.NoError(c.t, err)
	run, err := flow.Enable.Start(ctx, c.client, client.StartWorkflowOptions{
		ID: flow.ChangeSettingsWorkflowID(c.instance.Name), TaskQueue: flow.Queue(c.instance.Name),
	}, flow.ChangeSettingsInput{Instance: c.instance.Name, Revision: revision, RequestedBy: "test"})
	require.NoError(c.t, err)
	summary, err := run.Get(ctx)
	require.NoError(c.t, err)
	return summary
}

// begin starts a backup.
func (c *controller) begin() (backup.ID, flow.Run[backup.Overview]) {
	c.t.Helper()
	return c.beginWith(flow.BackupInput{})
}

// beginWith starts a backup with some of its input given.
func (c *controller) beginWith(in flow.BackupInput) (backup.ID, flow.Run[backup.Overview]) {
	c.t.Helper()
	id, err := backup.NewID(rand.Reader)
	require.NoError(c.t, err)
	in.Instance, in.BackupID, in.RequestedBy = c.instance.Name, id, "test"
	run, err := flow.Backup.Start(c.t.Context(), c.client, client.StartWorkflowOptions{
		ID: flow.BackupWorkflowID(c.instance.Name), TaskQueue: flow.Queue(c.instance.Name),
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, in)
	require.NoError(c.t, err)
	return id, run
}

// during waits for a moment of a run. A run that ends before it fails the test with what came
// of it, and one that stands still with where it stands.
func (c *controller) during(run flow.Run[backup.Overview], moment func() bool) {
	c.t.Helper()
	ended := make(chan error, 1)
	go func() {
		_, err := run.Get(c.t.Context())
		ended <- err
	}()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.NewTimer(4 * time.Minute)
	defer late.Stop()
	for !moment() {
		select {
		case err := <-ended:
			if moment() { // it was there while the run ended
				return
			}
			require.FailNow(c.t, "the run ended before the moment came", "%v", err)
		case <-late.C:
			d, err := c.client.DescribeWorkflowExecution(c.t.Context(), run.GetID(), run.GetRunID())
			require.FailNow(c.t, "the moment did not come", "%v %v", err, d.GetPendingActivities())
		case <-look.C:
		}
	}
}

// items is a small source of records and files.
type items struct {
	service backup.Service
	records int
	files   map[string][]byte
	fail    error
	each    func(i int)   // called before each record, when not nil
	reached chan struct{} // closed when the first item was given, in whichever attempt
	once    sync.Once     // for that
	gate    chan struct{} // waits for it after the first item, when not nil
}

// Service implements collect.Collector.
func (s *items) Service() backup.Service { return s.service }

// Check implements collect.Collector.
func (s *items) Check(context.Context) error { return s.fail }

// Collect implements collect.Collector.
func (s *items) Collect(ctx context.Context, sink collect.Sink) (collect.Capture, error) {
	start := time.Now()
	for i := range s.records {
		if s.each != nil {
			s.each(i)
		}
		id := fmt.Sprintf("%06d", i)
		if err := sink.Record(backup.Item{Kind: "thing", ID: id, Name: "thing " + id}, []byte(`{"id":"`+id+`"}`)); err != nil {
			return collect.Capture{}, err
		}
		if i == 0 && s.gate != nil {
			s.once.Do(func() { close(s.reached) })
			select {
			case <-s.gate:
			case <-ctx.Done():
				return collect.Capture{}, ctx.Err()
			}
		}
	}
	for name, data := range s.files {
		info := collect.FileInfo{Path: "files/" + name, Size: int64(len(data)), Mode: 0o600, ModTime: time.Unix(1e9, 0)}
		if err := sink.File(backup.Item{Kind: "file", ID: name, Name: name}, info, bytes.NewReader(data)); err != nil {
			return collect.Capture{}, err
		}
	}
	if s.fail != nil {
		return collect.Capture{}, s.fail
	}
	sink.Gap(backup.Gap{Code: "TEST_GAP", Object: "thing", Reason: "for the test"})
	return collect.Capture{Start: start, End: time.Now(), Cursor: map[string]string{"n": "1"}}, nil
}
