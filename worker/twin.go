package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"

	"infrabackup/internal/config"
	"infrabackup/internal/flow"
)

// twinInterval is how often it is asked who else serves this host's queue. Temporal hears
// of a worker about once a minute.
const twinInterval = 30 * time.Second

// twins notices another worker with the same host name. Such a worker is asked for what
// only this one has in its spool, and the other way round.
type twins struct {
	// describe lists who polls the host's queue, with the time when they last began to.
	describe func(ctx context.Context) ([]*taskqueuepb.PollerInfo, error)
	self     string // identity under which this process polls it

	mu    sync.Mutex
	since time.Time // when this process was first seen there, by the server's clock
	found string
}

// newTwins watches the queue of the configuration's host.
func newTwins(c client.Client, w *config.Worker) *twins {
	queue := flow.SpoolQueue(w.Instance.Name, w.Host)
	machine, err := os.Hostname()
	if err != nil {
		machine = "unknown"
	}
	return &twins{
		self: fmt.Sprintf("%s@%s, process %d on %s, %s", product, w.Host, os.Getpid(), machine, rand.Text()[:8]),
		describe: func(ctx context.Context) ([]*taskqueuepb.PollerInfo, error) {
			answer, err := c.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY)
			return answer.GetPollers(), err
		},
	}
}

// look returns the identity of another process that has polled the queue since this one
// does, empty for none. One that polled before may have ended: Temporal remembers it for
// some minutes.
func (t *twins) look(ctx context.Context) (string, error) {
	pollers, err := t.describe(ctx)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range pollers {
		if at := p.GetLastAccessTime().AsTime(); p.GetIdentity() == t.self && t.since.IsZero() {
			t.since = at
		}
	}
	t.found = ""
	for _, p := range pollers {
		if p.GetIdentity() != t.self && !t.since.IsZero() && p.GetLastAccessTime().AsTime().After(t.since) {
			t.found = p.GetIdentity()
		}
	}
	return t.found, nil
}

// watch warns of each other process once, until ctx ends.
func (t *twins) watch(ctx context.Context, logger *slog.Logger) {
	ticker := time.NewTicker(twinInterval)
	defer ticker.Stop()
	warned := map[string]bool{}
	for {
		// What cannot be asked now is asked again.
		if other, err := t.look(ctx); err == nil && other != "" && !warned[other] && len(warned) < 100 {
			warned[other] = true
			logger.Warn("another worker has the same host name: give each its own (host in the configuration), because each may be asked for what only the other one has in its spool", "other", other)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
