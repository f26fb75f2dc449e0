package control

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdk "go.temporal.io/sdk/temporal"

	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/diagnosis"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

func enableRequest(t *testing.T, instance string) EnableRequest {
	t.Helper()
	_, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	return EnableRequest{
		Instance: backup.Instance{Name: instance, FQDN: "local.azurestack.test", Region: "local"},
		Share:    settings.Share{Path: `\\fs.example.test\AzSBackups`, Transport: share.Encrypted},
		Username: `CORP\backup`, Password: secret.New("canary"), Recipients: []seal.Recipient{recipient}, RequestedBy: "op@host",
	}
}

// held tells which revisions the entity keeps.
func (s *site) held(revisions ...int64) []int64 {
	s.t.Helper()
	var found []int64
	for _, r := range revisions {
		got, err := flow.GetSettings.Ask(s.t.Context(), s.client, flow.SettingsWorkflowID(s.instance), flow.SettingsChoice{Revision: r})
		require.NoError(s.t, err)
		if got.Revision == r {
			found = append(found, r)
		}
	}
	return found
}

func TestEnable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx := t.Context()
	_, err := s.Summary(ctx)
	require.ErrorIs(t, err, fault.NotEnabled)
	_, err = s.Settings(ctx)
	require.ErrorIs(t, err, fault.NotEnabled)
	_, err = s.Start(ctx, "op", 0)
	require.ErrorIs(t, err, fault.NotEnabled)

	// A share that refuses leaves nothing active, and its own code.
	s.probe = fault.New(fault.ShareAuthFailed, `\\fs refused CORP\backup`, errors.New("0xc000006d"))
	_, err = s.Enable(ctx, s.request())
	require.ErrorIs(t, err, fault.ShareAuthFailed)
	require.Contains(t, err.Error(), "0xc000006d")
	_, err = s.Summary(ctx)
	require.ErrorIs(t, err, fault.NotEnabled)
	require.Empty(t, s.held(1))

	// While another change runs, the proposal is withdrawn.
	s.probe = nil
	_, err = s.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: flow.ChangeSettingsWorkflowID(s.instance), TaskQueue: "nobody-polls-" + s.instance,
	}, flow.Enable.Name, flow.ChangeSettingsInput{})
	require.NoError(t, err)
	_, err = s.Enable(ctx, s.request())
	require.ErrorIs(t, err, fault.ChangeRunning)
	require.Contains(t, err.Error(), "run ")
	require.Empty(t, s.held(1, 2))
	s.terminate(flow.ChangeSettingsWorkflowID(s.instance))

	summary := s.enable()
	require.Equal(t, `\\fs.example.test\AzSBackups`, summary.Share.Path)
	require.Equal(t, "op@host", summary.ChangedBy)
	require.Len(t, summary.Recipients, 1)
	shown, err := s.Summary(ctx)
	require.NoError(t, err)
	require.Equal(t, summary, shown)
	full, err := s.Settings(ctx)
	require.NoError(t, err)
	require.Equal(t, "canary", full.Credential.Password.Reveal())
	key, err := seal.ParseSigningKey(full.Signing.PrivateKey.String)
	require.NoError(t, err)
	require.Equal(t, full.Signing.Public, key.Public())

	_, err = s.Enable(ctx, s.request())
	require.ErrorIs(t, err, fault.AlreadyEnabled)
}

// TestEnableWaitsForEveryWorker: what only a silent worker captures would be no part of any
// backup, so nothing is enabled until it answers, or the operator says what a backup holds.
func TestEnableWaitsForEveryWorker(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.silent = "w2"
	asked := s.request()
	asked.Services = nil
	_, err := s.Enable(t.Context(), asked)
	require.ErrorIs(t, err, fault.NoWorker)
	require.ErrorContains(t, err, "the worker on w2")
	_, err = s.Summary(t.Context())
	require.ErrorIs(t, err, fault.NotEnabled)
	asked.Services = []backup.Service{backup.AD}
	_, err = s.Enable(t.Context(), asked)
	require.NoError(t, err)
}

