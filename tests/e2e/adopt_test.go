package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// settingsRunning is the run of the settings workflow that runs now.
func (c *controller) settingsRunning() string {
	c.t.Helper()
	d, err := c.client.DescribeWorkflowExecution(c.t.Context(), flow.SettingsWorkflowID(c.instance.Name), "")
	require.NoError(c.t, err)
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// TestSettingsOfAnotherControllerDoNotCompete: what was current before the instance was
// enabled again has higher numbers. It is another controller's, and ends nothing.
func TestSettingsOfAnotherControllerDoNotCompete(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 1})
	c.enable()
	require.NoError(t, c.runUnasked())
	for n := range 3 {
		c.days(7 + n)
	}
	require.NoError(t, c.client.TerminateWorkflow(t.Context(), flow.SettingsWorkflowID(c.instance.Name), "", "x"))
	require.NoError(t, c.enableAgain())
	before, running := c.settingsOf(), c.settingsRunning()

	require.Eventually(t, func() bool { // Temporal lists a run moments after it has ended
		runs, err := c.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: namespace, Query: fmt.Sprintf("WorkflowId = %q AND ExecutionStatus = \"Terminated\"", flow.SettingsWorkflowID(c.instance.Name)),
		})
		return err == nil && len(runs.GetExecutions()) == 1
	}, 20*time.Second, 100*time.Millisecond)
	out, err := c.door().AdoptSettings(t.Context(), false, "anna@host")
	require.NoError(t, err)
	require.Equal(t, before.Revision, out.Settings.Revision)
	require.Equal(t, running, c.settingsRunning(), "the run goes on")
	require.Equal(t, before, c.settingsOf())
	require.NoError(t, c.runUnasked())
}

// settingsOf are the active settings, without what changes with each backup.
func (c *controller) settingsOf() (s struct {
	Revision  int64
	ProofDays int
}) {
	c.t.Helper()
	now, err := c.door().Settings(c.t.Context())
	require.NoError(c.t, err)
	s.Revision, s.ProofDays = now.Revision, now.ProofDays
	return s
}

// TestManyRunsOfOthersHideNoSettings: somebody ends the settings workflow, and starts and
// ends more under its ID than are compared. The settings are found behind all of these.
func TestManyRunsOfOthersHideNoSettings(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 1})
	c.enable()
	c.days(7)
	id := flow.SettingsWorkflowID(c.instance.Name)
	require.NoError(t, c.client.TerminateWorkflow(t.Context(), id, "", "x"))
	s := newStranger(t, c)
	member := flow.Contract()[slices.IndexFunc(flow.Contract(), func(m flow.Member) bool { return m.Name == flow.Settings.Name })]
	for range 25 {
		runID, err := s.start(member, id, forgery{"clear JSON", []*commonpb.Payload{clear(t, flow.SettingsState{Instance: c.instance.Name})}})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			d, err := c.client.DescribeWorkflowExecution(t.Context(), id, runID)
			return err == nil && d.GetWorkflowExecutionInfo().GetCloseTime() != nil
		}, 20*time.Second, 10*time.Millisecond)
	}
	require.Eventually(t, func() bool {
		_, err := c.door().AdoptSettings(t.Context(), false, "anna@host")
		return err == nil
	}, 60*time.Second, 200*time.Millisecond)
	require.Equal(t, 7, c.settingsOf().ProofDays)
	require.NoError(t, c.runUnasked())
}

// TestAChangeThatCannotBeFollowedIsRefused: the entry that would introduce a new signing
// key has no place in a ledger whose newest entry is gone. The key stays what it was.
func TestAChangeThatCannotBeFollowedIsRefused(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 1})
	c.enable()
	require.NoError(t, c.runUnasked())
	before, err := c.door().Summary(t.Context())
	require.NoError(t, err)
	newest := filepath.Join(c.shareDir, c.instance.Name, backup.LedgerDir, backup.LedgerFile(before.Ledger.Sequence))
	kept, err := os.ReadFile(newest)
	require.NoError(t, err)
	require.NoError(t, os.Remove(newest))

	_, err = c.door().ChangeSigningKey(t.Context(), "anna@host")
	require.Equal(t, fault.LedgerRolledBack, fault.CodeOf(err), "%v", err)
	after, err := c.door().Summary(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.Revision, after.Revision)
	require.Equal(t, before.SigningKey, after.SigningKey)

	require.NoError(t, os.WriteFile(newest, kept, 0o600))
	after, err = c.door().ChangeSigningKey(t.Context(), "anna@host")
	require.NoError(t, err)
	require.NotEqual(t, before.SigningKey, after.SigningKey)
	audit, err := c.door().VerifyAll(t.Context())
	require.NoError(t, err)
	require.True(t, audit.Good(), "%+v", audit.Findings)
}
