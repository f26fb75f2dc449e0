package e2e

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// tree is what lies in the share, by path.
func (c *controller) tree() map[string]string {
	c.t.Helper()
	files := map[string]string{}
	require.NoError(c.t, filepath.WalkDir(c.shareDir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, c.shareDir)] = string(data)
		return err
	}))
	return files
}

// runUnasked makes a backup as somebody does who asks nobody before, and returns its fault.
func (c *controller) runUnasked() error {
	c.t.Helper()
	_, run := c.begin()
	_, err := run.Get(c.t.Context())
	return err
}

// days changes a setting.
func (c *controller) days(n int) settings.Summary {
	c.t.Helper()
	summary, err := c.door().ChangeKey(c.t.Context(), control.KeyChange{ProofDays: &n, RequestedBy: "anna@host"})
	require.NoError(c.t, err)
	return summary
}

// lastTask is the newest workflow task of the settings entity that is done.
func (c *controller) lastTask() (runID string, event int64) {
	c.t.Helper()
	id := flow.SettingsWorkflowID(c.instance.Name)
	d, err := c.client.DescribeWorkflowExecution(c.t.Context(), id, "")
	require.NoError(c.t, err)
	runID = d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
	events := c.client.GetWorkflowHistory(c.t.Context(), id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(c.t, err)
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			event = e.GetEventId()
		}
	}
	return runID, event
}

// Whoever can write to the Temporal namespace ends, deletes, resets or replaces the
// settings entity with Temporal's own means. Everybody notices before anything is done,
// the share stays as it was, and there is a way out.
func TestSettingsThatWereSetBackStopEverything(t *testing.T) {
	t.Parallel()
	adopt := func(c *controller) error {
		var err error
		require.Eventually(c.t, func() bool { // Temporal lists a run moments after it has ended
			_, err = c.door().AdoptSettings(c.t.Context(), false, "anna@host")
			return fault.CodeOf(err) != fault.SettingsRolledBack
		}, 20*time.Second, 200*time.Millisecond)
		return err
	}
	for name, row := range map[string]struct {
		do  func(t *testing.T, c *controller, early flow.SettingsState, task int64)
		cli fault.Code // what who asks the settings is told
		run fault.Code // what a run that nobody asked for ends with
		out func(c *controller) error
	}{
		"terminated": {
			do: func(t *testing.T, c *controller, _ flow.SettingsState, _ int64) {
				require.NoError(t, c.client.TerminateWorkflow(t.Context(), flow.SettingsWorkflowID(c.instance.Name), "", "x"))
			},
			cli: fault.SettingsStopped, run: fault.SettingsStopped, out: adopt,
		},
		"cancelled": {
			do: func(t *testing.T, c *controller, _ flow.SettingsState, _ int64) {
				id := flow.SettingsWorkflowID(c.instance.Name)
				require.NoError(t, c.client.CancelWorkflow(t.Context(), id, ""))
				_ = c.client.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil)
			},
			cli: fault.SettingsStopped, run: fault.SettingsStopped, out: adopt,
		},
		"reset": {
			do: func(t *testing.T, c *controller, _ flow.SettingsState, task int64) {
				runID, _ := c.lastTask()
				_, err := c.client.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
					Namespace:         "default",
					WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: flow.SettingsWorkflowID(c.instance.Name), RunId: runID},
					Reason:            "x", RequestId: c.instance.Name, WorkflowTaskFinishEventId: task,
				})
				require.NoError(t, err)
			},
			cli: fault.SettingsReset, run: fault.SettingsReset, out: adopt,
		},
		"started again with what it was": {
			do: func(t *testing.T, c *controller, early flow.SettingsState, _ int64) {
				id := flow.SettingsWorkflowID(c.instance.Name)
				require.NoError(t, c.client.TerminateWorkflow(t.Context(), id, "", "x"))
				_, err := flow.Settings.Start(t.Context(), c.client, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(c.instance.Name)}, early)
				require.NoError(t, err)
			},
			cli: fault.SettingsRolledBack, run: fault.SettingsRolledBack, out: adopt,
		},
		"deleted": {
			do: func(t *testing.T, c *controller, _ flow.SettingsState, _ int64) {
				id := flow.SettingsWorkflowID(c.instance.Name)
				_, err := c.client.WorkflowService().DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
					Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
				})
				require.NoError(t, err)
				require.Eventually(t, func() bool {
					_, err := c.client.DescribeWorkflowExecution(t.Context(), id, "")
					return err != nil
				}, 30*time.Second, 100*time.Millisecond)
			},
			cli: fault.SettingsGone, run: fault.SettingsGone,
			out: (*controller).enableAgain,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newController(t, &items{service: backup.AD, records: 3})
			c.enable()
			early, err := flow.GetState.Ask(t.Context(), c.client, flow.SettingsWorkflowID(c.instance.Name), struct{}{})
			require.NoError(t, err)
			_, task := c.lastTask()
			require.NoError(t, c.runUnasked())
			require.Equal(t, int64(2), c.days(7).Revision)
			require.NoError(t, c.door().Standing(t.Context()))
			before := c.tree()
			row.do(t, c, early, task)

			standing := func(ctx context.Context) error {
				if _, err := c.door().Summary(ctx); err != nil {
					return err
				}
				return c.door().Standing(ctx)
			}
			require.ErrorIs(t, standing(t.Context()), row.cli)
			_, err = c.door().Start(t.Context(), "anna@host", 0)
			require.ErrorIs(t, err, row.cli)
			report, err := c.door().Diagnose(t.Context(), diagnosis.ShareTried)
			require.NoError(t, err)
			var said []string
			for _, check := range report.Checks {
				said = append(said, check.Code)
			}
			require.Contains(t, said, string(row.run))
			require.Equal(t, row.run, flow.DecodeFault(c.runUnasked()).Code)
			require.Equal(t, before, c.tree(), "nothing was done on the share")

			require.NoError(t, row.out(c))
			require.NoError(t, standing(t.Context()))
			require.NoError(t, c.runUnasked())
			audit, err := c.door().VerifyAll(t.Context())
			require.NoError(t, err)
			require.True(t, audit.Good(), "%+v", audit)
			require.Len(t, audit.Backups, 2)
			if name != "deleted" {
				now, err := c.door().Settings(t.Context())
				require.NoError(t, err)
				require.Equal(t, 7, now.ProofDays, "the newest settings are active again")
			}
		})
	}
}

