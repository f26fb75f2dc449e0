package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/tests/tier"
)

const (
	// killsOfRun is how many of them one run has to survive.
	killsOfRun = 4
	// maxWorkerMemory is what a worker may need, whatever it captures.
	maxWorkerMemory = 256 << 20
)

// captureRequests are the services of a stamp in capture order, and fewer requests than
// the capture of each sends to a stamp with manyResources.
const manyResources = 100_000

var captureRequests = []struct {
	service  backup.Service
	requests int64
}{{backup.ARM, 5000}, {backup.CRP, 10_000}, {backup.SRP, 8000}, {backup.NRP, 8000}, {backup.KeyVault, 15_000}, {backup.RBAC, 1500}}

// TestKilledDuringLargeCapture kills the worker with SIGKILL at random moments of the
// backup of a large stamp: while it captures, uploads, seals and
// publishes. Each run finishes, with one result that has every item of the stamp, and
// no worker needs more memory than it may.
func TestKilledDuringLargeCapture(t *testing.T) {
	t.Parallel()
	kills, resources := tier.Size(0, 2, 20), tier.Size(0, manyResources/10, manyResources)
	cloud := newCloud(t, resources, 0)
	program := tier.PlainTests(t)
	random := rand.New(rand.NewPCG(7, uint64(kills)))
	last := lastBlows(random)
	began, peak, items := time.Now(), int64(0), int64(0)
	for first := 0; first < kills; first += killsOfRun {
		count := min(killsOfRun, kills-first)
		t.Run(fmt.Sprintf("kills %d to %d", first+1, first+count), func(t *testing.T) {
			s := newSiege(t, cloud, program)
			for _, b := range blows(random, resources, count, last[first/killsOfRun%len(last)]) {
				s.deliver(b)
			}
			held := s.whole()
			peak = max(peak, s.peak)
			if items == 0 {
				items = held
				s.everyItem(resources)
			}
			require.Equal(t, items, held)
		})
	}
	require.LessOrEqual(t, peak, int64(maxWorkerMemory))
	t.Logf("%d kills in %s: every run finished, with one result of %d items; a worker needed at most %d MiB",
		kills, time.Since(began).Round(time.Second), items, peak>>20)
	tier.Tried(t, "kills of a worker that captures", int64(kills))
}

// blow is a moment at which a worker is killed: while an activity is running, and
// either when the stamp got so many requests since, or when a file is being written.
type blow struct {
	activity string
	requests int64
	hold     holdOrder
}

// blows draws moments in the order of a run: the capture of a service, an upload, the
// capture of a later service, and at last one within what makes a backup of them.
func blows(random *rand.Rand, resources, count int, last blow) []blow {
	var all []blow
	first := random.IntN(len(captureRequests) - 2)
	// The next but one, and those after it, are not captured before the next upload.
	second := first + 2 + random.IntN(len(captureRequests)-2-first)
	for _, i := range []int{first, second} {
		c := captureRequests[i]
		all = append(all, blow{activity: flow.Collect(c.service).Name, requests: 1 + random.Int64N(c.requests*int64(resources)/manyResources)},
			blow{activity: flow.UploadPart.Name, hold: holdOrder{Path: ".tar.zst.age.", Done: random.Float64()}})
	}
	return append(all[:count-1], last)
}

// lastBlows draws moments within what makes a backup of parts, in a random order.
func lastBlows(random *rand.Rand) []blow {
	all := []blow{
		{activity: flow.SealBackup.Name, hold: holdOrder{Path: "/" + backup.CatalogFile}},
		{activity: flow.SealBackup.Name, hold: holdOrder{Path: "/" + backup.ManifestFile}},
		{activity: flow.SealBackup.Name, hold: holdOrder{Path: "/" + backup.SignatureFile}},
		{activity: flow.PublishBackup.Name, hold: holdOrder{Path: "/" + backup.BackupsDir + "/"}},
	}
	for i := range all {
		all[i].hold.Done = random.Float64()
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// siege is one run whose workers are killed.
type siege struct {
	*controller
	cloud   *cloud
	workers *workerProcess
	hold    string
	id      backup.ID
	run     flow.Run[backup.Overview]
	sent    int64 // requests that reached the stamp before the present moment was near, 0 until then
	peak    int64 // most memory of a worker
}

func newSiege(t *testing.T, cloud *cloud, program string) *siege {
	t.Helper()
	s := &siege{cloud: cloud, hold: filepath.Join(t.TempDir(), "hold")}
	var config workerConfig
	s.controller, config = crashing(t, 0, func(w *workerConfig) { w.Stamp, w.Program, w.Hold = &cloud.source, program, s.hold })
	s.workers = startWorkers(t, config)
	s.enable()
	s.id, s.run = s.begin()
	return s
}

// deliver waits for the moment and kills the worker.
func (s *siege) deliver(b blow) {
	s.t.Helper()
	moment := s.capturing
	if b.hold.Path != "" {
		moment = s.held
		order, err := json.Marshal(b.hold)
		require.NoError(s.t, err)
		require.NoError(s.t, os.WriteFile(s.hold, order, 0o600))
	}
	s.sent = 0
	require.Eventually(s.t, func() bool { return moment(b) }, 10*time.Minute, 20*time.Millisecond, "%+v", b)
	running := s.running()
	if b.hold.Path != "" { // what is not held may have ended since it was seen
		require.Contains(s.t, running, b.activity)
	}
	peak := s.workers.peak()
	s.workers.kill()
	s.peak = max(s.peak, peak)
	s.t.Logf("killed during %s, %d requests or %.0f %% after its beginning; running were %v; %d MiB", b.activity, b.requests, 100*b.hold.Done, running, peak>>20)
	if b.hold.Path != "" {
		require.NoError(s.t, errors.Join(os.Remove(s.hold+heldSuffix), os.Remove(s.hold)))
	}
}

// capturing reports whether an activity is running, and the stamp got so many requests
// since it was first seen to be.
func (s *siege) capturing(b blow) bool {
	sent := s.cloud.Requests()
	if s.sent > 0 && sent-s.sent < b.requests || !slices.Contains(s.running(), b.activity) {
		return false
	}
	if s.sent == 0 {
		s.sent = sent
	}
	return sent-s.sent >= b.requests
}

// held reports whether the store has stopped.
func (s *siege) held(blow) bool {
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
	verdict, overview := s.onlyResult(s.id, s.run, 0)
	require.Len(s.t, overview.Services, 6)
	items := int64(0)
	for _, service := range overview.Services {
		items += service.Items
	}
	require.Equal(s.t, items, verdict.Items)
	s.peak = max(s.peak, s.workers.peak())
	return items
}

// everyItem compares the backup with what the stamp holds, byte for byte.
func (s *siege) everyItem(resources int) {
	s.t.Helper()
	made, err := s.repo().Open(s.t.Context(), backup.Ref{ID: s.id})
	require.NoError(s.t, err)
	identity := filepath.Join(s.t.TempDir(), "operator.key")
	require.NoError(s.t, os.WriteFile(identity, []byte(s.identity.Reveal()), 0o600))
	b := openWithStockTools(s.t, filepath.Join(s.shareDir, filepath.FromSlash(made.Path())), identity)
	held, versions := b.requireStore(s.cloud.Documents(), s.cloud.VaultObjects())
	require.Greater(s.t, held, resources)
	s.t.Logf("the backup holds all %d documents and %d vault versions of the stamp, byte for byte", held, versions)
}
