package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// shelf is a controller with one finished backup.
type shelf struct {
	controller
	whole   backup.Overview
	showErr error
}

func (s *shelf) Show(context.Context, string) (backup.Overview, error) { return s.whole, s.showErr }

func (s *shelf) List(context.Context, int) (flow.ListOutput, error) {
	return flow.ListOutput{Backups: []backup.Overview{s.whole}}, nil
}

func (s *shelf) Upkeep(context.Context) (flow.UpkeepState, error) { return flow.UpkeepState{}, nil }

func (s *shelf) Summary(context.Context) (settings.Summary, error) { return settings.Summary{}, nil }

func (s *shelf) Running(context.Context) (string, error) { return "run", nil }

func (s *shelf) Watch(context.Context, string, func(flow.Progress)) error { return nil }

func (s *shelf) Wait(context.Context, string, backup.ID) (backup.Overview, error) {
	result := s.whole
	result.Consistency = nil
	return result, nil
}

func (s *shelf) call(args ...string) outcome { return callWith(s, args...) }

func callWith(c controller, args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		lookup:  func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) { return c, func() {}, nil },
	})
	return outcome{code, stdout.String(), stderr.String()}
}

func finished() backup.Overview {
	start := time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC)
	return backup.Overview{
		BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Status: backup.Succeeded, StartedAt: start, FinishedAt: start.Add(time.Minute), Path: "p",
		Services: []backup.ServiceResult{{Service: backup.AD, Status: backup.Succeeded}},
		Consistency: &backup.Consistency{
			Skew:      backup.Skew{Start: start, End: start.Add(90 * time.Second), SpreadMS: 90_000, ApartMS: 2_500, First: backup.AD, Last: backup.RBAC},
			Relations: []backup.RelationCount{{Relation: "disk", Checked: 12}, {Relation: "principal", Checked: 30, Dangling: 2, Unchecked: 1}},
			LeftOut:   5,
			Dangling: []backup.DanglingReference{
				{Service: backup.KeyVault, ID: "/vault/1", Name: "vault\x1b[2J", Relation: "principal", TargetService: backup.AD, Target: "sid:s-1-5-21-9"},
				{Service: backup.RBAC, ID: "/assignment/1", Relation: "principal", TargetService: backup.AD, Target: "sid:s-1-5-21-9\n"},
			},
		},
	}
}

func TestShowConsistency(t *testing.T) {
	whole := finished()
	out := (&shelf{whole: whole}).call("backup", "show")
	require.Zero(t, out.code, out.stderr)
	for _, want := range []string{
		"Captured:  2026-11-22 08:30:00Z to 2026-11-22 08:31:30Z, 1m30s in all\n",
		"2.5s from the end of AD to the start of RBAC\n",
		"42 checked, 2 dangling, 6 unchecked\n",
		"5 of the unchecked ones belong to items that have more than 1024\n",
		"Dangling references:\n",
		`vault\x1b[2J`,
	} {
		require.Contains(t, strings.Join(strings.Fields(out.stdout), " "), strings.Join(strings.Fields(want), " "))
	}
	require.Regexp(t, `(?m)^principal +30 +2 +1$`, out.stdout)
	require.Regexp(t, `(?m)^  RBAC +principal +AD sid:s-1-5-21-9\\\S+ +/assignment/1 +/assignment/1$`, out.stdout)
	require.NotContains(t, out.stdout, "\x1b")

	doc := (&shelf{whole: whole}).call("backup", "show", "-o", "json")
	var parsed backup.Overview
	require.NoError(t, json.Unmarshal([]byte(doc.stdout), &parsed))
	require.Equal(t, whole.Consistency, parsed.Consistency)

	whole.Consistency.Relations[1].Dangling = 700
	require.Contains(t, (&shelf{whole: whole}).call("backup", "show").stdout, "Dangling references, the first 2 of 700:")

	whole.Consistency = &backup.Consistency{Skew: backup.Skew{Start: whole.StartedAt, End: whole.StartedAt}}
	sound := (&shelf{whole: whole}).call("backup", "show").stdout
	require.Contains(t, sound, "a moment at which every service was being read")
	require.Contains(t, sound, "0 checked, 0 dangling, 0 unchecked")
	require.NotContains(t, sound, "RELATION")
	require.NotContains(t, sound, "Dangling")

	whole.Consistency = nil
	require.NotContains(t, (&shelf{whole: whole}).call("backup", "show").stdout, "References")
}

// ended is a shelf on which no backup runs any more.
type ended struct{ *shelf }

func (ended) Running(context.Context) (string, error) {
	return "", fault.Newf(fault.BackupNotFound, "no backup runs")
}

// TestWatchingWhatHasEnded: a backup that was fast is no error of who watches it.
func TestWatchingWhatHasEnded(t *testing.T) {
	for status, code := range map[backup.Status]int{backup.Succeeded: fault.ExitOK, backup.PartialSucceeded: fault.ExitPartial, backup.Failed: fault.ExitFailed, backup.Running: fault.ExitNotFound} {
		whole := finished()
		whole.Status = status
		out := callWith(ended{&shelf{whole: whole}}, "backup", "watch", string(whole.BackupID))
		require.Equal(t, code, out.code, "%s: %s", status, out.stderr)
		require.Equal(t, status.Final(), strings.Contains(out.stdout, string(whole.BackupID)), status)
	}
	out := callWith(ended{&shelf{whole: finished()}}, "backup", "watch")
	require.Equal(t, fault.ExitNotFound, out.code, "nothing was named")
	out = callWith(ended{&shelf{showErr: fault.Newf(fault.BackupNotFound, "none")}}, "backup", "watch", "0b1f4c2e")
	require.Equal(t, fault.ExitNotFound, out.code)
}

// TestWaitingEndsWithTheWholeBackup: what a run returns lacks the check of references.
func TestWaitingEndsWithTheWholeBackup(t *testing.T) {
	out := (&shelf{whole: finished()}).call("backup", "watch")
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, "Dangling references:")
	require.Empty(t, out.stderr)

	out = (&shelf{whole: finished(), showErr: errors.New("no worker\x1b")}).call("backup", "watch")
	require.Zero(t, out.code, "the backup is there all the same")
	require.Contains(t, out.stdout, "Succeeded")
	require.Contains(t, out.stderr, "Warning: the manifest of the finished backup cannot be shown: no worker\\x1b")
}
