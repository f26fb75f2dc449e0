package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
	"infrabackup/internal/ui/table"
)

// ailing is a controller of an instance with alerts. What it keeps of acknowledgements is what the
// settings entity keeps.
type ailing struct {
	controller
	upkeep                        flow.UpkeepState
	backups                       []backup.Overview
	missing                       []backup.Service
	summaryErr, listErr, standErr error
	upkeepErr                     error
	last                          *flow.UpkeepOutput
	ackErr                        error
	asked                         flow.AlertAcknowledgement // the last one
	forgetful                     bool                      // a worker that keeps no notes
	lists                         int
}

func (a *ailing) Summary(context.Context) (settings.Summary, error) {
	return settings.Summary{Revision: 1, Instance: backup.Instance{Name: "local"}}, a.summaryErr
}

func (a *ailing) History(context.Context) (settings.History, error) { return settings.History{}, nil }

func (a *ailing) List(context.Context, int) (flow.ListOutput, error) {
	a.lists++
	return flow.ListOutput{Backups: append([]backup.Overview{}, a.backups...)}, a.listErr
}

func (a *ailing) ListExpected(ctx context.Context, limit int) (flow.ListOutput, error) {
	return a.List(ctx, limit)
}

func (a *ailing) Show(context.Context, string) (backup.Overview, error) {
	return a.backups[len(a.backups)-1], nil
}

func (a *ailing) Running(context.Context) (string, error) {
	return "", fault.Newf(fault.BackupNotFound, "none runs")
}

func (a *ailing) Changing(context.Context) (string, time.Time, error) { return "", time.Time{}, nil }

func (a *ailing) Upkeep(context.Context) (flow.UpkeepState, error) { return a.upkeep, a.upkeepErr }

func (a *ailing) UpkeepStatus(context.Context) (control.UpkeepStatus, error) {
	return control.UpkeepStatus{State: a.upkeep, Schedule: control.ScheduleStatus{State: a.upkeep.Schedule}, Last: a.last}, a.upkeepErr
}

func (a *ailing) Missing(context.Context) ([]backup.Service, error) { return a.missing, nil }

func (a *ailing) Standing(context.Context) error { return a.standErr }

func (a *ailing) Acknowledge(_ context.Context, in flow.AlertAcknowledgement) (flow.Acknowledgement, error) {
	if a.ackErr != nil {
		return flow.Acknowledgement{}, a.ackErr
	}
	a.asked = in
	one := flow.Acknowledgement{Code: in.Code, Object: in.Object, By: in.By, At: time.Now().UTC(), Note: in.Note}
	if a.forgetful {
		one.Note = ""
	}
	a.upkeep.Acknowledged = append(a.upkeep.Acknowledged, one)
	return one, nil
}

func (a *ailing) call(args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		lookup:  func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) { return a, func() {}, nil },
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// without is an instance with a good backup, no schedule, and two services that nobody captures.
func without() *ailing {
	one := finished()
	one.StartedAt, one.FinishedAt = time.Now().Add(-time.Hour), time.Now().Add(-50*time.Minute)
	return &ailing{
		backups: []backup.Overview{one}, missing: []backup.Service{backup.CA, backup.KeyVault},
		upkeep: flow.UpkeepState{Schedule: schedule.State{Setting: schedule.Default()}, Verdicts: []flow.Verdict{{BackupID: one.BackupID, At: time.Now()}}},
	}
}

func ids(t *testing.T, out outcome) []string {
	t.Helper()
	var rows []table.OpenAlert
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &rows), out.stdout+out.stderr)
	all := []string{}
	for _, r := range rows {
		require.Equal(t, r.ID, r.Key().String())
		cause, ok := alert.Find(r.Code)
		require.True(t, ok)
		require.Equal(t, cause, r.Cause)
		all = append(all, r.ID)
	}
	return all
}