func TestEnableRefusesBeforeAnythingIsSent(t *testing.T) {
	s := newIdleSite(t)
	for name, test := range map[string]struct {
		change func(*EnableRequest)
		code   fault.Code
	}{
		"share":     {func(r *EnableRequest) { r.Share.Path = "fs/share" }, fault.ShareInvalid},
		"Azure":     {func(r *EnableRequest) { r.Share.Path = `\\a.file.core.windows.net\s` }, fault.ShareUnsupported},
		"instance":  {func(r *EnableRequest) { r.Instance.Name = "No Such" }, fault.SettingsInvalid},
		"password":  {func(r *EnableRequest) { r.Password = secret.String{} }, fault.SettingsInvalid},
		"recipient": {func(r *EnableRequest) { r.Recipients = nil }, fault.SettingsInvalid},
		"transport": {func(r *EnableRequest) { r.Share.Transport = "plain" }, fault.SettingsInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.request()
			test.change(&r)
			_, err := s.Enable(t.Context(), r)
			require.ErrorIs(t, err, test.code)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

func TestNoWorkerEver(t *testing.T) {
	t.Parallel()
	s := newIdleSite(t)
	s.grace = 100 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	const id = "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11"
	for name, call := range map[string]func() error{
		"enable":   func() error { _, err := s.Enable(ctx, s.request()); return err },
		"summary":  func() error { _, err := s.Summary(ctx); return err },
		"settings": func() error { _, err := s.Settings(ctx); return err },
		"start":    func() error { _, err := s.Start(ctx, "op", 0); return err },
		"list":     func() error { _, err := s.List(ctx, 10); return err },
		"show":     func() error { _, err := s.Show(ctx, Latest); return err },
		"verify":   func() error { _, err := s.Verify(ctx, id); return err },
		"delete":   func() error { _, err := s.Delete(ctx, id, "op"); return err },
		"diagnose": func() error { _, err := s.Diagnose(ctx, diagnosis.ShareTried); return err },
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, call(), fault.NoWorker) })
	}
	require.ErrorIs(t, s.Cancel(ctx), fault.BackupNotFound)
	_, err := s.Running(ctx)
	require.ErrorIs(t, err, fault.BackupNotFound)
	_, err = s.Progress(ctx, "")
	require.ErrorIs(t, err, fault.BackupNotFound)
}

// TestWorkerThatDied: Temporal still remembers it for minutes.
func TestWorkerThatDied(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	s.stop()
	s.responseTimeout = shortTimeout
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.ghost()
	require.NoError(t, s.ready(ctx), "it is still remembered, else this test shows nothing")
	_, err := s.Summary(ctx)
	require.ErrorIs(t, err, fault.NoWorker)

	const id = backup.ID("0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11")
	_, err = s.Delete(ctx, string(id), "op")
	require.ErrorIs(t, err, fault.NoWorker)
	_, err = s.client.DescribeWorkflowExecution(ctx, flow.DeleteWorkflowID(s.instance, id), "")
	var missing *serviceerror.NotFound
	require.ErrorAs(t, err, &missing, "nothing is asked of a worker that did not say what is active")
	_, err = s.Verify(ctx, string(id))
	require.ErrorIs(t, err, fault.NoWorker)
	d, err := s.client.DescribeWorkflowExecution(ctx, flow.VerifyWorkflowID(s.instance, id), "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, d.GetWorkflowExecutionInfo().GetStatus(),
		"what was reported as not done must not be done later")
	require.NoError(t, ctx.Err())
}

// TestWorkerThatFails: its code panics on every task, which Temporal repeats for ever.
func TestWorkerThatFails(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := s.Diagnose(ctx, diagnosis.ShareUntried)
	require.NoError(t, err)
	require.True(t, report.Checks[0].OK)
	s.responseTimeout = shortTimeout
	_, err = s.Diagnose(ctx, diagnosis.ShareTried)
	require.ErrorIs(t, err, fault.Internal)
	require.Contains(t, err.Error(), "fail to process")
}

func TestOtherCodecKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.enable()
	line, err := codec.GenerateKeyLine("other", rand.Reader)
	require.NoError(t, err)
	stranger := s.connect(line)
	for name, ask := range map[string]func() error{
		"settings": func() error { _, err := stranger.Summary(t.Context()); return err },
		"list":     func() error { _, err := stranger.List(t.Context(), 1); return err },
		"doctor":   func() error { _, err := stranger.Diagnose(t.Context(), diagnosis.ShareUntried); return err },
		"change":   func() error { _, err := stranger.ChangeSigningKey(t.Context(), "op"); return err },
		"start":    func() error { _, err := stranger.Start(t.Context(), "op", 0); return err },
	} {
		t.Run(name, func(t *testing.T) { require.ErrorIs(t, ask(), fault.CodecKey) })
	}
}

func TestFaults(t *testing.T) {
	c := &Controller{namespace: "ns", instance: "local"}
	for name, test := range map[string]struct {
		err  error
		code fault.Code
	}{
		"a fault":           {fmt.Errorf("x: %w", fault.Newf(fault.ShareFull, "full")), fault.ShareFull},
		"interrupted":       {fmt.Errorf("x: %w", context.Canceled), fault.Cancelled},
		"cancelled by gRPC": {serviceerror.NewCanceled("x"), fault.Cancelled},
		"timeout":           {context.DeadlineExceeded, fault.NoWorker},
		"timeout by gRPC":   {serviceerror.NewDeadlineExceeded("x"), fault.NoWorker},
		"unavailable":       {serviceerror.NewUnavailable("x"), fault.TemporalUnreachable},
		"denied":            {serviceerror.NewPermissionDenied("x", ""), fault.TemporalUnreachable},
		"overloaded":        {serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "x"), fault.TemporalUnreachable},
		"namespace":         {serviceerror.NewNamespaceNotFound("ns"), fault.TemporalUnreachable},
		"no entity":         {serviceerror.NewNotFound("x"), fault.NotEnabled},
		"too early":         {serviceerror.NewWorkflowNotReady("x"), fault.NoWorker},
		"no poller":         {serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down"), fault.NoWorker},
		"query failed":      {serviceerror.NewQueryFailed("x"), fault.Internal},
		"application":       {flow.EncodeFault(fault.Newf(fault.ShareFull, "full")), fault.ShareFull},
		"a type in clear":   {sdk.NewApplicationError("SHARE_FULL: full", "SHARE_FULL"), fault.Internal},
		"cancelled run":     {sdk.NewCanceledError(), fault.Cancelled},
		"anything else":     {errors.New("x"), fault.Internal},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.code, fault.CodeOf(c.fault(test.err))) })
	}
	require.EqualError(t, c.fault(serviceerror.NewNotFound("workflow not found for ID")), "NOT_ENABLED: nothing is known about instance local")
	require.NoError(t, c.fault(nil))
	require.NoError(t, c.runFault(nil))
	require.ErrorIs(t, c.runFault(serviceerror.NewNotFound("x")), fault.BackupNotFound)
}

func TestLeavingARun(t *testing.T) {
	require.EqualError(t, watchedRun{what: "the deletion"}.left(), "CANCELLED: the command stopped waiting; the deletion goes on")
	require.EqualError(t, watchedRun{what: "the change", see: "infrabackup settings history"}.left(),
		"CANCELLED: the command stopped waiting; the change goes on, see `infrabackup settings history`")
}

func TestAnsweredAsksAgainWhatCameTooEarly(t *testing.T) {
	c := &Controller{instance: "local", responseTimeout: time.Second}
	asked := 0
	answer, err := answered(t.Context(), c, func(context.Context) (int, error) {
		if asked++; asked < 3 {
			return 0, serviceerror.NewWorkflowNotReady("the first step failed")
		}
		return 7, nil
	})
	require.NoError(t, err)
	require.Equal(t, 7, answer)

	_, err = answered(t.Context(), &Controller{instance: "local", responseTimeout: 100 * time.Millisecond}, func(context.Context) (int, error) {
		return 0, serviceerror.NewWorkflowNotReady("never")
	})
	require.ErrorIs(t, err, fault.NoWorker)
}
