package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"infrabackup/activities"
	"infrabackup/internal/backup"
	"infrabackup/internal/codec"
	"infrabackup/internal/collect"
	"infrabackup/internal/config"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
	"infrabackup/tests/lab"
)

// endless is a source whose capture goes on until its context ends.
type endless struct{ began chan struct{} }

func (endless) Service() backup.Service     { return backup.CA }
func (endless) Check(context.Context) error { return nil }
func (e endless) Collect(ctx context.Context, _ collect.Sink) (collect.Capture, error) {
	e.began <- struct{}{}
	<-ctx.Done()
	return collect.Capture{}, ctx.Err()
}

var captureOnly = flow.Workflow[flow.CollectInput, flow.CollectOutput]{Name: "CaptureOnly"}

// What the worker does not finish in time is handed back to Temporal, which has the
// next attempt made at once instead of waiting for a heartbeat to be missed.
func TestDrainHandsBackWhatItDoesNotFinish(t *testing.T) {
	address := lab.Temporal(t)
	s := newSite(t, address)
	c, err := config.Load(s.config, nil)
	require.NoError(t, err)
	ring, err := codec.LoadKeyring(s.keys)
	require.NoError(t, err)
	spooled, err := spool.Open(filepath.Join(s.dir, "spool"))
	require.NoError(t, err)
	defer func() { require.NoError(t, spooled.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	quiet := slog.New(slog.DiscardHandler)
	temporalClient, err := temporal.Dial(ctx, temporal.Options{Address: address, Codec: codec.New(ring), Logger: quiet})
	require.NoError(t, err)
	defer temporalClient.Close()

	other := worker.New(temporalClient, flow.Queue("other"), worker.Options{})
	captureOnly.Register(other, func(ctx workflow.Context, in flow.CollectInput) (flow.CollectOutput, error) {
		return flow.Collect(in.Service).Run(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue: flow.Queue("local"), StartToCloseTimeout: time.Hour, HeartbeatTimeout: time.Hour,
			RetryPolicy: &sdktemporal.RetryPolicy{MaximumAttempts: 2},
		}), in)
	})
	require.NoError(t, other.Start())
	defer other.Stop()

	source := endless{began: make(chan struct{}, 2)}
	acts := activities.New(dependencies(c, temporalClient, "", &twins{}, []collect.Collector{source}, spooled, ring, self(t), telemetry.Discard()))
	defer func() { require.NoError(t, acts.Close()) }()
	polls := func() (stop context.CancelFunc, ended <-chan error) {
		alone := &twins{describe: func(context.Context) ([]*taskqueuepb.PollerInfo, error) { return nil, nil }}
		polling, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- poll(polling, newProcess().process, c, temporalClient, acts, alone, quiet, func() {}) }()
		return stop, done
	}
	stop, ended := polls()
	_, recipient, err := seal.GenerateIdentity(false, time.Now())
	require.NoError(t, err)
	run, err := captureOnly.Start(ctx, temporalClient, client.StartWorkflowOptions{ID: "other:capture", TaskQueue: flow.Queue("other")}, flow.CollectInput{
		BackupID: "0b1f4c2e-5a59-4b0e-9a43-5f0f0f7f6a11", Service: backup.CA, Recipient: recipient.Text, WorkKeyID: ring.Active(),
	})
	require.NoError(t, err)
	wait(t, source.began, "the first attempt")
	asked := time.Now()
	stop()
	require.NoError(t, wait(t, ended, "the end of the drain"))
	require.GreaterOrEqual(t, time.Since(asked), c.Limits.StopTimeout, "running work has its time")
	require.Less(t, time.Since(asked), c.Limits.StopTimeout+reportTime, "and ends when it is told to")

	stop, ended = polls()
	wait(t, source.began, "the second attempt, long before a heartbeat is missed")
	stop()
	require.NoError(t, wait(t, ended, "the end of the second drain"))
	_, err = run.Get(ctx)
	require.ErrorContains(t, err, "the worker stops", "as the activity said it, not as the SDK would")
}
