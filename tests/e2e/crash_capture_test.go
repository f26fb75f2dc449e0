package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/tests/lab"
)

const (
	// killsVariable is how often the worker is killed, instead of fewKills.
	killsVariable = "INFRABACKUP_KILLS"
	fewKills      = 3
	// killsOfRun is how many of them one run has to survive.
	killsOfRun = 4
	// maxRequests is before how many requests of a new worker to the stamp it is killed
	// while it captures: a fraction of what a capture takes.
	maxRequests = 12_000
	// maxWorkerMemory is what a worker may need, whatever it captures.
	maxWorkerMemory = 256 << 20
)

// TestKilledDuringLargeCapture kills the worker with SIGKILL at random moments of the
// backup of a stamp with 100,000 resources: while it captures, uploads, seals and
// publishes. Each run finishes, with one result that has every item of the stamp, and
// no worker needs more memory than it may.
func TestKilledDuringLargeCapture(t *testing.T) {
	kills := fewKills
	if text := os.Getenv(killsVariable); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	cloud := newCloud(t, 100_000, 0)
	program := plainTests(t)
	random := rand.New(rand.NewPCG(7, uint64(kills)))
	began, peak, items := time.Now(), int64(0), int64(0)
	for first := 0; first < kills; first += killsOfRun {
		count := min(killsOfRun, kills-first)
		t.Run(fmt.Sprintf("kills %d to %d", first+1, first+count), func(t *testing.T) {
			s := newSiege(t, cloud, program)
			for _, b := range blows(random, count) {
				s.deliver(b)
			}
			held := s.whole()
			peak = max(peak, s.peak)
			if items == 0 {
				items = held
				s.everyItem()
			}
			require.Equal(t, items, held)
		})
	}
	require.LessOrEqual(t, peak, int64(maxWorkerMemory))
	t.Logf("%d kills in %s: every run finished, with one result of %d items; a worker needed at most %d MiB",
		kills, time.Since(began).Round(time.Second), items, peak>>20)
}

// plainTests builds this package's tests without the race detector, which takes several
// times the memory of what it watches.
func plainTests(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "worker.test")
	cmd := exec.Command("go", "test", "-c", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// blow is a moment at which a worker is killed.
type blow struct {
	activity string // the beginning of the name of one that must be running then
	requests int64  // that a worker has sent to the stamp, or
	path     string // part of the name of a file that it is writing
}

// blows are moments in the order of a run: captures and uploads in turn, and at last
// one within what makes a backup of them.
func blows(random *rand.Rand, count int) []blow {
	var all []blow
	for i := range count - 1 {
		if i%2 == 0 {
			all = append(all, blow{activity: flow.Collect("").Name, requests: 1 + random.Int64N(maxRequests)})
		} else {
			all = append(all, blow{activity: flow.UploadPart.Name, path: ".tar.zst.age."})
		}
	}
	last := []blow{
		{activity: flow.SealBackup.Name, path: "/" + backup.CatalogFile},
		{activity: flow.SealBackup.Name, path: "/" + backup.ManifestFile},
		{activity: flow.SealBackup.Name, path: "/" + backup.SignatureFile},
		{activity: flow.PublishBackup.Name, path: "/" + backup.BackupsDir + "/"},
	}
	return append(all, last[random.IntN(len(last))])
}

// siege is one run whose workers are killed.
type siege struct {
	*controller
	cloud   *cloud
	workers *crew
	hold    string
	id      backup.ID
	run     flow.Run[backup.Overview]
	sent    int64 // requests that reached the stamp before the present worker
	peak    int64 // most memory of a worker
}

func newSiege(t *testing.T, cloud *cloud, program string) *siege {
	t.Helper()
	s := &siege{cloud: cloud, hold: filepath.Join(t.TempDir(), "hold")}
	var config workerConfig
	s.controller, config = crashing(t, 0, func(w *workerConfig) { w.Stamp, w.Program, w.Hold = &cloud.source, program, s.hold })
	s.workers = hire(t, config)
	s.enable()
	s.sent = cloud.Requests()
	s.id, s.run = s.begin()
	return s
}

// deliver waits for the moment and kills the worker.
func (s *siege) deliver(b blow) {
	s.t.Helper()
	if b.path != "" {
		require.NoError(s.t, os.WriteFile(s.hold, []byte(b.path), 0o600))
	}
	require.Eventually(s.t, func() bool { return s.reached(b) }, 5*time.Minute, 20*time.Millisecond, "%+v", b)
	running := s.running()
	require.True(s.t, slices.ContainsFunc(running, func(name string) bool { return strings.HasPrefix(name, b.activity) }), "%+v: %v", b, running)
	peak := s.workers.kill()
	s.peak = max(s.peak, peak)
	s.t.Logf("killed during %v, %d requests after it was started, %d MiB", running, s.cloud.Requests()-s.sent, peak>>20)
	s.sent = s.cloud.Requests()
	if b.path != "" {
		require.NoError(s.t, os.Remove(s.hold+heldSuffix))
		require.NoError(s.t, os.Remove(s.hold))
	}
}

// reached reports whether the moment has come.
func (s *siege) reached(b blow) bool {
	if b.path == "" {
		return s.cloud.Requests()-s.sent >= b.requests && slices.ContainsFunc(s.running(), func(name string) bool { return strings.HasPrefix(name, b.activity) })
	}
	_, err := os.Stat(s.hold + heldSuffix)
	return err == nil
}

// running are the names of the activities that a worker is at.
func (s *siege) running() []string {
	d, err := s.client.DescribeWorkflowExecution(s.t.Context(), s.run.GetID(), s.run.GetRunID())
	if err != nil {
		return nil // asked again
	}
	var names []string
	for _, a := range d.GetPendingActivities() {
		if a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
			names = append(names, a.GetActivityType().GetName())
		}
	}
	return names
}

// whole waits for the only result and returns the number of its items.
func (s *siege) whole() int64 {
	s.t.Helper()
	verdict, overview := s.onlyResult(s.id, s.run)
	require.Len(s.t, overview.Services, 6)
	items := int64(0)
	for _, service := range overview.Services {
		items += service.Items
	}
	require.Equal(s.t, items, verdict.Items)
	peak, err := lab.PeakMemory(s.workers.current.Load().Pid)
	require.NoError(s.t, err)
	s.peak = max(s.peak, peak)
	return items
}

// everyItem compares the backup with what the stamp holds, byte for byte.
func (s *siege) everyItem() {
	s.t.Helper()
	made, err := s.repo().Open(s.t.Context(), s.id)
	require.NoError(s.t, err)
	identity := filepath.Join(s.t.TempDir(), "operator.key")
	require.NoError(s.t, os.WriteFile(identity, []byte(s.identity.Reveal()), 0o600))
	b := openWithStockTools(s.t, filepath.Join(s.shareDir, filepath.FromSlash(made.Path())), identity)
	held, versions := b.requireStore(s.cloud.Documents(), s.cloud.VaultObjects())
	require.Greater(s.t, held, 100_000)
	s.t.Logf("the backup holds all %d documents and %d vault versions of the stamp, byte for byte", held, versions)
}
