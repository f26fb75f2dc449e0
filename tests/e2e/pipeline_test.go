package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/internal/spool"
	"infrabackup/tests/tier"
)

// TestKilledInThePipeline kills the worker while a part is captured, uploaded and read back
// at once. What had been captured completely goes on from the last flush; what had not is
// captured again; and there is one good backup in any case.
func TestKilledInThePipeline(t *testing.T) {
	t.Parallel()
	const size = 130 << 20
	c, _, config := withFileServer(t, "127.0.0.62", "", size, func(*workerConfig) {})
	workers := startWorkers(t, config)
	c.enable()
	kills := tier.Size(1, 1, 40)
	resumed := 0
	for i := range kills {
		id, run := c.begin()
		part := filepath.Join(c.spoolDir, string(id), "ca.tar.zst.age")
		// The capture takes a second or two here, and what is left after it less than one.
		c.untilUploading(part)
		if i%2 == 0 {
			c.untilCaptured(run) // half of the kills are for what goes on then
		}
		pause := time.NewTimer(rand.N(1500 * time.Millisecond))
		<-pause.C
		stopped := workers.current.Load()
		require.NoError(t, stopped.Signal(syscall.SIGSTOP)) // so that nothing changes while the test looks
		captured := c.captured(run)
		var journal spool.Journal
		if data, err := os.ReadFile(part + ".journal"); err == nil {
			require.NoError(t, json.Unmarshal(data, &journal))
		}
		workers.kill()
		c.finished(id, run, i)
		out := c.uploads(run, backup.CA)
		require.Equal(t, out.Part.Size, out.ResumedFrom+out.SentBytes)
		if captured && journal.Flushed > 0 {
			// Zero is for one that was complete, and whose report had been lost.
			if out.ResumedFrom > 0 {
				resumed++
				require.GreaterOrEqual(t, out.ResumedFrom, journal.Flushed)
			}
			require.Equal(t, 1, c.captures(run), "it is not captured again")
		}
		t.Logf("kill %d: captured %t, %d MiB flushed, went on from %d MiB of %d", i+1, captured, journal.Flushed>>20, out.ResumedFrom>>20, out.Part.Size>>20)
	}
	t.Logf("%d kills, %d of them in mid-upload after the capture", kills, resumed)
}

// untilUploading waits until the part that is being captured has been flushed on the share.
func (c *controller) untilUploading(part string) {
	c.t.Helper()
	require.Eventually(c.t, func() bool { _, err := os.Stat(part + ".journal"); return err == nil }, 2*time.Minute, 5*time.Millisecond)
}

// untilCaptured waits until the capture of the CA has been reported.
func (c *controller) untilCaptured(run flow.Run[backup.Overview]) {
	c.t.Helper()
	c.during(run, func() bool { return c.captured(run) })
}

// captured reports whether the history says that the CA was captured.
func (c *controller) captured(run flow.Run[backup.Overview]) bool {
	c.t.Helper()
	scheduled := map[int64]bool{}
	events := c.client.GetWorkflowHistory(c.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(c.t, err)
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled[event.EventId] = a.ActivityType.Name == flow.Collect(backup.CA).Name
		}
		if a := event.GetActivityTaskCompletedEventAttributes(); a != nil && scheduled[a.ScheduledEventId] {
			return true
		}
	}
	return false
}

// captures counts how often the workflow had the CA captured; attempts of one capture count
// once.
func (c *controller) captures(run flow.Run[backup.Overview]) (n int) {
	c.t.Helper()
	events := c.client.GetWorkflowHistory(c.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(c.t, err)
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil && a.ActivityType.Name == flow.Collect(backup.CA).Name {
			n++
		}
	}
	return n
}
