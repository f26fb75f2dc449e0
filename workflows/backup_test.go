package workflows

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

const testID = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")

// stage is a set of activities that all succeed, to be changed by a test.
type stage struct {
	mu       sync.Mutex // two services run at once
	env      *testsuite.TestWorkflowEnvironment
	hosts    []string // host of each capture, the last one repeating
	captures int
	checkErr error
	collect  func(flow.CollectInput) error
	upload   func(flow.UploadPartInput) error
	sealErr  error

	check func(ctx context.Context) error

	discarded []flow.DiscardBackupInput

	publishErr error
	published  string // what is not discarded
	released   int
	sealed     flow.SealBackupInput
}

func newStage(t *testing.T) *stage {
	var suite testsuite.WorkflowTestSuite
	s := &stage{env: suite.NewTestWorkflowEnvironment(), hosts: []string{"h1"}}
	s.env.SetTestTimeout(time.Minute)
	flow.CheckShare.Register(s.env, func(ctx context.Context, _ flow.CheckShareInput) (flow.CheckShareOutput, error) {
		if s.check != nil {
			if err := s.check(ctx); err != nil {
				return flow.CheckShareOutput{}, err
			}
		}
		return flow.CheckShareOutput{Revision: 3, Services: []backup.Service{backup.AD, backup.CA}}, flow.EncodeFault(s.checkErr)
	})
	flow.PrepareKey.Register(s.env, func(context.Context, flow.PrepareKeyInput) (flow.PrepareKeyOutput, error) {
		return flow.PrepareKeyOutput{Recipient: "age1test", WorkKeyID: "k"}, nil
	})
	for _, service := range backup.Services() {
		flow.Collect(service).Register(s.env, s.capture)
	}
	flow.UploadPart.Register(s.env, func(_ context.Context, in flow.UploadPartInput) (flow.UploadPartOutput, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.upload != nil {
			err := s.upload(in)
			if timeout := (*temporal.TimeoutError)(nil); errors.As(err, &timeout) {
				return flow.UploadPartOutput{}, err
			}
			if err != nil {
				return flow.UploadPartOutput{}, flow.EncodeFault(err)
			}
		}
		return flow.UploadPartOutput{Part: in.Part, Index: in.Index, SentBytes: in.Part.Size}, nil
	})
	flow.SealBackup.Register(s.env, func(_ context.Context, in flow.SealBackupInput) (flow.SealBackupOutput, error) {
		s.sealed = in
		return flow.SealBackupOutput{Status: backup.Overall(in.Services), TotalBytes: 7}, flow.EncodeFault(s.sealErr)
	})
	flow.PublishBackup.Register(s.env, func(context.Context, flow.PublishBackupInput) (flow.PublishBackupOutput, error) {
		return flow.PublishBackupOutput{Path: "local/backups/x"}, flow.EncodeFault(s.publishErr)
	})
	flow.DiscardBackup.Register(s.env, func(_ context.Context, in flow.DiscardBackupInput) (flow.DiscardBackupOutput, error) {
		s.discarded = append(s.discarded, in)
		return flow.DiscardBackupOutput{Published: s.published}, nil
	})
	flow.ReleaseSpool.Register(s.env, func(context.Context, flow.ReleaseSpoolInput) (struct{}, error) {
		s.released++
		return struct{}{}, nil
	})
	return s
}

func (s *stage) capture(_ context.Context, in flow.CollectInput) (flow.CollectOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.collect != nil {
		if err := s.collect(in); err != nil {
			return flow.CollectOutput{}, flow.EncodeFault(err)
		}
	}
	host := s.hosts[min(s.captures, len(s.hosts)-1)]
	s.captures++
	part := backup.File{Name: backup.PartFile(in.Service), Size: 10}
	return flow.CollectOutput{Host: host, Part: part, Result: backup.ServiceResult{Service: in.Service, Items: 5, Status: backup.Running}}, nil
}

func (s *stage) run(t *testing.T) (backup.Overview, *fault.Fault) {
	t.Helper()
	s.env.ExecuteWorkflow(Backup, flow.BackupInput{Instance: "local", BackupID: testID, SpoolWait: time.Minute})
	require.True(t, s.env.IsWorkflowCompleted())
	var out backup.Overview
	if err := s.env.GetWorkflowError(); err != nil {
		return out, flow.DecodeFault(err)
	}
	require.NoError(t, s.env.GetWorkflowResult(&out))
	return out, nil
}

