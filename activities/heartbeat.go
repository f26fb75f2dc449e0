package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow"
)

// heartbeatInterval is how often progress is reported. The SDK sends fewer.
const heartbeatInterval = 2 * time.Second

// heart reports an activity's progress in the background, so that a long read or
// write does not look like a dead worker. That the work itself moves on is the
// concern of the time-outs below it.
type heart struct {
	service backup.Service
	phase   atomic.Value // flow.Phase
	items   atomic.Int64
	bytes   atomic.Int64
	total   atomic.Int64
	end     context.CancelFunc
	wg      sync.WaitGroup
}

// startHeart begins to report until stop is called.
func startHeart(ctx context.Context, service backup.Service, phase flow.Phase, total int64) *heart {
	beating, end := context.WithCancel(ctx)
	h := &heart{service: service, end: end}
	h.phase.Store(phase)
	h.total.Store(total)
	activity.RecordHeartbeat(ctx, h.now())
	h.wg.Go(func() {
		ticker := time.NewTicker(heartbeatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-ticker.C:
				activity.RecordHeartbeat(ctx, h.now())
			}
		}
	})
	return h
}

func (h *heart) now() flow.Heartbeat {
	return flow.Heartbeat{
		Service: h.service, Phase: h.phase.Load().(flow.Phase),
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
