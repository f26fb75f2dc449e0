package smb

import (
	"context"
	"sync"
	"time"
)

const (
	// maxControls is how many calls for names and small files one Store runs at once:
	// each waits for several round trips.
	maxControls = 8
	// maxIdle is how long an unused connection is trusted when there is a newer one:
	// firewalls forget those that are silent, and servers count them.
	maxIdle = 30 * time.Second
)

// pool holds connections that are used one call at a time, and bounds how many there
// are. The one that was used last is used next, so that no more are made than calls
// run at once.
type pool struct {
	slots chan struct{} // one for each connection in use

	mu   sync.Mutex
	idle []idleConnection // the one used last is last
}

type idleConnection struct {
	*connection
	since time.Time
}

func newPool(size int) *pool { return &pool{slots: make(chan struct{}, size)} }

// take returns a connection that [pool.give] gets back, nil when a new one is needed.
// Only the end of ctx is an error.
func (p *pool) take(ctx context.Context) (*connection, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropOld(time.Now())
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		c := p.idle[last].connection
		p.idle = p.idle[:last]
		if !c.dead() {
			return c, nil
		}
		c.close()
	}
	return nil, nil
}

// dropOld ends what was not needed for a while, without a word, since nobody waits for
// it. The newest stays: it is what a single caller works with.
func (p *pool) dropOld(now time.Time) {
	old := 0
	for old < len(p.idle)-1 && now.Sub(p.idle[old].since) > maxIdle {
		p.idle[old].fail(errFinished)
		old++
	}
	p.idle = append(p.idle[:0], p.idle[old:]...)
}

// give takes back what take gave out, or what was made in its stead; nil when that
// failed.
func (p *pool) give(c *connection) {
	if c != nil {
		p.mu.Lock()
		p.idle = append(p.idle, idleConnection{c, time.Now()})
		p.mu.Unlock()
	}
	<-p.slots
}

// close ends all connections. None may be in use.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ending sync.WaitGroup
	for _, c := range p.idle {
		ending.Go(c.close)
	}
	ending.Wait()
	p.idle = nil
}
