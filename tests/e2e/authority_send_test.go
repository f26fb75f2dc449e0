package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
	"infrabackup/tests/tier"
)

// folderOf lists every file below dir with its digest.
func folderOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		all[strings.TrimPrefix(path, dir)] = hex.EncodeToString(sum[:])
		return err
	}))
	return all
}

// othersPerStart is how many ciphertexts of elsewhere each workflow is started with, and
// othersPerMessage how many each update, query and signal has, others than its neighbour; 0 for
// all.
func othersPerStart() int   { return tier.Size(2, 2, 0) }
func othersPerMessage() int { return tier.Size(20, 20, 0) }

// startsOf starts a workflow in every wrong way, each under an ID of its own.
func (s *stranger) startsOf(work *errgroup.Group, m flow.Member, member int, id backup.ID) {
	s.t.Helper()
	first := member * othersPerStart()
	for i := range s.forgeries(s.started(m, "to be counted:", id), first, othersPerStart()) {
		if s.leavesOut(member, i) {
			continue
		}
		workflowID := fmt.Sprintf("%s:x-%s-%d", s.c.instance.Name, m.Name, i)
		f := s.forgeries(s.started(m, workflowID, id), first, othersPerStart())[i]
		work.Go(func() error { return s.starts(m, workflowID, f) })
	}
}

// started is a workflow that is started.
func (s *stranger) started(m flow.Member, workflowID string, id backup.ID) target {
	return target{
		kind: "workflow", name: m.Name, way: "input", place: []string{"workflow", namespace, workflowID},
		right: marks{"nonce": "n"}, body: harmful(m.In, s.c.instance.Name, id),
	}
}

// starts starts one and returns what is wrong with its end.
func (s *stranger) starts(m flow.Member, workflowID string, f forgery) error {
	runID, err := s.start(m, workflowID, f)
	if err != nil {
		return err
	}
	return s.ends(m, workflowID, runID, f.name)
}

func (s *stranger) start(m flow.Member, workflowID string, f forgery) (runID string, err error) {
	ctx, cancel := within(s.t)
	defer cancel()
	started, err := s.own.WorkflowService().StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
		Namespace: namespace, WorkflowId: workflowID, WorkflowType: &commonpb.WorkflowType{Name: m.Name}, RequestId: workflowID,
		TaskQueue: &taskqueuepb.TaskQueue{Name: flow.Queue(s.c.instance.Name)}, Input: &commonpb.Payloads{Payloads: f.payloads},
	})
	if err != nil {
		return "", fmt.Errorf("start %s with %s: %w", m.Name, f.name, err)
	}
	return started.RunId, nil
}

// ends waits for the end of a run and returns what is wrong with it.
func (s *stranger) ends(m flow.Member, workflowID, runID, what string) error {
	ctx, cancel := within(s.t)
	defer cancel()
	history := s.own.GetWorkflowHistory(ctx, workflowID, runID, true, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	event, err := history.Next()
	if err != nil {
		return fmt.Errorf("%s with %s has no end: %w", m.Name, what, err)
	}
	if m.Name == flow.Upkeep.Name {
		return nil // anybody may ring: that nothing comes of it is what the state shows at the end
	}
	if code := event.GetWorkflowExecutionFailedEventAttributes().GetFailure().GetApplicationFailureInfo().GetType(); !refusedCode(code) {
		return fmt.Errorf("%s with %s ended with %q: %v", m.Name, what, code, event)
	}
	return nil
}

// messagesOf sends an update or a query in every wrong way to a run that would answer.
func (s *stranger) messagesOf(m flow.Member, member int, backupRun string) error {
	workflowID, run := flow.SettingsWorkflowID(s.c.instance.Name), ""
	if m.Of[0] == flow.Restore.Name {
		return nil // none runs here, and its one question is answered like that of a backup
	}
	if m.Of[0] == flow.Backup.Name {
		workflowID, run = flow.BackupWorkflowID(s.c.instance.Name), backupRun
	} else {
		d, err := s.own.DescribeWorkflowExecution(s.t.Context(), workflowID, "")
		if err != nil {
			return err
		}
		run = d.WorkflowExecutionInfo.Execution.RunId
	}
	at := target{
		kind: string(m.Kind), name: m.Name, way: "input", place: []string{"workflow", namespace, workflowID},
		right: marks{"run": run, "nonce": "the ID under which it was sent"}, body: harmful(m.In, s.c.instance.Name, ""),
	}
	for _, f := range s.forgeries(at, member*othersPerMessage(), othersPerMessage()) {
		var err error
		if m.Kind == flow.KindUpdate {
			err = s.updates(m, workflowID, f)
		} else {
			err = s.asks(m, workflowID, f)
		}
		if err != nil {
			return err
		}
	}
	if m.Kind == flow.KindUpdate {
		// What was sent once, under the ID that is sealed in it, is sent again under another.
		return s.updates(m, workflowID, forgery{"what was sent before", []*commonpb.Payload{
			s.copied(at.place, marks{"kind": at.kind, "name": at.name, "way": at.way, "run": run, "nonce": at.right["nonce"], "at": time.Now().Format(time.RFC3339)}, at.body),
		}})
	}
	return nil
}

func (s *stranger) updates(m flow.Member, workflowID string, f forgery) error {
	ctx, cancel := within(s.t)
	defer cancel()
	answer, err := s.own.WorkflowService().UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{
		Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
		WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enumspb.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED},
		Request: &updatepb.Request{
			Meta:  &updatepb.Meta{UpdateId: "the ID under which it is sent now"},
			Input: &updatepb.Input{Name: m.Name, Args: &commonpb.Payloads{Payloads: f.payloads}},
		},
	})
	if err != nil {
		return fmt.Errorf("update %s with %s: %w", m.Name, f.name, err)
	}
	if code := answer.GetOutcome().GetFailure().GetApplicationFailureInfo().GetType(); !refusedCode(code) {
		return fmt.Errorf("update %s with %s ended with %q: %v", m.Name, f.name, code, answer.GetOutcome())
	}
	return nil
}

