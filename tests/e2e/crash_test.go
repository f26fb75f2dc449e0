package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository/audit"
	"infrabackup/tests/tier"
)

// finished waits for the run and makes sure that there is exactly one result, complete
// and clean, with everything that the sources of [crashing] give.
// Earlier is how many backups there were before.
func (c *controller) finished(id backup.ID, run flow.Run[backup.Overview], earlier int) {
	c.t.Helper()
	verdict, _ := c.onlyResult(id, run, earlier)
	require.Equal(c.t, int64(2001), verdict.Items)
}

// onlyResult waits for the run and makes sure that there is exactly one more backup than
// earlier, which is good, and nothing else.
func (c *controller) onlyResult(id backup.ID, run flow.Run[backup.Overview], earlier int) (backup.Verdict, backup.Overview) {
	c.t.Helper()
	overview, err := run.Get(c.t.Context())
	require.NoError(c.t, err)
	require.Equal(c.t, backup.Succeeded, overview.Status)
	listing, err := c.repo().List(c.t.Context(), 0)
	require.NoError(c.t, err)
	require.Len(c.t, listing.Backups, earlier+1)
	require.Empty(c.t, listing.Unreadable)
	verdict, err := audit.Verify(c.t.Context(), c.repo(), id, audit.VerifyOptions{Identities: c.operator})
	require.NoError(c.t, err)
	require.Empty(c.t, verdict.Findings)
	left, err := os.ReadDir(filepath.Join(c.shareDir, c.instance.Name, backup.IncomingDir))
	require.NoError(c.t, err)
	require.Empty(c.t, left)
	return verdict, overview
}

// TestKilledAtEveryCall kills the worker with SIGKILL before and after every call that
// changes the share during a backup. Each time the same run finishes, with one result.
// Each run of an instance costs the server as much as the worker, so that only the soak
// tries every call; otherwise every sixth is tried, from the whole of the backup.
func TestKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	// The calls of enable come first; a run without a kill counts the rest.
	const first, calls = 6, 24
	stride := tier.Size(1, 6, 1)
	for _, after := range []bool{false, true} {
		for n := first + firstOf(t, stride); n <= calls; n += stride {
			t.Run(fmt.Sprintf("call %d, after %v", n, after), func(t *testing.T) {
				t.Parallel()
				c, config := crashing(t, 300_000, func(w *workerConfig) { w.KillAtCall, w.KillAfter = n, after })
				workers := startWorkers(t, config)
				c.enable()
				id, run := c.begin()
				c.finished(id, run, 0)
				if _, err := os.Stat(config.Once); err == nil {
					require.Equal(t, int64(2), workers.starts.Load())
				}
			})
		}
	}
}

func TestKilledDuringCapture(t *testing.T) {
	t.Parallel()
	c, config := crashing(t, 300_000, func(w *workerConfig) { w.KillCapture = true })
	workers := startWorkers(t, config)
	c.enable()
	id, run := c.begin()
	c.finished(id, run, 0)
	require.FileExists(t, config.Once)
	require.Equal(t, int64(2), workers.starts.Load())
}

// uploads returns what the upload of a service reported, from the run's history.
func (c *controller) uploads(run flow.Run[backup.Overview], service backup.Service) flow.UploadPartOutput {
	c.t.Helper()
	data := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec.New(c.ring)) // as the codec server shows it
	scheduled := map[int64]bool{}
	events := c.client.GetWorkflowHistory(c.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(c.t, err)
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil && a.ActivityType.Name == flow.UploadPart.Name {
			var in flow.UploadPartInput
			require.NoError(c.t, data.FromPayloads(a.Input, &in))
			scheduled[event.EventId] = in.Service == service
		}
		if a := event.GetActivityTaskCompletedEventAttributes(); a != nil && scheduled[a.ScheduledEventId] {
			var out flow.UploadPartOutput
			require.NoError(c.t, data.FromPayloads(a.Result, &out))
			return out
		}
	}
	require.Fail(c.t, "no upload in the history")
	return flow.UploadPartOutput{}
}

// TestTwoHostsWhenOneStaysAway leaves captured data on a host that does not come back:
// the service is captured again on the other one.
func TestTwoHostsWhenOneStaysAway(t *testing.T) {
	t.Parallel()
	c, config := crashing(t, 300_000, func(w *workerConfig) { w.KillAtFlush = 1 })
	first := startWorkers(t, config)
	c.enable()
	id, run := c.beginWith(flow.BackupInput{SpoolWait: 5 * time.Second})
	require.Eventually(t, func() bool { _, err := os.Stat(config.Once); return err == nil }, time.Minute, 50*time.Millisecond)
	first.stop()
	second := config
	second.Host, second.SpoolDir = "host-2", filepath.Join(t.TempDir(), "spool")
	startWorkers(t, second)
	c.finished(id, run, 0)
}
