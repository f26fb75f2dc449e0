package cluster

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/worker"

	"infrabackup/activities"
	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/mount"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret/secretfile"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
	"infrabackup/internal/share/dir"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/cluster"
	"infrabackup/tests/tier"
	"infrabackup/workflows"
)

// instances is how many back up at once. A hundred are more than a server and its database on two
// busy processors keep up with.
var instances = flag.Int("instances", 10, "how many instances back up at once in TestManyInstances")

// TestManyInstances: instances that share a cluster, a namespace and a share back up at once. All
// succeed, and none sees what is another's. The workers of all are in the process
// of the test, as they are in a worker that serves several instances.
func TestManyInstances(t *testing.T) {
	use(t)
	n := *instances
	all := make([]*instance, n)
	side(t, n, 8, func(i int) error {
		var err error
		all[i], err = newInstance(t)
		return err
	})
	before := spent(t)
	began := time.Now()
	side(t, n, n, func(i int) error { return all[i].backUp(t.Context()) })
	took := time.Since(began)
	after := spent(t)
	repeats := 0
	for i, one := range all {
		repeats += one.repeats
		one.alone(t, all[(i+1)%n])
	}
	for _, what := range []string{"server", "database", "workers"} {
		t.Logf("%d instances: %s %.0f ms of processor time an instance", n, what, (after[what]-before[what]).Seconds()*1000/float64(n))
	}
	t.Logf("%d instances: all backed up within %.1f s, %.2f s an instance, on %d processors", n, took.Seconds(), took.Seconds()/float64(n), runtime.NumCPU())
	t.Logf("%d instances: %d calls were repeated because no worker took them up in time", n, repeats)
	tier.Tried(t, "instances that backed up at once", int64(n))
}

// side runs a function for each number, some at once, and fails the test for each error.
func side(t *testing.T, n, atOnce int, do func(i int) error) {
	t.Helper()
	free := make(chan struct{}, atOnce)
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			free <- struct{}{}
			errs[i] = do(i)
			<-free
		})
	}
	all.Wait()
	for i, err := range errs {
		require.NoError(t, err, "number %d", i)
	}
}

// spent is the processor time of server, database and this process so far.
func spent(t *testing.T) map[string]time.Duration {
	t.Helper()
	used := map[string]time.Duration{}
	var err error
	used["workers"], err = lab.ProcessorTime(os.Getpid())
	require.NoError(t, err)
	pid, _ := shared.cluster.Server().Process()
	used["server"], err = lab.ProcessorTime(pid)
	require.NoError(t, err)
	postmaster, _ := shared.cluster.Database().Process()
	used["database"], err = lab.ProcessorTime(postmaster)
	require.NoError(t, err)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", postmaster, postmaster))
	require.NoError(t, err)
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		require.NoError(t, err)
		if time, err := lab.ProcessorTime(pid); err == nil { // it may have ended
			used["database"] += time
		}
	}
	return used
}

// instance is one of many, with a worker in this process.
type instance struct {
	name     string
	at       *control.Controller
	identity seal.Identity
	id       backup.ID
	repeats  int
}

func newInstance(t *testing.T) (*instance, error) {
	id, err := backup.NewID(rand.Reader)
	if err != nil {
		return nil, err
	}
	line, err := codec.GenerateKeyLine("many", rand.Reader)
	if err != nil {
		return nil, err
	}
	ring, err := codec.ParseKeyring([]byte(line))
	if err != nil {
		return nil, err
	}
	i := &instance{name: "many-" + string(id[:8])}
	as := shared.cluster.Identity(cluster.Worker)
	token, err := secretfile.ReadLine(as.Token)
	if err != nil {
		return nil, err
	}
	options := temporal.Options{Address: shared.cluster.Address(), Namespace: cluster.Namespace, APIKey: token, APIKeyFile: as.Token, ConnectTimeout: time.Minute,
		TLS:   temporal.TLS{CertFile: as.Certificate, KeyFile: as.Key, CAFile: shared.cluster.CA(), ServerName: "temporal.example.com"},
		Codec: codec.New(ring), Logger: slog.New(slog.DiscardHandler)}
	c, err := temporal.Dial(t.Context(), options)
	if err != nil {
		return nil, err
	}
	t.Cleanup(c.Close)
	spooled, err := spool.Open(filepath.Join(t.TempDir(), "spool"))
	if err != nil {
		return nil, err
	}
	described := backup.Instance{Name: i.name, FQDN: "local.azurestack.test", Region: "local", DeploymentID: string(id)}
	acts := activities.New(activities.Dependencies{
		Client: c, Namespace: cluster.Namespace, Instance: described, Host: "host-1", Product: "infrabackup test", Collectors: []collect.Collector{named(i.name)},
		Spool: spooled, Keyring: ring, Keys: keyMaker{}, Encrypter: seal.FileEncrypter{}, Recorder: telemetry.Discard(), Now: time.Now,
		OpenStore: func(ctx context.Context, set settings.Settings) (share.Store, error) { return mount.Open(ctx, set) },
	})
	common := sdk.Options{Identity: flow.WorkerIdentity("host-1"), MaxHeartbeatThrottleInterval: 5 * time.Second}
	main := sdk.New(c, flow.Queue(i.name), common)
	workflows.Register(main)
	acts.Register(main)
	common.DisableWorkflowWorker = true
	own := sdk.New(c, flow.SpoolQueue(i.name, "host-1"), common)
	acts.RegisterSpool(own)
	running := append(acts.SourceWorkers(c, common), own, main)
	for _, w := range running {
		if err := w.Start(); err != nil {
			return nil, err
		}
	}
	t.Cleanup(func() {
		var stopped sync.WaitGroup
		for _, w := range running {
			stopped.Go(w.Stop)
		}
		stopped.Wait()
		if err := acts.Close(); err != nil {
			t.Errorf("close the activities of %s: %v", i.name, err)
		}
		if err := spooled.Close(); err != nil {
			t.Errorf("close the spool of %s: %v", i.name, err)
		}
	})
	i.at = control.New(c, temporal.DataConverter(options.Codec), cluster.Namespace, i.name)
	return i, i.enable(t.Context(), described)
}

