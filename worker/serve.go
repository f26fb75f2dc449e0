package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"infrabackup/activities"
	"infrabackup/internal/backup"
	"infrabackup/internal/build"
	"infrabackup/internal/codec"
	"infrabackup/internal/config"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/sources"
	"infrabackup/internal/spool"
	"infrabackup/internal/telemetry"
	"infrabackup/internal/temporal"
	"infrabackup/workflows"
)

// Bounds of what the worker does at once. Captures and uploads cost memory for
// their buffers, and the workflow runs two services at a time; the other
// activities are small, and must not wait behind captures that take hours.
const (
	maxActivities      = 8
	maxSpoolActivities = 4
	maxWorkflowTasks   = 16
	maxCachedWorkflows = 64
)

const (
	// startTimeout is how long Temporal may be away while the worker starts: a
	// machine that boots brings up both at once. Then the service manager decides.
	startTimeout = 5 * time.Minute
	firstPause   = time.Second
	longestPause = 20 * time.Second

	// reportTime is what activities get, after they were told to end, to say so to
	// Temporal. Without it the next attempt waits for the heartbeat timeout.
	reportTime = 5 * time.Second

	// heartbeatInterval bounds how old the progress that Temporal knows can be. The SDK
	// also takes it for how long Temporal may take to answer a heartbeat, and cancels the
	// activity after that: a moment's hiccup must not end a capture.
	heartbeatInterval = 5 * time.Second
)

// serveOne serves the one instance of this process.
func serveOne(ctx context.Context, p process, c *config.Worker, logger *slog.Logger) error {
	measured, err := telemetry.Start(ctx, telemetry.Options{
		ServiceName: product, Version: build.Version(), Instance: c.Instance.Name, Host: c.Host, Logger: logger, Lookup: p.lookup,
	})
	if err != nil {
		return err
	}
	defer measured.Flush(logger)
	p.room(1)
	return serve(ctx, p, c, logger, measured, func() { tell(p, "READY=1", logger) })
}

// serve connects everything, polls until ctx ends or a worker fails for good, and
// drains. It calls ready when it polls. A stop that was asked for is no error.
func serve(ctx context.Context, p process, c *config.Worker, logger *slog.Logger, measured *telemetry.Telemetry, ready func()) (err error) {
	logger = logger.With("instance", c.Instance.Name, "host", c.Host)
	logger.Info("starting", "version", build.Version())
	ring, err := codec.LoadKeyring(c.Codec.KeyFile)
	if err != nil {
		return err
	}
	collectors, done, err := sources.Collectors(c.Sources)
	if err != nil {
		return err
	}
	defer done()
	spooled, err := spool.Open(c.Spool.Dir)
	if err != nil {
		return err
	}
	defer closing(&err, "close the spool", spooled.Close)
	unlock, err := lockSpool(c.Spool.Dir)
	if err != nil {
		return err
	}
	defer closing(&err, "unlock the spool", unlock)
	options, err := temporal.FromConfig(c.Temporal, p.lookup)
	if err != nil {
		return err
	}
	options.Identity = flow.WorkerIdentity(c.Host)
	options.Codec, options.Logger, options.Telemetry = codec.New(ring), logger, measured
	logger.Info("connecting", "temporal", options.Address, "namespace", options.Namespace)
	temporalClient, err := dialWithRetry(ctx, options, logger)
	if err != nil {
		return unlessAsked(ctx, err)
	}
	defer temporalClient.Close()

	for _, s := range checkSources(ctx, collectors) {
		s.log(logger)
	}
	if ctx.Err() != nil {
		return nil
	}
	program, err := privsep.OwnProgram()
	if err != nil {
		return fault.New(fault.Internal, "the path of this program is unknown", err)
	}
	twin := newTwins(temporalClient, c)
	needed := dependencies(c, temporalClient, options.Namespace, twin, collectors, spooled, ring, program, measured)
	if needed.Updating, err = updatingOf(c); err != nil {
		return err
	}
	if needed.Targets, err = c.LoadTargets(); err != nil {
		return err
	}
	acts := activities.New(needed)
	defer closing(&err, "close the connections to the share", acts.Close)
	return poll(ctx, p, c, temporalClient, acts, twin, logger, ready)
}

