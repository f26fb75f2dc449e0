package blocksum

import (
	"context"
	"sync"
)

// Progress is how far a file has come that is still being written. One side moves it on,
// others wait for that. It may be used concurrently.
type Progress struct {
	mu      sync.Mutex
	changed chan struct{} // closed when there is more, then replaced
	end     int64
	ended   bool
	err     error
}

// NewProgress is of a file of which nothing is there yet.
func NewProgress() *Progress { return &Progress{changed: make(chan struct{})} }

// change does something that others may wait for, unless it is over.
func (p *Progress) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.err != nil {
		return
	}
	do()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Advance says that the bytes below end are there. A smaller end changes nothing.
func (p *Progress) Advance(end int64) { p.change(func() { p.end = max(p.end, end) }) }

// End says that all of the file is there, and how many bytes that is.
func (p *Progress) End(size int64) { p.change(func() { p.end, p.ended = size, true }) }

// Fail says that nothing more will come, and why. What has ended stays as it is.
func (p *Progress) Fail(err error) { p.change(func() { p.err = err }) }

// Wait returns how many bytes are there, once there are more than beyond or the file has
// ended, and whether it has. Its errors are those of [Progress.Fail], and of ctx.
func (p *Progress) Wait(ctx context.Context, beyond int64) (end int64, ended bool, err error) {
	for {
		p.mu.Lock()
		end, ended, err, changed := p.end, p.ended, p.err, p.changed
		p.mu.Unlock()
		if err != nil || ended || end > beyond {
			return end, ended, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return end, false, ctx.Err()
		}
	}
}

// Written is how many bytes are there.
func (p *Progress) Written() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end
}

// Ended returns the size of a file that has ended, and whether it has.
func (p *Progress) Ended() (size int64, ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end, p.ended
}
