package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/printable"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// odd is what a name from outside may hold: what turns letters round, what nobody sees,
// what terminals obey, and what is no text.
const odd = "n\u202eame\u200b\x1b[2J\u009b31m\u2066\x07\r\xff"

// outside is a controller all of whose answers hold such names.
type outside struct {
	controller
	err error
}

func (o *outside) overview() backup.Overview {
	b := finished()
	b.Path, b.RequestedBy, b.Message, b.Foreign = odd, odd, odd, backup.Foreign{Count: 30, Names: []string{odd, "ok"}}
	b.Services[0].Message, b.Services[0].Gaps = odd, []backup.Gap{{Code: odd, Object: odd, Reason: odd}}
	return b
}

func (o *outside) verdict() backup.Verdict {
	return backup.Verdict{Path: odd, Signer: odd, Findings: []backup.Finding{{Code: odd, File: odd, Message: odd}}, Foreign: backup.Foreign{Count: 1, Names: []string{odd}}}
}

func (o *outside) Show(context.Context, string) (backup.Overview, error) { return o.overview(), o.err }

func (o *outside) Verify(context.Context, string) (backup.Verdict, error) { return o.verdict(), o.err }

func (o *outside) VerifyAll(context.Context) (backup.Audit, error) {
	return backup.Audit{Backups: []backup.Verdict{o.verdict()}, Findings: o.verdict().Findings, Foreign: o.verdict().Foreign}, o.err
}

func (o *outside) List(context.Context, int) (flow.ListOutput, error) {
	return flow.ListOutput{Backups: []backup.Overview{o.overview()}, Unreadable: o.verdict().Findings, Foreign: o.verdict().Foreign}, o.err
}

func (o *outside) Delete(context.Context, string, string) (backup.Overview, error) {
	return o.overview(), o.err
}

func (o *outside) History(context.Context) (settings.History, error) {
	return settings.History{Records: []settings.Record{{By: odd, What: odd, Message: odd, Code: odd}}}, o.err
}

func (o *outside) Summary(context.Context) (settings.Summary, error) {
	return settings.Summary{Username: odd, ChangedBy: odd, Share: settings.Share{Path: odd}}, o.err
}

func (o *outside) Upkeep(context.Context) (flow.UpkeepState, error) {
	return flow.UpkeepState{Verdicts: []flow.Verdict{{BackupID: o.overview().BackupID, At: time.Now(), Code: odd}}}, o.err
}

func (o *outside) Schedule(context.Context) (control.ScheduleStatus, error) {
	state := schedule.State{Setting: schedule.Default(), ChangedAt: time.Now(), ChangedBy: odd, Slot: time.Now(), Outcome: schedule.Outcome(odd), Code: odd, Message: odd}
	return control.ScheduleStatus{State: state, Problem: odd, Warnings: []string{odd}}, o.err
}

func (o *outside) UpkeepStatus(ctx context.Context) (control.UpkeepStatus, error) {
	state, err := o.Upkeep(ctx)
	status, _ := o.Schedule(ctx)
	status.Enabled = true
	did := &flow.UpkeepOutput{Hold: odd, Failed: []flow.FailedStep{{Step: "delete", Code: odd, Message: odd}}}
	return control.UpkeepStatus{State: state, Schedule: status, Last: did}, err
}

func (o *outside) ListExpected(ctx context.Context, limit int) (flow.ListOutput, error) {
	return o.List(ctx, limit)
}

func (o *outside) Running(context.Context) (string, error) { return odd, o.err }

func (o *outside) Changing(context.Context) (string, time.Time, error) {
	return odd, time.Now(), o.err
}

func (o *outside) Missing(context.Context) ([]backup.Service, error) {
	return []backup.Service{odd}, o.err
}

func (o *outside) Acknowledge(context.Context, flow.AlertAcknowledgement) (flow.Acknowledgement, error) {
	return flow.Acknowledgement{Code: odd, Object: odd, By: odd, Note: odd, At: time.Now()}, o.err
}

func (o *outside) Prune(context.Context, bool, bool, string) (operation.PruneResult, error) {
	return operation.PruneResult{
		Decisions: []flow.PruneDecision{{BackupID: odd, Path: odd, Code: retention.Code(odd), Reason: odd}}, Hold: odd, Removed: []backup.ID{odd},
		Failed: []flow.FailedStep{{Step: odd, Code: odd, Message: odd}},
	}, o.err
}

func (o *outside) Standing(context.Context) error { return fault.New(fault.ShareUnreachable, odd, nil) }