// enableAgain takes the backups over with a new entity.
func (c *controller) enableAgain() error {
	s := c.proposal()
	id, err := backup.NewID(rand.Reader)
	require.NoError(c.t, err)
	s.Controller = string(id)
	entity := flow.SettingsWorkflowID(c.instance.Name)
	_, err = flow.Settings.Start(c.t.Context(), c.client, client.StartWorkflowOptions{
		ID: entity, TaskQueue: flow.Queue(c.instance.Name), WorkflowIDConflictPolicy: useExisting,
	}, flow.SettingsState{Instance: c.instance.Name})
	require.NoError(c.t, err)
	revision, err := flow.ProposeSettings.Send(c.t.Context(), c.client, entity, flow.SettingsProposal{Settings: s, First: true})
	if err != nil {
		return err
	}
	run, err := flow.Enable.Start(c.t.Context(), c.client, client.StartWorkflowOptions{
		ID: flow.ChangeSettingsWorkflowID(c.instance.Name), TaskQueue: flow.Queue(c.instance.Name),
	}, flow.ChangeSettingsInput{Instance: c.instance.Name, Revision: revision, RequestedBy: "test", Adopt: true})
	if err != nil {
		return err
	}
	_, err = run.Get(c.t.Context())
	return err
}

// Older settings are gone on with only when somebody says so, behind all that is lost.
func TestOlderSettingsAreAdoptedWhenThatIsMeant(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 3})
	c.enable()
	id := flow.SettingsWorkflowID(c.instance.Name)
	early, err := flow.GetState.Ask(t.Context(), c.client, id, struct{}{})
	require.NoError(t, err)
	c.days(7)
	require.NoError(t, c.runUnasked())
	_, err = c.client.WorkflowService().DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.client.DescribeWorkflowExecution(t.Context(), id, "")
		return err != nil
	}, 30*time.Second, 100*time.Millisecond)
	_, err = flow.Settings.Start(t.Context(), c.client, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(c.instance.Name)}, early)
	require.NoError(t, err)
	before := c.tree()
	_, err = c.door().AdoptSettings(t.Context(), false, "anna@host")
	require.ErrorIs(t, err, fault.SettingsRolledBack)
	require.Equal(t, before, c.tree())
	out, err := c.door().AdoptSettings(t.Context(), true, "anna@host")
	require.NoError(t, err)
	require.EqualValues(t, 2, out.Lost)
	require.EqualValues(t, 3, out.Settings.Revision)
	history, err := c.door().History(t.Context())
	require.NoError(t, err)
	last := history.Records[len(history.Records)-1]
	require.Equal(t, settings.KindRestored, last.Kind)
	require.Equal(t, "anna@host", last.By)
	require.NoError(t, c.runUnasked())
	audit, err := c.door().VerifyAll(t.Context())
	require.NoError(t, err)
	require.True(t, audit.Good(), "%+v", audit)
}

