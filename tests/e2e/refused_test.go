package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/audit"
	"infrabackup/tests/lab"
	"infrabackup/tests/lab/stamp"
)

// TestRevokedPermission takes one provider away from the client after a good backup:
// its service fails and says why, the other seven are there, and the good backup stays
// the newest one that succeeded.
func TestRevokedPermission(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, 400, 0)
	c := cloud.allServices(t, cloud.directory())
	c.enable()
	o := c.operatorAt(t)
	good := into[backup.Overview](t, o.run("backup", "start", "--wait", "-o", "json"))
	require.Equal(t, backup.Succeeded, good.Status)

	cloud.Deny(cloud.ClientID(), func(a stamp.Access) bool { return strings.HasPrefix(strings.ToLower(a.Action), "microsoft.compute/") })
	a := o.run("backup", "start", "--wait", "-o", "json")
	require.Equal(t, fault.ExitPartial, a.code, a.stderr)
	a.code = 0
	partial := into[backup.Overview](t, a)
	require.Equal(t, backup.PartialSucceeded, partial.Status)
	require.Len(t, partial.Services, 8)
	for _, s := range partial.Services {
		if s.Service != backup.CRP {
			require.Equal(t, backup.Succeeded, s.Status, "%s: %s", s.Service, s.Message)
			require.Positive(t, s.Items)
			continue
		}
		require.Equal(t, backup.Failed, s.Status)
		require.Equal(t, string(fault.SourceAccessDenied), s.Code)
		require.Contains(t, s.Message, "Microsoft.Compute/")
		require.Contains(t, s.Message, "/read")
		require.Empty(t, s.File)
	}
	require.Contains(t, o.run("backup", "show", "latest").stdout, "SOURCE_ACCESS_DENIED")

	// The signed manifest says so too, and whoever looks for the newest good one finds
	// the one before.
	m := c.manifest(partial.BackupID)
	require.Equal(t, backup.PartialSucceeded, m.Status)
	require.Len(t, m.Files, 8, "seven parts and the catalog")
	verdict, err := audit.Verify(t.Context(), c.repo(), partial.BackupID, audit.VerifyOptions{Identities: c.operator})
	require.NoError(t, err)
	require.Empty(t, verdict.Findings)
	var succeeded []backup.ID
	for _, b := range into[[]backup.Overview](t, o.run("backup", "list", "-o", "json")) {
		if b.Status == backup.Succeeded {
			succeeded = append(succeeded, b.BackupID)
		}
	}
	require.Equal(t, []backup.ID{good.BackupID}, succeeded)

	cloud.Deny(cloud.ClientID(), nil)
	again := into[backup.Overview](t, o.run("backup", "start", "--wait", "-o", "json"))
	require.Equal(t, backup.Succeeded, again.Status)
}

// operatorAt is somebody who uses the built command against a controller's instance.
func (c *controller) operatorAt(t *testing.T) *operator {
	t.Helper()
	o := &operator{t: t, dir: t.TempDir(), instance: c.instance.Name, env: lab.Environment{"TEMPORAL_ADDRESS": server(t)}, programs: binaries(t)}
	o.write("codec.keys", c.keyLine)
	return o
}

// TestThrottledForLong has the stamp ask for more patience than Temporal has with a
// silent activity: the capture waits and says that it lives, and reads nothing again.
func TestThrottledForLong(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, 100, 0)
	c := cloud.allServices(t, cloud.directory())
	c.enable()
	const patience = 25 * time.Second // of heartbeats, the longest time without is 20 s
	defer cloud.Inject(stamp.Fault{Kind: stamp.Throttled, RetryAfter: patience, Times: 1, Match: func(r *http.Request) bool {
		return strings.HasSuffix(strings.ToLower(r.URL.Path), "/providers/microsoft.storage/storageaccounts")
	}})()
	began := time.Now()
	_, run := c.begin()
	overview, err := run.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, backup.Succeeded, overview.Status)
	require.GreaterOrEqual(t, time.Since(began), patience)
	events := c.client.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if a := event.GetActivityTaskStartedEventAttributes(); a != nil {
			require.Equal(t, int32(1), a.GetAttempt(), "a step was begun again: %v", a.GetLastFailure())
		}
	}
}
