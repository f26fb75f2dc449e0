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

// heart reports an activity's progress in the background, so that a long read or
// write does not look like a dead worker. That the work itself moves on is the
// concern of the timeouts below it.
type heart struct {
	service atomic.Value // backup.Service
	phase   atomic.Value // flow.Phase
	items   atomic.Int64
	bytes   atomic.Int64
	total   atomic.Int64
	end     context.CancelFunc
	wg      sync.WaitGroup
}

// heartKey finds the heart of an activity in its context.
type heartKey struct{}

// alive reports every activity as alive, with nothing to tell, until startHeart gives
// it something.
func alive(ctx context.Context) (context.Context, func()) {
	h := beginHeart(ctx)
	return context.WithValue(ctx, heartKey{}, h), h.stop
}

// startHeart says what an activity does from now on.
func startHeart(ctx context.Context, service backup.Service, phase flow.Phase, total int64) *heart {
	h, ok := ctx.Value(heartKey{}).(*heart)
	if !ok {
		h = beginHeart(ctx) // called without the wrapper, by a test
	}
	h.service.Store(service)
	h.enter(phase, total)
	return h
}

// beginHeart reports in the background until stop is called.
func beginHeart(ctx context.Context) *heart {
	beating, end := context.WithCancel(ctx)
	h := &heart{end: end}
	h.service.Store(backup.Service(""))
	h.phase.Store(flow.Phase(""))
	flow.Beat(ctx, h.now())
	h.wg.Go(func() {
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-ticker.C:
				flow.Beat(ctx, h.now())
			}
		}
	})
	return h
}

func (h *heart) now() flow.Heartbeat {
	return flow.Heartbeat{
		Service: h.service.Load().(backup.Service), Phase: h.phase.Load().(flow.Phase),
		Items: h.items.Load(), Bytes: h.bytes.Load(), TotalBytes: h.total.Load(),
	}
}

// enter moves on to another phase.
func (h *heart) enter(phase flow.Phase, total int64) {
	h.bytes.Store(0)
	h.total.Store(total)
	h.phase.Store(phase)
}

func (h *heart) stop() {
	h.end()
	h.wg.Wait()
}