func TestAlertList(t *testing.T) {
	a := without()
	out := a.call("alert", "list", "-o", "json")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, []string{"SERVICE_WITHOUT_WORKER/CA", "SERVICE_WITHOUT_WORKER/KeyVault", "SCHEDULE_OFF"}, ids(t, out), "the worst first")
	out = a.call("alert", "list")
	require.Zero(t, out.code)
	require.Regexp(t, `(?m)^ALERT +SEVERITY +SINCE +ACKNOWLEDGED +MESSAGE$`, out.stdout)
	require.Regexp(t, `(?m)^SERVICE_WITHOUT_WORKER/CA +warning +- +no +no worker has a source for CA$`, out.stdout)
	require.Empty(t, out.stderr)

	a.missing, a.upkeep.Schedule.Enabled = nil, true
	a.upkeep.Schedule = schedule.State{}.With(a.upkeep.Schedule.Setting, time.Now(), "anna")
	out = a.call("alert", "list", "-o", "json")
	require.Zero(t, out.code)
	require.Equal(t, "[]\n", out.stdout, "an empty list is one")
}

// TestAlertsOfAnInstanceThatCannotBeRead: what is known is told, and the exit code says why that is
// not everything.
func TestAlertsOfAnInstanceThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(*ailing)
		code fault.Code
		want []string
	}{
		"the share is away":   {func(a *ailing) { a.listErr = fault.Newf(fault.ShareUnreachable, "away") }, fault.ShareUnreachable, []string{"SHARE_CONNECTION", "SERVICE_WITHOUT_WORKER/CA", "SERVICE_WITHOUT_WORKER/KeyVault", "SCHEDULE_OFF"}},
		"no worker":           {func(a *ailing) { a.summaryErr = fault.Newf(fault.NoWorker, "none") }, fault.NoWorker, []string{"NO_WORKER"}},
		"Temporal is away":    {func(a *ailing) { a.summaryErr = fault.Newf(fault.TemporalUnreachable, "away") }, fault.TemporalUnreachable, []string{"TEMPORAL_UNREACHABLE"}},
		"settings were reset": {func(a *ailing) { a.summaryErr = fault.Newf(fault.SettingsReset, "reset") }, fault.SettingsReset, []string{"SETTINGS_SET_BACK"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := without()
			tc.set(a)
			out := a.call("alert", "list", "-o", "json")
			require.Equal(t, tc.code.Exit(), out.code, out.stderr)
			require.Equal(t, tc.want, ids(t, out))
			require.Contains(t, out.stderr, string(tc.code))
			out = a.call("alert", "show", tc.want[0])
			require.Equal(t, tc.code.Exit(), out.code, out.stderr)
			require.Contains(t, out.stdout, "What to do:")
			out = a.call("alert", "acknowledge", "BACKUP_FAILED")
			require.Equal(t, tc.code.Exit(), out.code, "whether it is open is not known")
			require.Empty(t, a.upkeep.Acknowledged)
		})
	}
	a := without()
	a.summaryErr = fault.Newf(fault.NotEnabled, "no")
	out := a.call("alert", "list", "-o", "json")
	require.Zero(t, out.code, "that is known")
	require.Equal(t, []string{"NOT_ENABLED"}, ids(t, out))
	a.standErr, a.summaryErr = fault.Newf(fault.LedgerRolledBack, "older"), nil
	out = a.call("alert", "list", "-o", "json")
	require.Zero(t, out.code, "that is what was found")
	require.Equal(t, "SHARE_SET_BACK", ids(t, out)[0])
}

func TestAlertShow(t *testing.T) {
	a := without()
	out := a.call("alert", "show", "service_without_worker")
	require.Zero(t, out.code, out.stderr)
	for _, want := range []string{"Severity: +warning", "What to do: +Start the worker", "Open: +SERVICE_WITHOUT_WORKER/CA", "Open: +SERVICE_WITHOUT_WORKER/KeyVault"} {
		require.Regexp(t, "(?m)^"+want, out.stdout)
	}
	out = a.call("alert", "show", "SERVICE_WITHOUT_WORKER/KeyVault", "-o", "json")
	require.Zero(t, out.code)
	var doc table.ExplainedAlert
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &doc))
	require.Len(t, doc.Open, 1)
	require.Equal(t, "SERVICE_WITHOUT_WORKER/KeyVault", doc.Open[0].ID)
	out = a.call("alert", "show", "SHARE_FULL")
	require.Zero(t, out.code, "a cause is explained whether it holds or not")
	require.Regexp(t, "(?m)^Open: +no$", out.stdout)
	for _, none := range []string{"SERVICE_WITHOUT_WORKER/AD", "NO_SUCH_THING", "SHARE_FULL/x"} {
		out = a.call("alert", "show", none)
		require.Equal(t, fault.ExitNotFound, out.code, out.stderr)
		require.Empty(t, out.stdout)
	}
	require.Equal(t, fault.ExitUsage, a.call("alert", "show").code)
}

