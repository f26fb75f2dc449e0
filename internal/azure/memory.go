package azure

import (
	"context"
	"sync"

	"infrabackup/internal/fault"
)

// maxRemembered bounds what all captures of a stamp remember together: of a million
// resources that is about this much. What a stamp names without end would otherwise take
// the memory of everything else that the worker does.
const maxRemembered = 112 << 20

// Memory counts what one capture remembers of what a stamp named. It is safe for
// concurrent use. The nil Memory counts nothing.
type Memory struct {
	shared *budget

	mu   sync.Mutex
	held int64
}

// NewMemory begins to count for a capture. The caller calls [Memory.Release] at its end.
func (s *Stamp) NewMemory() *Memory { return &Memory{shared: &s.remembered} }

// Take counts n more bytes, or fewer when n is negative. Nothing is counted, and the
// error is a LIMIT_EXCEEDED fault, when the captures of the stamp would remember too
// much together.
func (m *Memory) Take(n int) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > 0 && !m.shared.take(int64(n)) {
		return fault.Newf(fault.LimitExceeded, "the stamp names more than can be remembered of it, which is %d MiB", maxRemembered>>20)
	}
	if n < 0 {
		m.shared.give(int64(-n))
	}
	m.held += int64(n)
	return nil
}

// Give counts n fewer bytes.
func (m *Memory) Give(n int) { _ = m.Take(-n) } // less is never refused

// Release gives everything back.
func (m *Memory) Release() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shared.give(m.held)
	m.held = 0
}

type memoryKey struct{}

// WithMemory makes [Client.Subscriptions] and [Client.Offers] count what they return.
// The caller gives it back when it forgets it.
func WithMemory(ctx context.Context, m *Memory) context.Context {
	return context.WithValue(ctx, memoryKey{}, m)
}

func memoryOf(ctx context.Context) *Memory {
	m, _ := ctx.Value(memoryKey{}).(*Memory)
	return m
}
