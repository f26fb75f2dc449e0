package control

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
)

// rung is what a Temporal Schedule tells of the runs that it has started, the oldest first.
func rung(running []string, ids ...string) *client.ScheduleDescription {
	d := &client.ScheduleDescription{Schedule: client.Schedule{Action: &client.ScheduleWorkflowAction{Workflow: flow.Upkeep.Name, TaskQueue: flow.Queue("north")}}}
	of := func(id string) client.ScheduleWorkflowExecution {
		return client.ScheduleWorkflowExecution{WorkflowID: id, FirstExecutionRunID: "run of " + id}
	}
	for i, id := range ids {
		at := time.Unix(int64(i)*1800, 0)
		execution := of(id)
		d.Info.RecentActions = append(d.Info.RecentActions, client.ScheduleActionResult{ScheduleTime: at, ActualTime: at, StartWorkflowResult: &execution})
	}
	for _, id := range running {
		d.Info.RunningWorkflows = append(d.Info.RunningWorkflows, of(id))
	}
	return d
}

// TestUpkeepIsAskedForOnce: what is remembered, what Temporal does, and what came of it last.
func TestUpkeepIsAskedForOnce(t *testing.T) {
	held, done := flow.UpkeepOutput{Hold: "the clocks differ"}, flow.UpkeepOutput{Removed: []backup.ID{someRun}}
	for name, tc := range map[string]struct {
		bell    *client.ScheduleDescription
		results map[string]any
		want    *flow.UpkeepOutput
		problem bool
		fails   fault.Code
	}{
		"nothing rings":          {problem: true},
		"it never rang":          {bell: rung(nil)},
		"the newest has ended":   {bell: rung(nil, "a", "b"), results: map[string]any{"a": done, "b": held}, want: &held},
		"the newest runs":        {bell: rung([]string{"b"}, "a", "b"), results: map[string]any{"a": held}, want: &held},
		"the newest failed":      {bell: rung(nil, "a", "b"), results: map[string]any{"a": held, "b": errors.New("it timed out")}, want: &held},
		"of another program":     {bell: rung(nil, "a"), results: map[string]any{"a": fault.Newf(fault.PayloadRefused, "it was not sealed")}},
		"too many failed":        {bell: rung(nil, "a", "b", "c", "d"), results: map[string]any{"a": held, "b": errors.New("x"), "c": errors.New("x"), "d": errors.New("x")}},
		"Temporal does not tell": {bell: rung(nil, "a"), results: map[string]any{"a": serviceerror.NewUnavailable("away")}, fails: fault.TemporalUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.known[flow.SettingsWorkflowID("north")] = goingOn(flow.SettingsWorkflowID("north"), flow.Settings.Name, flow.Queue("north"))
			state := flow.UpkeepState{Schedule: schedule.State{Setting: schedule.Default()}, Verdicts: []flow.Verdict{{BackupID: someRun}}}
			f.answers[flow.GetUpkeep.Name], f.bell, f.results = state, tc.bell, tc.results
			got, err := New(f, nil, "default", "north").UpkeepStatus(t.Context())
			require.Equal(t, tc.fails, fault.CodeOf(err))
			require.Equal(t, map[string]int{flow.GetUpkeep.Name: 1, "bell described": 1}, f.asked)
			require.Equal(t, state, got.State)
			require.Equal(t, schedule.Default(), got.Schedule.Setting)
			require.Equal(t, tc.problem, got.Schedule.Problem != "")
			require.Equal(t, tc.want, got.Last)
		})
	}
}

// TestAnAcknowledgementSaysWhenItsAlertOpened, so that who was first stays: of one whose opening
// nobody saw, any that there is counts.
func TestAnAcknowledgementSaysWhenItsAlertOpened(t *testing.T) {
	f := newFake()
	f.known[flow.SettingsWorkflowID("north")] = goingOn(flow.SettingsWorkflowID("north"), flow.Settings.Name, flow.Queue("north"))
	var got flow.AlertAcknowledgement
	f.updates[flow.AcknowledgeAlert.Name] = func(args json.RawMessage) (any, error) {
		got = flow.AlertAcknowledgement{}
		return flow.Acknowledgement{Code: "SHARE_FULL", By: "anna"}, json.Unmarshal(args, &got)
	}
	c, opened := New(f, nil, "default", "north"), time.Unix(1_800_000_000, 0).UTC()
	for since, want := range map[time.Time]time.Time{opened: opened, {}: time.Unix(0, 0).UTC()} {
		known, err := c.Acknowledge(t.Context(), flow.AlertAcknowledgement{Code: "SHARE_FULL", By: "bert", Since: since})
		require.NoError(t, err)
		require.Equal(t, "anna", known.By, "who counts is returned")
		require.Equal(t, want, got.Since)
		require.False(t, got.Replace)
	}
	_, err := c.Acknowledge(t.Context(), flow.AlertAcknowledgement{By: "bert"})
	require.ErrorIs(t, err, fault.Usage)
}