func TestAlertAcknowledge(t *testing.T) {
	a := without()
	out := a.call("alert", "acknowledge", "SCHEDULE_OFF", "--note", "cron does it", "-o", "json")
	require.Zero(t, out.code, out.stderr)
	var row table.OpenAlert
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &row))
	require.Equal(t, "cron does it", row.Note)
	require.Equal(t, a.upkeep.Acknowledged[0].By, row.AcknowledgedBy)
	require.Equal(t, flow.Acknowledgement{Code: "SCHEDULE_OFF", By: row.AcknowledgedBy, At: row.AcknowledgedAt, Note: "cron does it"}, a.upkeep.Acknowledged[0])

	out = a.call("alert", "list", "-o", "json")
	require.Equal(t, []string{"SERVICE_WITHOUT_WORKER/CA", "SERVICE_WITHOUT_WORKER/KeyVault"}, ids(t, out))
	require.Contains(t, out.stderr, "acknowledged: 1; see --all")
	out = a.call("alert", "list", "--all", "-o", "json")
	require.Len(t, ids(t, out), 3)
	require.Empty(t, out.stderr)
	require.Contains(t, a.call("alert", "list", "--all").stdout, "by "+row.AcknowledgedBy+": cron does it")

	out = a.call("alert", "acknowledge", "SCHEDULE_OFF")
	require.Zero(t, out.code)
	require.Contains(t, out.stderr, "nothing was changed")
	require.Len(t, a.upkeep.Acknowledged, 1)
	out = a.call("alert", "acknowledge", "SCHEDULE_OFF", "--note", "another")
	require.Zero(t, out.code)
	require.Equal(t, "another", a.upkeep.Acknowledged[1].Note)
	require.True(t, a.asked.Replace, "who gives another note takes the place of who was first")

	out = a.call("alert", "acknowledge", "SERVICE_WITHOUT_WORKER")
	require.Equal(t, fault.ExitUsage, out.code, "two have that code")
	require.Contains(t, out.stderr, "SERVICE_WITHOUT_WORKER/CA")
	a.missing = a.missing[:1]
	out = a.call("alert", "acknowledge", "SERVICE_WITHOUT_WORKER")
	require.Zero(t, out.code, "one has")
	require.Equal(t, "CA", a.upkeep.Acknowledged[2].Object)
	require.False(t, a.asked.Replace)

	for text, code := range map[string]int{
		"SERVICE_WITHOUT_WORKER/AD": fault.ExitNotFound, "SHARE_FULL": fault.ExitNotFound, "NONE": fault.ExitNotFound, "": fault.ExitUsage,
	} {
		require.Equal(t, code, a.call("alert", "acknowledge", text).code, text)
	}
	require.Equal(t, fault.ExitUsage, a.call("alert", "acknowledge", "SCHEDULE_OFF", "--note", strings.Repeat("x", flow.MaxNote+1)).code)
	require.Len(t, a.upkeep.Acknowledged, 3, "what is not open is not acknowledged ahead")

	a.upkeep.Schedule.Setting.Enabled = true
	a.last = &flow.UpkeepOutput{Failed: []flow.FailedStep{{Step: "delete", BackupID: a.backups[0].BackupID, Code: "SHARE_BUSY", Message: "busy"}}}
	out = a.call("alert", "list")
	require.Contains(t, out.stdout, "DELETION_FAILED", "what upkeep could not do is told")
	a.upkeep.Schedule.Setting.Enabled, a.last = false, nil

	a.ackErr = fault.Newf(fault.NoWorker, "none")
	require.Equal(t, fault.ExitTemporal, a.call("alert", "acknowledge", "SCHEDULE_OFF", "--note", "x").code)
	a.ackErr, a.forgetful = nil, true
	require.Contains(t, a.call("alert", "acknowledge", "SCHEDULE_OFF", "--note", "x").stderr, "earlier version")
}