// What a change is to do, somebody asks for with valid payloads and without the probe: it
// is refused, and neither settings nor share change.
func TestStepsOutOfTheirPlaceAreRefused(t *testing.T) {
	t.Parallel()
	c := newController(t, &items{service: backup.AD, records: 3})
	c.enable()
	require.NoError(t, c.runUnasked())
	before := c.tree()
	id := flow.SettingsWorkflowID(c.instance.Name)
	held, err := flow.GetState.Ask(t.Context(), c.client, id, struct{}{})
	require.NoError(t, err)
	stranger := strings.TrimSpace(strings.Join(strings.Fields(strangersLine(t))[2:], " "))
	code := func(err error) fault.Code { return flow.DecodeFault(err).Code }

	_, err = flow.ApplySettings.Send(t.Context(), c.client, id, flow.SettingsApplication{Revision: 1, Signers: []string{stranger}})
	require.Equal(t, fault.SettingsUnprobed, code(err))
	for _, to := range []backup.LedgerHead{{Sequence: 1, SHA256: strings.Repeat("a", 64)}, {}} {
		head := held.Ledgers[0].Head
		_, err = flow.AdvanceLedger.Send(t.Context(), c.client, id, flow.LedgerAdvance{Share: held.Ledgers[0].Share, From: head, To: to})
		require.Equal(t, fault.SettingsInvalid, code(err))
	}
	_, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	forged := held.Revisions[0].Recipients[0]
	forged.Text = recipient.Text
	_, err = flow.ProposeChange.Send(t.Context(), c.client, id, settings.Change{Kind: settings.KindKey, Recipients: []settings.Recipient{forged}, By: "eve"})
	require.Equal(t, fault.SettingsInvalid, code(err))
	now, err := flow.GetState.Ask(t.Context(), c.client, id, struct{}{})
	require.NoError(t, err)
	require.Equal(t, held, now, "the settings are as they were")
	listed, err := c.door().List(t.Context(), 1)
	require.NoError(t, err)
	made := listed.Backups[0].BackupID
	seen := flow.Seen{Revision: 1, Ledger: held.Ledgers[0].Head}
	for name, row := range map[string]struct {
		ask  func(id string) error
		code fault.Code
	}{
		"delete of another instance": {func(id string) error {
			return started(c, flow.Delete, id, flow.DeleteInput{Instance: "other", BackupID: made, Seen: seen})
		}, fault.RequestRefused},
		"delete of a path": {func(id string) error {
			return started(c, flow.Delete, id, flow.DeleteInput{Instance: c.instance.Name, BackupID: "../x", Seen: seen})
		}, fault.RequestRefused},
		"verify of a path": {func(id string) error {
			return started(c, flow.Verify, id, flow.VerifyInput{Instance: c.instance.Name, BackupID: "../../x"})
		}, fault.RequestRefused},
		"another key file": {func(id string) error {
			return started(c, flow.Rewrap, id, flow.RewrapInput{Instance: c.instance.Name, Revision: 1, Keys: []flow.WrappedKey{
				{BackupID: made, KeyAge: []byte("age-encryption.org/v1\nanything")},
			}})
		}, fault.KeyInvalid},
		"a key file of another key, in place of a backup's": {func(id string) error {
			_, strange, err := seal.MakeWrappedKey([]string{held.Revisions[0].Recipients[0].Text})
			require.NoError(t, err)
			return started(c, flow.Rewrap, id, flow.RewrapInput{Instance: c.instance.Name, Revision: 1, Keys: []flow.WrappedKey{{BackupID: made, KeyAge: strange}}})
		}, fault.RewrapUnproven},
		"a backup of another instance": {func(id string) error {
			return started(c, flow.Backup, id, flow.BackupInput{Instance: "other", BackupID: made})
		}, fault.RequestRefused},
	} {
		require.Equal(t, row.code, code(row.ask(c.instance.Name+":x:"+strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name))), name)
	}
	require.Equal(t, before, c.tree(), "the share is as it was")
	require.NoError(t, c.runUnasked())

	// A head that somebody made up is noticed before a run does anything.
	now, err = flow.GetState.Ask(t.Context(), c.client, id, struct{}{})
	require.NoError(t, err)
	head := now.Ledgers[0].Head
	_, err = flow.AdvanceLedger.Send(t.Context(), c.client, id, flow.LedgerAdvance{
		Share: held.Ledgers[0].Share, From: head, To: backup.LedgerHead{Sequence: head.Sequence + 40, SHA256: strings.Repeat("a", 64)},
	})
	require.NoError(t, err)
	before = c.tree()
	require.Equal(t, fault.LedgerRolledBack, code(c.runUnasked()))
	require.Equal(t, before, c.tree())
}

// started starts a workflow with a valid input and waits for its end.
func started[In, Out any](c *controller, w flow.Workflow[In, Out], id string, in In) error {
	run, err := w.Start(c.t.Context(), c.client, client.StartWorkflowOptions{ID: id, TaskQueue: flow.Queue(c.instance.Name)}, in)
	require.NoError(c.t, err)
	_, err = run.Get(c.t.Context())
	return err
}