func (s *stranger) asks(m flow.Member, workflowID string, f forgery) error {
	s.asking.Lock() // Temporal keeps one query waiting for a busy run
	defer s.asking.Unlock()
	ctx, cancel := within(s.t)
	defer cancel()
	// A query that waits for a task which another query or update has ended is never
	// answered by Temporal, and one that comes while another waits is turned away: it is
	// asked again.
	var answer *workflowservice.QueryWorkflowResponse
	var err error
	unanswered := []codes.Code{codes.DeadlineExceeded, codes.ResourceExhausted, codes.Unavailable}
	for again := true; again; again = ctx.Err() == nil && slices.Contains(unanswered, serviceerror.ToStatus(err).Code()) {
		asking, stop := context.WithTimeout(ctx, 30*time.Second)
		answer, err = s.own.WorkflowService().QueryWorkflow(asking, &workflowservice.QueryWorkflowRequest{
			Namespace: namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
			Query: &querypb.WorkflowQuery{QueryType: m.Name, QueryArgs: &commonpb.Payloads{Payloads: f.payloads}},
		})
		stop()
	}
	var failed *serviceerror.QueryFailed
	if !errors.As(err, &failed) {
		return fmt.Errorf("query %s with %s was answered: %v, %v", m.Name, f.name, answer, err)
	}
	if code, _, _ := strings.Cut(failed.Message, ":"); !refusedCode(code) {
		return fmt.Errorf("query %s with %s failed with %q", m.Name, f.name, failed.Message)
	}
	return nil
}

// signals gives workflows every wrong go-ahead. A run waits for its own for some seconds;
// what there was no time for is sent to the next one.
func (s *stranger) signals(id backup.ID) error {
	for sent, run := 0, 0; ; run++ {
		n, all, err := s.signalled(id, run, sent)
		if err != nil {
			return err
		}
		if n == sent {
			return fmt.Errorf("the run ended before signal %d of %d could be sent to it", sent, all)
		}
		if sent = n; sent == all {
			return nil
		}
	}
}

// signalled starts a workflow with an input that was sealed for it, as somebody who sends
// an earlier request again does, and sends it wrong go-aheads, from the given one on,
// until it ends. It returns how many of all were sent so far.
func (s *stranger) signalled(id backup.ID, run, sent int) (now, of int, err error) {
	all := flow.Contract()
	deletion := all[slices.IndexFunc(all, func(m flow.Member) bool { return m.Name == flow.Delete.Name })]
	workflowID := fmt.Sprintf("%s:x-signalled-%d", s.c.instance.Name, run)
	at := s.started(deletion, workflowID, id)
	input := s.copied(at.place, marks{"kind": at.kind, "name": at.name, "way": at.way, "nonce": "n"}, at.body)
	runID, err := s.start(deletion, workflowID, forgery{"an input sealed for an earlier run", []*commonpb.Payload{input}})
	if err != nil {
		return sent, 0, err
	}
	signal := target{
		kind: string(flow.KindSignal), name: flow.Begin.Name, way: "input", place: at.place,
		right: marks{"run": runID, "answers": "another input"}, body: struct{}{},
	}
	forged := s.forgeries(signal, s.first*othersPerMessage(), othersPerMessage())
	for _, f := range forged[sent:] {
		_, err := s.own.WorkflowService().SignalWorkflowExecution(s.t.Context(), &workflowservice.SignalWorkflowExecutionRequest{
			Namespace: namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
			SignalName: flow.Begin.Name, Input: &commonpb.Payloads{Payloads: f.payloads},
		})
		var ended *serviceerror.NotFound
		var closing *serviceerror.ResourceExhausted
		if errors.As(err, &ended) || errors.As(err, &closing) {
			break
		}
		if err != nil {
			return sent, len(forged), fmt.Errorf("signal with %s: %w", f.name, err)
		}
		sent++
	}
	return sent, len(forged), s.ends(deletion, workflowID, runID, "wrong go-aheads")
}