func (i *instance) enable(ctx context.Context, described backup.Instance) error {
	text, recipient, err := seal.GenerateIdentity(false, time.Now())
	if err != nil {
		return err
	}
	identities, err := seal.ParseIdentities([]byte(text.Reveal()))
	if err != nil {
		return err
	}
	i.identity = identities[0]
	password, err := secretfile.ReadLine(shared.env["LAB_SHARE_PASSWORD_FILE"])
	if err != nil {
		return err
	}
	request := control.EnableRequest{Instance: described, Username: shared.env["LAB_SHARE_USER"], Password: password, RequestedBy: "test",
		Share: settings.Share{Path: shared.env["LAB_SHARE"], Transport: share.Encrypted}, Recipients: []seal.Recipient{recipient}, Services: []backup.Service{backup.CA}}
	err = i.repeated(func() error {
		_, err := i.at.Enable(ctx, request)
		return err
	})
	if err != nil && fault.CodeOf(err) != fault.AlreadyEnabled { // by a try that seemed to fail
		return fmt.Errorf("enable %s: %w", i.name, err)
	}
	return nil
}

// repeated does something again when no worker took it up in the time that a caller waits: so many
// at once are more than two processors do in that time.
func (i *instance) repeated(do func() error) error {
	for {
		err := do()
		if fault.CodeOf(err) != fault.NoWorker || i.repeats == maxRepeats {
			return err
		}
		i.repeats++
	}
}

// maxRepeats is how often an instance may try again, each time for some 15 seconds.
const maxRepeats = 40

func (i *instance) backUp(ctx context.Context) error {
	var started control.Started
	err := i.repeated(func() (err error) {
		started, err = i.at.Start(ctx, "test", 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("start a backup of %s: %w", i.name, err)
	}
	i.id = started.BackupID
	overview, err := i.at.Wait(ctx, started.RunID, started.BackupID)
	if err != nil {
		return fmt.Errorf("the backup of %s: %w", i.name, err)
	}
	if overview.Status != backup.Succeeded || overview.BackupID != started.BackupID {
		return fmt.Errorf("the backup of %s: %+v", i.name, overview)
	}
	return nil
}

// alone makes sure that an instance has one backup, its own, that its key opens it and that of
// another one does not, and that it cannot read the other's settings.
func (i *instance) alone(t *testing.T, other *instance) {
	t.Helper()
	listed, err := i.at.List(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, listed.Backups, 1)
	require.Equal(t, i.id, listed.Backups[0].BackupID)
	store, err := dir.Open(shared.env["LAB_SHARE_DIR"])
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	repo := repository.New(store, i.name)
	verdict, err := audit.Verify(t.Context(), repo, i.id, audit.VerifyOptions{Identities: []seal.Identity{i.identity}})
	require.NoError(t, err)
	require.Empty(t, verdict.Findings)
	require.Equal(t, int64(records), verdict.Items)
	_, err = audit.Verify(t.Context(), repo, i.id, audit.VerifyOptions{Identities: []seal.Identity{other.identity}})
	require.ErrorIs(t, err, fault.KeyDoesNotFit)
	require.Empty(t, held(t, filepath.Join(shared.env["LAB_SHARE_DIR"], i.name, backup.IncomingDir)))
}

// records is how many things an instance has.
const records = 200

// named is a source of things that have the name of their instance.
type named string

// Service implements collect.Collector.
func (named) Service() backup.Service { return backup.CA }

// Check implements collect.Collector.
func (named) Check(context.Context) error { return nil }

// Collect implements collect.Collector.
func (n named) Collect(_ context.Context, sink collect.Sink) (collect.Capture, error) {
	start := time.Now()
	for i := range records {
		id := fmt.Sprintf("%s-%06d", n, i)
		if err := sink.Record(backup.Item{Kind: "thing", ID: id, Name: id}, []byte(`{"id":"`+id+`"}`)); err != nil {
			return collect.Capture{}, err
		}
	}
	return collect.Capture{Start: start, End: time.Now()}, nil
}

// keyMaker makes backup keys in this process.
type keyMaker struct{}

// MakeKey implements activities.KeyMaker.
func (keyMaker) MakeKey(_ context.Context, recipients []string) (recipient string, keyAge []byte, err error) {
	return seal.MakeWrappedKey(recipients)
}
