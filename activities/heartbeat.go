package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// heartbeatInterval is how often progress is reported. The SDK sends fewer.
const heartbeatInterval = 2 * time.Second

// heartbeater reports an activity's progress in the background, so that a long read or
// write does not look like a dead worker. That the work itself moves on is the
// concern of the timeouts below it.
type heartbeater struct {
	service atomic.Value // backup.Service
	phase   atomic.Value // flow.Phase
	items   atomic.Int64
	bytes   atomic.Int64
	total   atomic.Int64
	end     context.CancelFunc
	wg      sync.WaitGroup
}

// heartbeaterKey finds the heartbeater of an activity in its context.
type heartbeaterKey struct{}

// withHeartbeat reports every activity as alive, with nothing to tell, until startPhase gives
// it something.
func withHeartbeat(ctx context.Context) (context.Context, func()) {
	h := newHeartbeater(ctx)
	return context.WithValue(ctx, heartbeaterKey{}, h), h.stop
}

// startPhase reports what an activity does from now on.
func startPhase(ctx context.Context, service backup.Service, phase flow.Phase, total int64) *heartbeater {
	h, ok := ctx.Value(heartbeaterKey{}).(*heartbeater)
	if !ok {
		h = newHeartbeater(ctx) // called without the wrapper, by a test
	}
	h.service.Store(service)
	h.setPhase(phase, total)
	return h
}

// newHeartbeater reports in the background until stop is called.
func newHeartbeater(ctx context.Context) *heartbeater {
	running, end := context.WithCancel(ctx)
	h := &heartbeater{end: end}
	h.service.Store(backup.Service(""))
	h.phase.Store(flow.Phase(""))
	flow.Beat(ctx, h.now())
	h.wg.Go(func() {
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-running.Done():
				return
			case <-ticker.C:
				flow.Beat(ctx, h.now())
			}
		}
	})
	return h
}

func (h *heartbeater) now() flow.Heartbeat {
	return flow.Heartbeat{
		Service: h.service.Load().(backup.Service), Phase: h.phase.Load().(flow.Phase),
		Items: h.items.Load(), Bytes: h.bytes.Load(), TotalBytes: h.total.Load(),
	}
}

// setPhase moves on to another phase.
func (h *heartbeater) setPhase(phase flow.Phase, total int64) {
	h.bytes.Store(0)
	h.total.Store(total)
	h.phase.Store(phase)
}

// StartUpload implements [capture.Progress].
func (h *heartbeater) StartUpload(total int64) { h.setPhase(flow.PhaseUpload, total) }

// StartReadBack implements [capture.Progress].
func (h *heartbeater) StartReadBack(total int64) { h.setPhase(flow.PhaseReadBack, total) }

// SetBytes implements [capture.Progress].
func (h *heartbeater) SetBytes(done int64) { h.bytes.Store(done) }

// AddItem implements [capture.Progress].
func (h *heartbeater) AddItem() { h.items.Add(1) }

// countItem adds an item to what an activity reports.
func countItem(ctx context.Context) {
	if h, ok := ctx.Value(heartbeaterKey{}).(*heartbeater); ok {
		h.AddItem()
	}
}

func (h *heartbeater) stop() {
	h.end()
	h.wg.Wait()
}
