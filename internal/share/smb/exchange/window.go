package exchange

import (
	"errors"
	"fmt"
	"sync"
)

// maxInterims bounds the interim answers to one request. A server sends one
// (MS-SMB2 3.3.4.2); they carry no signature, so that others may have sent some.
const maxInterims = 8

// ErrEnded is the answer to whoever wants to send on a connection that has ended.
var ErrEnded = errors.New("the connection has ended")

// ShortError says that a server will not grant enough credits for a request: nothing
// is outstanding that could bring more.
type ShortError struct {
	Held, Needed int
}

// Error implements error.
func (e *ShortError) Error() string {
	return fmt.Sprintf("the server grants %d credits at most, a request needs %d", e.Held, e.Needed)
}

// Request is what counts of a request.
type Request struct {
	ID     uint64
	Charge uint16 // credits that it costs; 0 is taken for 1, as servers do
	Asked  uint16 // credits that it asks for
}

// outstanding is a request whose answer has not come.
type outstanding struct {
	Request
	interims []interim
}

// interim is an interim answer of which nobody knows yet whether the server sent it.
type interim struct {
	async   uint64
	credits uint16
}

// Window holds the outstanding requests of a connection and the credits that are left
// (MS-SMB2 3.2.4.1.2, 3.2.5.1.4). Its methods may be called concurrently.
type Window struct {
	mu      sync.Mutex
	changed sync.Cond
	held    int // granted, and not spent
	most    int // the largest held
	open    map[uint64]*outstanding
	ended   bool
}

// NewWindow begins with the one credit that every connection has (MS-SMB2 3.2.1.2).
func NewWindow() *Window {
	w := &Window{held: 1, most: 1, open: map[uint64]*outstanding{}}
	w.changed.L = &w.mu
	return w
}

// Spend takes a request's credits, and waits until there are enough. It fails with
// ErrEnded, or with a [ShortError] when nothing is outstanding and the request costs
// more than there is. A request of one credit then goes out all the same: the server
// has to leave its client one (MS-SMB2 3.3.1.2).
func (w *Window) Spend(r Request) error {
	need := max(1, int(r.Charge))
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.ended && w.held < need && len(w.open) > 0 {
		w.changed.Wait()
	}
	switch {
	case w.ended:
		return ErrEnded
	case w.held < need && need > 1:
		return &ShortError{Held: w.held, Needed: need}
	}
	w.held = max(0, w.held-need)
	w.open[r.ID] = &outstanding{Request: r}
	return nil
}

// Interim notes an interim answer. What it grants counts at once when it is genuine,
// being part of an encrypted message; otherwise when the final answer has the same
// AsyncId. It fails for a request that is not outstanding, and when there are too many.
func (w *Window) Interim(id, async uint64, granted uint16, genuine bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, ok := w.open[id]
	switch {
	case !ok:
		return fmt.Errorf("an interim answer to message %d, which is not outstanding", id)
	case len(o.interims) == maxInterims:
		return fmt.Errorf("more than %d interim answers to message %d", maxInterims, id)
	}
	if genuine {
		w.grant(int(granted))
		granted = 0
	}
	o.interims = append(o.interims, interim{async, granted})
	return nil
}

// Settle takes in the final answer to a request, with its AsyncId or 0, and returns the
// request, or says that it was not outstanding. What the interim answer before it had
// granted counts as far as the request could get it: what it asked for beyond its charge,
// or both together, as servers differ.
func (w *Window) Settle(id, async uint64, granted uint16) (Request, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, ok := w.open[id]
	if !ok {
		return Request{}, false
	}
	earlier := uint16(0)
	for _, i := range o.interims {
		if async != 0 && i.async == async {
			earlier = uint16(max(int(earlier), min(int(i.credits), int(o.Asked)+max(1, int(o.Charge)))))
		}
	}
	delete(w.open, id)
	w.grant(int(granted) + int(earlier))
	return o.Request, true
}

// grant adds credits. The lock is held.
func (w *Window) grant(credits int) {
	w.held += credits
	w.most = max(w.most, w.held)
	w.changed.Broadcast()
}

// Held tells how many credits are left.
func (w *Window) Held() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// Most tells how many credits were left at the best of times.
func (w *Window) Most() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

// End lets nothing more go out, and wakes up who waits for it.
func (w *Window) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.changed.Broadcast()
}
