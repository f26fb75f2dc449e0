package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/control"
	"infrabackup/internal/control/runs"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/support"
)

// helped is an instance that is enabled, and what Temporal keeps of one run of it.
type helped struct {
	*ailing
	missing  bool // Temporal does not answer
	leaves   bool // it does not answer any more after one event
	asks     int  // for events
	runs     int  // one when zero
	asked    string
	event    *historypb.HistoryEvent
	answered bool
}

func (h *helped) Schedule(context.Context) (control.ScheduleStatus, error) {
	return control.ScheduleStatus{}, nil
}

func (h *helped) Diagnose(_ context.Context, trial diagnosis.ShareTrial) (diagnosis.Report, error) {
	if trial != diagnosis.ShareUntried {
		return diagnosis.Report{}, errors.New("the share is not to be written to")
	}
	return diagnosis.Report{Host: "host-1"}, nil
}

func (h *helped) Runs() *runs.Reader {
	return &runs.Reader{Client: kept{helped: h}, Namespace: "default", Queue: "infrabackup-local", Fault: func(err error) error { return err }}
}

// kept is Temporal's memory of that run.
type kept struct {
	client.Client
	*helped
}

func (k kept) ListWorkflow(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	k.asked = in.GetQuery()
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	for i := range max(1, k.runs) {
		answer.Executions = append(answer.Executions, &workflowpb.WorkflowExecutionInfo{
			Execution: &commonpb.WorkflowExecution{WorkflowId: "local:../../backup", RunId: fmt.Sprintf("run-%d", i+1)}, Type: &commonpb.WorkflowType{Name: "BackupWorkflow"},
			Status: enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, HistoryLength: 2,
		})
	}
	return answer, nil
}

func (k kept) GetWorkflowHistory(context.Context, string, string, bool, enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	return k
}

func (k kept) HasNext() bool { return !k.answered || k.leaves }

func (k kept) Next() (*historypb.HistoryEvent, error) {
	if k.asks++; k.leaves && k.asks > 1 {
		return nil, fault.Newf(fault.TemporalUnreachable, "Temporal does not answer any more")
	}
	k.answered = true
	return k.event, nil
}

func (h *helped) call(args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), process{
		args: args, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
		lookup: func(string) (string, bool) { return "", false },
		connect: func(context.Context) (controller, func(), error) {
			if h.missing {
				return nil, nil, fault.Newf(fault.TemporalUnreachable, "Temporal does not answer")
			}
			return h, func() {}, nil
		},
	})
	return outcome{code, stdout.String(), stderr.String()}
}

// packed reads an archive as tar does.
func packed(t *testing.T, file string) map[string]string {
	t.Helper()
	in, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, in.Close()) }()
	info, err := in.Stat()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	zipped, err := gzip.NewReader(in)
	require.NoError(t, err)
	all := map[string]string{}
	for entries := tar.NewReader(zipped); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		text, err := io.ReadAll(entries)
		require.NoError(t, err)
		all[filepath.Base(header.Name)] = string(text)
	}
}

// TestSupport: everything that is known is packed, and of a history no payload, wherever it
// stands in an event.
func TestSupport(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // no journal
	sealed := func() *commonpb.Payloads {
		return &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("binary/encrypted"), "key": []byte("canary")}, Data: []byte("canary")}}}
	}
	h := &helped{ailing: without(), event: &historypb.HistoryEvent{EventId: 7, EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED,
		Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{
			Failure: &failurepb.Failure{Message: "Encoded failure", EncodedAttributes: sealed().GetPayloads()[0],
				Cause:       &failurepb.Failure{EncodedAttributes: sealed().GetPayloads()[0]},
				FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "SHARE_FULL", Details: sealed()}}},
		}}}}
	dir := t.TempDir()
	log := filepath.Join(dir, "worker.log")
	require.NoError(t, os.WriteFile(log, []byte("level=INFO password=canary\n"), 0o600))
	out := filepath.Join(dir, "support.tar.gz")
	done := h.call("support", "--out", out, "--log", log, "-o", "json")
	require.Zero(t, done.code, done.stderr)
	var report struct {
		File string
		support.Report
	}
	require.NoError(t, json.Unmarshal([]byte(done.stdout), &report))
	require.Equal(t, out, report.File)
	require.Empty(t, report.Missing)
	files := packed(t, out)
	for _, name := range []string{"version.json", "settings.json", "settings-history.json", "doctor.json", "schedule.json", "upkeep.json", "alerts.json",
		"backups.json", "newest-backups.json", "runs.json", "001-run-1.jsonl", "1-worker.log", "report.json"} {
		require.NotEmpty(t, files[name], name)
	}
	for name, text := range files {
		require.NotContains(t, text, "canary", name)
		require.NotContains(t, text, "Y2FuYXJ5", name) // the same in base64
	}
	require.Contains(t, files["001-run-1.jsonl"], "SHARE_FULL")
	require.Contains(t, files["alerts.json"], "SERVICE_WITHOUT_WORKER")

	again := h.call("support", "--out", out)
	require.Equal(t, fault.AlreadyExists.Exit(), again.code, again.stderr)
}

// TestSupportWhileTemporalLeaves: what was read of a history is packed, and the others are not
// asked for, one timeout after the other.
func TestSupportWhileTemporalLeaves(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	h := &helped{ailing: without(), leaves: true, runs: 5, event: &historypb.HistoryEvent{EventId: 1}}
	out := filepath.Join(t.TempDir(), "support.tar.gz")
	done := h.call("support", "--out", out)
	require.Equal(t, fault.ExitPartial, done.code, done.stderr)
	files := packed(t, out)
	require.Contains(t, files["001-run-1.jsonl"], "eventId")
	var report support.Report
	require.NoError(t, json.Unmarshal([]byte(files["report.json"]), &report))
	require.Len(t, report.Missing, 5)
	require.Equal(t, 2, h.asks)
}

// TestSupportWithoutTemporal: on the worst day there is an archive all the same, which says
// what is missing and why.
func TestSupportWithoutTemporal(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Chdir(t.TempDir())
	done := (&helped{ailing: without(), missing: true}).call("support")
	require.Equal(t, fault.ExitPartial, done.code, done.stderr)
	made, err := filepath.Glob("infrabackup-support-local-*.tar.gz")
	require.NoError(t, err)
	require.Len(t, made, 1)
	var report support.Report
	require.NoError(t, json.Unmarshal([]byte(packed(t, made[0])["report.json"]), &report))
	require.Len(t, report.Files, 1)
	require.Len(t, report.Missing, 9)
	for _, m := range report.Missing {
		require.Equal(t, fault.TemporalUnreachable, m.Code)
		require.Contains(t, done.stderr, m.Name)
	}
	require.Contains(t, done.stderr, "--log")
	require.Equal(t, fault.ExitUsage, (&helped{ailing: without()}).call("support", "--since", "-1h").code)
}