func TestBackupSucceeds(t *testing.T) {
	s := newStage(t)
	out, err := s.run(t)
	require.Nil(t, err)
	require.Equal(t, backup.Succeeded, out.Status)
	require.Equal(t, "local/backups/x", out.Path)
	require.Len(t, out.Services, 2)
	require.Equal(t, backup.AD, out.Services[0].Service)
	require.Len(t, s.sealed.Parts, 2)
	require.Equal(t, int64(3), s.sealed.Revision)
	require.Empty(t, s.discarded)
	require.Equal(t, 1, s.released, "one host held everything")
}

func TestBackupRetriesWhatPasses(t *testing.T) {
	s := newStage(t)
	failures := 4
	s.upload = func(flow.UploadPartInput) error {
		if failures > 0 {
			failures--
			return fault.Newf(fault.ShareUnreachable, "the file server is away")
		}
		return nil
	}
	out, err := s.run(t)
	require.Nil(t, err)
	require.Equal(t, backup.Succeeded, out.Status)
	require.Zero(t, failures)
}

func TestBackupFailures(t *testing.T) {
	denied := fault.Newf(fault.SourceAccessDenied, "the account may not read")
	tests := map[string]struct {
		change    func(*stage)
		code      fault.Code // of the run, empty when it succeeds
		status    backup.Status
		discarded bool
	}{
		"one service denied": {change: func(s *stage) {
			s.collect = func(in flow.CollectInput) error {
				if in.Service == backup.CA {
					return denied
				}
				return nil
			}
		}, status: backup.PartialSucceeded},
		"all services denied": {change: func(s *stage) {
			s.collect = func(flow.CollectInput) error { return denied }
		}, code: fault.BackupFailed, discarded: true},
		"share full": {change: func(s *stage) {
			s.upload = func(flow.UploadPartInput) error { return fault.Newf(fault.ShareFull, "no space left") }
		}, code: fault.ShareFull, discarded: true},
		"login refused": {change: func(s *stage) {
			s.checkErr = fault.Newf(fault.ShareAuthFailed, "refused")
		}, code: fault.ShareAuthFailed},
		"sealing fails for good": {change: func(s *stage) {
			s.sealErr = fault.Newf(fault.ShareReadOnly, "read-only")
		}, code: fault.ShareReadOnly, discarded: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			tt.change(s)
			out, err := s.run(t)
			if tt.code == "" {
				require.Nil(t, err)
				require.Equal(t, tt.status, out.Status)
			} else {
				require.NotNil(t, err)
				require.Equal(t, tt.code, err.Code)
			}
			require.Equal(t, tt.discarded, len(s.discarded) == 1)
		})
	}
}

func TestBackupCapturesAgainWhenTheSpoolIsGone(t *testing.T) {
	tests := map[string]error{
		"data lost": flow.EncodeFault(fault.Newf(fault.SpoolLost, "gone")),
		"host gone": temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START, errors.New("nobody took it up")),
	}
	for name, lost := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.hosts = []string{"h1", "h1", "h2"}
			uploads := 0
			s.upload = func(flow.UploadPartInput) error {
				if uploads++; uploads == 1 {
					return lost
				}
				return nil
			}
			out, err := s.run(t)
			require.Nil(t, err)
			require.Equal(t, backup.Succeeded, out.Status)
			require.Equal(t, 3, s.captures)
			require.Equal(t, 2, s.released, "both hosts are tidied")
		})
	}
}

func TestBackupGivesUpAHostThatNeverComesBack(t *testing.T) {
	s := newStage(t)
	s.upload = func(in flow.UploadPartInput) error {
		if in.Service == backup.AD {
			return fault.Newf(fault.SpoolLost, "gone")
		}
		return nil
	}
	out, err := s.run(t)
	require.Nil(t, err)
	require.Equal(t, backup.PartialSucceeded, out.Status)
	require.Equal(t, string(fault.SpoolUnavailable), out.Services[0].Code)
	require.Equal(t, maxCaptures+1, s.captures)
}

