package pace

import (
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/board"
)

// Rate is how a service moved lately.
type Rate struct {
	PerSecond int64     // bytes
	Moved     time.Time // when something last changed, the last sign of life
}

// Pace measures rates from one snapshot to the next.
type Pace struct {
	mu     sync.Mutex
	run    backup.ID
	number int64
	last   map[string]sample
}

type sample struct {
	phase        string
	bytes, items int64
	at           time.Time
	rate         Rate
}

// Observe notes a snapshot and returns the rates as of it.
func (p *Pace) Observe(s *board.Snapshot, now time.Time) map[string]Rate {
	p.mu.Lock()
	defer p.mu.Unlock()
	rates := map[string]Rate{}
	if s == nil || s.Running == nil {
		p.last = nil
		return rates
	}
	if p.last == nil || p.run != s.Running.BackupID {
		p.run, p.last, p.number = s.Running.BackupID, map[string]sample{}, -1
	}
	at := s.AsOf
	if at.IsZero() {
		at = now
	}
	for _, service := range s.Running.Services {
		name := string(service.Service)
		before, known := p.last[name]
		next := sample{phase: string(service.Phase), bytes: service.Bytes, items: service.Items, at: at, rate: before.rate}
		switch {
		case !known:
			next.rate.Moved = at
		case s.Number <= p.number:
			next = before
		case before.phase != next.phase:
			next.rate = Rate{Moved: at}
		case before.bytes != next.bytes || before.items != next.items:
			next.rate.Moved = at
			if seconds := at.Sub(before.at).Seconds(); seconds > 0 && next.bytes > before.bytes {
				next.rate.PerSecond = int64(float64(next.bytes-before.bytes) / seconds)
			}
		default:
			next.rate.PerSecond = 0
		}
		p.last[name] = next
		rates[name] = next.rate
	}
	p.number = max(p.number, s.Number)
	return rates
}
