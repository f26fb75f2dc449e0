package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/flow"
	"infrabackup/internal/restore"
	"infrabackup/tests/lab/cluster"
	"infrabackup/tests/tier"
)

const (
	// large is how many bytes a backup moves: half a minute over a host's link, each way.
	large = 48 << 20
	// begun is how many of them have to be on their way when something happens.
	begun = 8 << 20
	// outage is how long PostgreSQL is away, and absence how long a host is.
	outage  = time.Minute
	absence = 5 * time.Minute
)

// wait lets the time of an outage pass, which is what the test is about.
func wait(d time.Duration) { <-time.After(d) }

// outages are what happens in the middle of a run, to the worker that is at it and to the
// cluster.
var outages = []struct {
	name   string
	strike func(t *testing.T, at *worker)
}{
	{"a worker is killed", func(t *testing.T, at *worker) { require.NoError(t, at.kill()) }},
	{"the server is restarted", func(t *testing.T, _ *worker) {
		require.NoError(t, shared.cluster.Server().Stop(t.Context(), cluster.HaltServer))
		require.NoError(t, shared.cluster.Server().Start(t.Context()))
	}},
	{"the database is away for a minute", func(t *testing.T, _ *worker) {
		require.NoError(t, shared.cluster.Database().Stop(t.Context(), cluster.HaltDatabase))
		wait(outage)
		require.NoError(t, shared.cluster.Database().Start(t.Context()))
		// The server may have given up meanwhile; systemd would start it again.
		require.NoError(t, shared.cluster.Ensure(t.Context()))
	}},
}

// cutOff takes a host off the network.
func cutOff(t *testing.T, at *worker) {
	require.NoError(t, at.host.cut())
	wait(absence)
	require.NoError(t, at.host.join())
}

// TestBackupsGoOn: whatever happens in the middle of a backup, it ends well, once, and leaves
// nothing behind.
func TestBackupsGoOn(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) { newSite(t, large).backsUpDespite(o.strike) })
	}
}

// TestRestoresGoOn: the same for a restore by a worker.
func TestRestoresGoOn(t *testing.T) {
	for _, o := range outages {
		t.Run(o.name, func(t *testing.T) { newSite(t, large).restoresDespite(o.strike) })
	}
}

// TestAHostIsCutOff: the host that is at it loses share and Temporal for five minutes, in a backup
// and in a restore.
func TestAHostIsCutOff(t *testing.T) {
	use(t)
	t.Run("backup", func(t *testing.T) {
		t.Parallel()
		newSite(t, large).backsUpDespite(cutOff)
	})
	t.Run("restore", func(t *testing.T) {
		t.Parallel()
		newSite(t, large).restoresDespite(cutOff)
	})
}

func (s *site) backsUpDespite(strike func(*testing.T, *worker)) {
	t := s.t
	began := time.Now()
	require.Zero(t, s.run("backup", "start").code)
	id := flow.BackupWorkflowID(s.instance)
	at := s.middle(id, 0, begun, func(from, _ int64) int64 { return from })
	struck := time.Since(began)
	strike(t, at)
	after := s.ends(id)
	t.Logf("struck after %.1f s, ended %.1f s after the outage; %s", struck.Seconds(), after.Seconds(), s.attempts(id))
	s.once(id)
	s.backedUp(1)
	tier.Tried(t, "outages in backups", 1)
}

func (s *site) restoresDespite(strike func(*testing.T, *worker)) {
	t := s.t
	require.Zero(t, s.run("backup", "start", "--wait").code)
	type plan struct {
		PlanID string
		Counts struct{ Create, Update int }
	}
	identity := []string{"--identity", s.file("operator.key"), "-o", "json"}
	planned := into[plan](t, s.run(append([]string{"restore", "plan", "latest", "--target", target, "--service", "CA"}, identity...)...))
	require.Positive(t, planned.Counts.Create)
	began := time.Now()
	applied := make(chan answer, 1)
	env, err := shared.cluster.Env(shared.cluster.Identity(cluster.Operator))
	require.NoError(t, err)
	go func() {
		a, err := s.runAs(env, append([]string{"restore", "apply", planned.PlanID, "--yes"}, identity...)...)
		if err != nil {
			t.Errorf("restore apply: %v", err)
		}
		applied <- a
	}()
	id := flow.RestoreWorkflowID(s.instance)
	at := s.middle(id, large, begun, func(_, to int64) int64 { return to })
	struck := time.Since(began)
	strike(t, at)
	after := s.ends(id)
	a := <-applied
	t.Logf("struck after %.1f s, ended %.1f s after the outage; %s; the command that waited: exit status %d %.300s", struck.Seconds(), after.Seconds(), s.attempts(id), a.code, a.stderr)
	if a.code == 0 {
		require.True(t, into[struct{ Totals restore.Totals }](t, a).Totals.Whole(), "%s", a.stdout)
	}
	s.once(id)
	s.same(s.file("ca"), s.file("restored"))
	again := into[plan](t, s.run(append([]string{"restore", "plan", "latest", "--target", target, "--service", "CA"}, identity...)...))
	require.Zero(t, again.Counts.Create+again.Counts.Update, "the target has everything")
	s.backedUp(1)
	tier.Tried(t, "outages in restores", 1)
}

// once makes sure that a workflow ran once.
func (s *site) once(id string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { // lists follow the runs
		listed, err := s.sdk.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: `WorkflowId = "` + id + `"`})
		return err == nil && len(listed.GetExecutions()) == 1 && listed.GetExecutions()[0].GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}, time.Minute, 200*time.Millisecond)
}

// attempts tells how often the activities of a run were tried again.
func (s *site) attempts(id string) string {
	s.t.Helper()
	events := s.sdk.GetWorkflowHistory(s.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	names, repeated, count := map[int64]string{}, []string{}, 0
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(s.t, err)
		count++
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			names[e.GetEventId()] = a.GetActivityType().GetName()
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a.GetAttempt() > 1 {
			repeated = append(repeated, names[a.GetScheduledEventId()])
		}
	}
	return fmt.Sprintf("%d events, %d activities, tried again: %q", count, len(names), repeated)
}

// same makes sure that a restored CA has what that of the backup had. Its numbers go on from further
// ahead.
func (s *site) same(want, got string) {
	s.t.Helper()
	for _, name := range []string{"large", "cacert.pem", "private/cakey.pem", "newcerts/1000.pem", "newcerts/100E.pem"} {
		first, err := os.ReadFile(filepath.Join(want, name))
		require.NoError(s.t, err)
		second, err := os.ReadFile(filepath.Join(got, name))
		require.NoError(s.t, err)
		require.True(s.t, bytes.Equal(first, second), name)
	}
}