func TestBackupProgress(t *testing.T) {
	s := newStage(t)
	s.upload = func(flow.UploadPartInput) error { return fault.Newf(fault.ShareUnreachable, "away") }
	s.env.RegisterDelayedCallback(func() {
		value, err := s.env.QueryWorkflow(flow.BackupProgress.Name, struct{}{})
		require.NoError(t, err)
		var p flow.Progress
		require.NoError(t, value.Get(&p))
		require.Equal(t, backup.Running, p.Status)
		require.Equal(t, testID, p.BackupID)
		require.Len(t, p.Services, 2)
		require.Equal(t, flow.PhaseUpload, p.Services[0].Phase)
		require.Equal(t, int64(5), p.Services[0].Items)
		s.env.CancelWorkflow()
	}, 5*time.Second)
	_, err := s.run(t)
	require.NotNil(t, err)
	require.Equal(t, fault.Cancelled, err.Code)
	require.Len(t, s.discarded, 1)
}

// TestCancelledDuringTheCheck: what the check of the share has begun is removed, and nothing else is begun;
// a login that was refused is not tried again.
func TestCancelledDuringTheCheck(t *testing.T) {
	for _, refused := range []bool{false, true} {
		s := newStage(t)
		s.check = func(ctx context.Context) error {
			if refused {
				return flow.EncodeFault(fault.Newf(fault.ShareAuthFailed, "refused"))
			}
			s.env.CancelWorkflow()
			return untilCancelled(ctx)
		}
		_, err := s.run(t)
		require.NotNil(t, err)
		if refused {
			require.Equal(t, fault.ShareAuthFailed, err.Code)
			require.Empty(t, s.discarded)
			continue
		}
		require.Equal(t, fault.Cancelled, err.Code)
		require.Equal(t, []flow.DiscardBackupInput{{BackupID: testID}}, s.discarded)
		require.NoError(t, s.discarded[0].Check("local"))
		require.Zero(t, s.captures)
	}
}

// TestCancelledWhileAWorkerIsAway: a run that was cancelled ends as that, also where the worker of a step
// has ended and could not answer; other errors are told. On a real server it ends as cancelled, too.
func TestCancelledWhileAWorkerIsAway(t *testing.T) {
	late, refused := temporal.NewHeartbeatTimeoutError(), flow.EncodeFault(fault.Newf(fault.ShareAuthFailed, "refused"))
	require.Equal(t, workflow.ErrCanceled, ending(workflow.ErrCanceled, late))
	require.Equal(t, late, ending(nil, late))
	require.Equal(t, refused, ending(workflow.ErrCanceled, refused))

	data, err := os.ReadFile(filepath.Join(histories, "v5-backup-cancelled-without-a-worker.json"))
	require.NoError(t, err)
	var h historypb.History
	require.NoError(t, protojson.Unmarshal(data, &h))
	require.Equal(t, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, h.Events[len(h.Events)-1].GetEventType())
}

// TestTheCheckEndsBeforeTheRun: on a real server, in the history that was recorded, the check has ended
// before what it left is removed; the SDK's test environment does not wait for it.
func TestTheCheckEndsBeforeTheRun(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(histories, "v5-backup-cancelled-at-once.json"))
	require.NoError(t, err)
	var h historypb.History
	require.NoError(t, protojson.Unmarshal(data, &h))
	var seen []string
	for _, e := range h.Events {
		switch {
		case e.GetActivityTaskScheduledEventAttributes() != nil:
			seen = append(seen, e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName())
		case e.GetActivityTaskCanceledEventAttributes() != nil:
			seen = append(seen, "ended")
		}
	}
	require.Equal(t, []string{flow.CheckShare.Name, "ended", flow.DiscardBackup.Name}, seen)
}

// TestARunWhoseBackupStaysHasSucceeded: the step that publishes fails, or is cancelled,
// behind the entry in the ledger.
func TestARunWhoseBackupStaysHasSucceeded(t *testing.T) {
	for _, published := range []string{"", "local/backups/x"} {
		s := newStage(t)
		s.publishErr, s.published = fault.Newf(fault.ShareAccessDenied, "refused"), published
		out, err := s.run(t)
		require.Len(t, s.discarded, 1)
		if published == "" {
			require.Equal(t, fault.ShareAccessDenied, err.Code)
			continue
		}
		require.Nil(t, err)
		require.Equal(t, published, out.Path)
		require.Equal(t, backup.Succeeded, out.Status)
		require.EqualValues(t, 7, out.TotalBytes)
	}
}