// poll runs the two workers until ctx ends.
func poll(ctx context.Context, p process, c *config.Worker, temporalClient client.Client, acts *activities.Activities, twin *twins, logger *slog.Logger, ready func()) error {
	// Not ctx: what runs when the worker is told to stop may go on for a while.
	over, end := context.WithCancel(context.Background())
	defer end()
	runs := &ending{over: over}
	fatal := make(chan error, 2+len(backup.Services())+len(c.Targets)) // one for each worker
	options := worker.Options{
		MaxConcurrentActivityExecutionSize:     maxActivities,
		MaxConcurrentWorkflowTaskExecutionSize: maxWorkflowTasks,
		MaxHeartbeatThrottleInterval:           heartbeatInterval,
		WorkerStopTimeout:                      c.Limits.StopTimeout + reportTime,
		Interceptors:                           []interceptor.WorkerInterceptor{runs},
		OnFatalError:                           func(err error) { fatal <- err },
	}
	shared := worker.New(temporalClient, flow.Queue(c.Instance.Name), options)
	workflows.Register(shared)
	acts.Register(shared)

	options.MaxConcurrentActivityExecutionSize = maxSpoolActivities
	options.DisableWorkflowWorker = true
	options.Identity = twin.self
	own := worker.New(temporalClient, flow.SpoolQueue(c.Instance.Name, c.Host), options)
	acts.RegisterSpool(own)

	var started []worker.Worker
	defer func() {
		drain(started, end, c.Limits.StopTimeout)
		if p.shared && ctx.Err() == nil { // the process goes on, and uses share and spool again
			runs.running.Wait()
		}
	}()
	for _, w := range slices.Concat(acts.SourceWorkers(temporalClient, options), acts.TargetWorkers(temporalClient, options), []worker.Worker{own, shared}) {
		if err := w.Start(); err != nil {
			return fault.New(fault.TemporalUnreachable, "the worker cannot poll its task queues", err)
		}
		started = append(started, w)
	}
	logger.Info("ready", "taskQueue", flow.Queue(c.Instance.Name), "spoolQueue", flow.SpoolQueue(c.Instance.Name, c.Host))
	ready()
	var watching sync.WaitGroup
	defer watching.Wait()
	watched, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watching.Go(func() { twin.watch(watched, logger) })
	select {
	case <-ctx.Done():
		logger.Info("draining", "timeout", c.Limits.StopTimeout)
		tell(p, "STOPPING=1", logger)
		return nil
	case err := <-fatal:
		return fault.New(fault.TemporalUnreachable, "the worker cannot go on polling", err)
	}
}

// drain takes up no new work, lets running activities go on for timeout, then ends
// their context and waits until they have reported.
func drain(workers []worker.Worker, end context.CancelFunc, timeout time.Duration) {
	timer := time.AfterFunc(timeout, end)
	defer timer.Stop()
	var stopped sync.WaitGroup
	for _, w := range workers {
		stopped.Go(w.Stop)
	}
	stopped.Wait()
}

// dialWithRetry tries again while Temporal does not answer, for startTimeout.
func dialWithRetry(ctx context.Context, o temporal.Options, logger *slog.Logger) (client.Client, error) {
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		c, err := temporal.Dial(waiting, o)
		if err == nil {
			return c, nil
		}
		if !fault.CodeOf(err).Retryable() {
			return nil, err
		}
		logger.Warn("Temporal does not answer yet", "error", err, "nextTry", pause)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-waiting.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// unlessAsked drops an error that only says that the worker was told to stop.
func unlessAsked(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func tell(p process, state string, logger *slog.Logger) {
	if err := notify(p.lookup, state); err != nil {
		logger.Warn("the service manager was not notified", "state", state, "error", err)
	}
}

// closing joins the error of a deferred close to the function's own.
func closing(err *error, doing string, end func() error) {
	if failed := end(); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("%s: %w", doing, failed))
	}
}