func (o *outside) Diagnose(context.Context, diagnosis.ShareTrial) (diagnosis.Report, error) {
	report := diagnosis.Report{Host: odd, Version: odd, Checks: []diagnosis.Check{{Name: odd, OK: true, Message: odd}, {Name: odd, Message: odd, Code: odd}}}
	report.Workers = []diagnosis.Report{report}
	return report, o.err
}

func (o *outside) call(args ...string) (stdout, stderr string) {
	var out, err bytes.Buffer
	run(context.Background(), process{
		args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &err,
		lookup:  func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) { return o, func() {}, nil },
	})
	return out.String(), err.String()
}

// TestNamesFromOutsideDoNotCommandATerminal: whatever the workers, the share or Temporal
// say is shown with escapes, in tables, in documents and in errors.
func TestNamesFromOutsideDoNotCommandATerminal(t *testing.T) {
	const id = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	for _, command := range [][]string{
		{"backup", "show"}, {"backup", "verify"}, {"backup", "verify", "--all"}, {"backup", "list"}, {"backup", "delete", id, "--yes"},
		{"settings", "history"}, {"settings", "show"}, {"doctor"}, {"alert", "list", "--all"}, {"alert", "show", "SERVICE_WITHOUT_WORKER"},
		{"alert", "acknowledge", "SERVICE_WITHOUT_WORKER"}, {"alert", "show", odd}, {"alert", "acknowledge", "SHARE_FULL/" + odd}, {"schedule", "show"}, {"prune", "--dry-run"},
		{"backup", "show", odd}, {"backup", "delete", odd, "--yes"}, {odd}, {"settings", "services", "set", odd}, {"backup", "verify", "--from", odd},
	} {
		for _, err := range []error{nil, fault.New(fault.ShareIO, odd, errors.New(odd)), errors.New(odd)} {
			for _, format := range [][]string{nil, {"-o", "json"}} {
				stdout, stderr := (&outside{err: err}).call(append(command, format...)...)
				require.NotEmpty(t, stdout+stderr)
				for _, r := range stdout + stderr {
					require.True(t, printable.Visible(r) || r == '\n', "%v says %U: %q %q", command, r, stdout, stderr)
				}
				if format != nil && stdout != "" {
					require.True(t, json.Valid([]byte(stdout)), stdout)
				}
			}
		}
	}
}

// TestForeignEntriesAreNoAlarm: they are named, and the exit code stays 0.
func TestForeignEntriesAreNoAlarm(t *testing.T) {
	good := func(f backup.Foreign) *quiet { return &quiet{f: f} }
	some := backup.Foreign{Count: 120}
	for i := range backup.MaxForeignNames {
		some.Names = append(some.Names, fmt.Sprintf("local/backups/x/.DS_Store-%d", i))
	}
	for _, command := range [][]string{{"backup", "verify"}, {"backup", "verify", "--all"}} {
		out := good(some).call(command...)
		require.Zero(t, out.code, out.stderr)
		require.Contains(t, out.stdout, "local/backups/x/.DS_Store-0")
		require.Contains(t, out.stdout, "120 entries")
		require.Contains(t, out.stdout, "and 100 more")
		require.Regexp(t, `(?m)^Verdict: +good$`, out.stdout)
		out = good(some).call(append(command, "-o", "json")...)
		require.Zero(t, out.code)
		require.Contains(t, out.stdout, `"count": 120`)
		require.NotContains(t, good(backup.Foreign{}).call(append(command, "-o", "json")...).stdout, "foreign")
	}
}

// quiet is a controller of a share with nothing wrong.
type quiet struct {
	controller
	f backup.Foreign
}

func (q *quiet) verdict() backup.Verdict {
	return backup.Verdict{Path: "local/backups/x", Findings: []backup.Finding{}, Foreign: q.f, Ledger: &backup.LedgerSeen{HeadKnown: true}}
}

func (q *quiet) Verify(context.Context, string) (backup.Verdict, error) { return q.verdict(), nil }

func (q *quiet) VerifyAll(context.Context) (backup.Audit, error) {
	return backup.Audit{HeadKnown: true, Backups: []backup.Verdict{q.verdict()}}, nil
}

func (q *quiet) call(args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		lookup:  func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) { return q, func() {}, nil },
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// Nothing is written to a stream of the process but through the one function.
func TestNothingIsPrintedAsItIs(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	shown, err := filepath.Glob("../internal/ui/*/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, shown)
	files = append(files, append(shown, "../internal/ui/say.go")...)
	direct := regexp.MustCompile(`fmt\.Fp?rint|io\.WriteString\(a\.|\.std(out|err)\.Write`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		for n, text := range strings.Split(string(data), "\n") {
			if direct.MatchString(text) && !strings.Contains(text, "Fprintln(w, strings.Join(text") {
				require.Contains(t, text, "printable.", "%s:%d", name, n+1)
			}
		}
	}
}
