package stamp

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
	"infrabackup/tests/lab/stamp/provider"
)

// operations are the long-running ones.
type operations struct {
	mu    sync.Mutex
	delay time.Duration
	byID  map[string]*operation
	order []string
	// busy are those whose resource is not ready, by endpoint and lower-case path.
	busy map[string]*operation
}

// operation is the work on one resource. It is done once its time has come and somebody
// has seen that it was not: so that a client that does not wait is found out.
type operation struct {
	id       string
	endpoint inventory.Endpoint
	path     string // lower-case path of the resource
	ready    time.Time
	seen     bool
	done     bool
	failure  *provider.Refusal
	gone     func() // what a deletion does at its end
}

// maxOperations bounds how many are remembered.
const maxOperations = 1000

// SetDelay sets how long long-running operations take from now on by the stamp's clock,
// at first no time. However short it is, the first look at one, or at its resource,
// finds it at work.
func (s *Stamp) SetDelay(d time.Duration) {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	s.work.delay = d
}

// begin starts an operation on a resource. gone is what it does at its end, if it
// deletes.
func (s *Stamp) begin(q *request, failure *provider.Refusal, gone func()) *operation {
	w := &s.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID, w.busy = map[string]*operation{}, map[string]*operation{}
	}
	o := &operation{id: newGUID(), endpoint: q.endpoint, path: q.place.path, ready: s.now().Add(w.delay), failure: failure, gone: gone}
	w.byID[o.id] = o
	if gone == nil || w.delay > 0 {
		w.busy[string(o.endpoint)+o.path] = o
	}
	if w.order = append(w.order, o.id); len(w.order) > maxOperations {
		delete(w.byID, w.order[0])
		w.order = w.order[1:]
	}
	return o
}

// address is where an operation is asked for.
func (s *Stamp) address(q *request, o *operation, kind string) string {
	scope := ""
	if q.place.sub != "" {
		scope = "/subscriptions/" + q.place.sub
	}
	return "https://" + q.Host + scope + "/providers/Microsoft.Compute/locations/" + s.location() + "/" + kind + "/" + o.id + "?api-version=2020-06-01"
}

// announced adds the headers of an operation to an answer.
func (s *Stamp) announced(q *request, a *answer, o *operation) *answer {
	a.with("Azure-AsyncOperation", s.address(q, o, "operations"))
	if a.status == http.StatusAccepted {
		a.with("Location", s.address(q, o, "operationResults"))
	}
	return s.later(a)
}

// later says when to ask again: Retry-After knows whole seconds only.
func (s *Stamp) later(a *answer) *answer {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	ms := max(s.work.delay.Milliseconds(), 1)
	return a.with("Retry-After", strconv.FormatInt((ms+999)/1000, 10)).with("Retry-After-Ms", strconv.FormatInt(ms, 10))
}

// look notes that somebody has asked for a resource.
func (s *Stamp) look(q *request) {
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	if o := s.work.busy[string(q.endpoint)+q.place.path]; o != nil {
		o.seen = true
	}
}

// settle ends the operations whose time has come and that were seen at work.
func (s *Stamp) settle() {
	s.work.mu.Lock()
	var due []*operation
	now := s.now()
	for key, o := range s.work.busy {
		if o.seen && !now.Before(o.ready) {
			due = append(due, o)
			delete(s.work.busy, key)
		}
	}
	s.work.mu.Unlock()
	for _, o := range due {
		s.finish(o)
	}
}

// finish does what an operation does at its end.
func (s *Stamp) finish(o *operation) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.end(o)
}

// end is finish for who holds Stamp.writing.
func (s *Stamp) end(o *operation) {
	switch {
	case o.failure != nil:
		provider.Failed(s.stock(o.endpoint), o.path)
	case o.gone != nil:
		o.gone()
	default:
		provider.SetState(s.stock(o.endpoint), o.path, "Succeeded")
	}
	s.work.mu.Lock()
	defer s.work.mu.Unlock()
	o.done = true
}

// atWork refuses a write to a resource that is not ready; one whose time has come is
// finished first. The caller holds Stamp.writing.
func (s *Stamp) atWork(q *request) *answer {
	key := string(q.endpoint) + q.place.path
	s.work.mu.Lock()
	o := s.work.busy[key]
	if o != nil && !s.now().Before(o.ready) {
		delete(s.work.busy, key)
	}
	s.work.mu.Unlock()
	if o == nil {
		return nil
	}
	if s.now().Before(o.ready) {
		return s.later(fail(http.StatusConflict, "AnotherOperationInProgress", "Another operation on this or dependent resource is in progress: '"+q.place.path+"'."))
	}
	s.end(o)
	return nil
}

// operationStatus answers how far an operation is; of operationResults, with the status
// alone until it is done.
func (s *Stamp) operationStatus(q *request, result bool) *answer {
	s.work.mu.Lock()
	o := s.work.byID[q.place.name]
	if o == nil {
		s.work.mu.Unlock()
		return notFound(q.place, q.row)
	}
	first := !o.seen
	o.seen = true
	working := first || s.now().Before(o.ready)
	key := string(o.endpoint) + o.path
	unfinished := !working && !o.done
	if unfinished && s.work.busy[key] == o {
		delete(s.work.busy, key)
	}
	s.work.mu.Unlock()
	if unfinished {
		s.finish(o)
	}
	switch {
	case working && result:
		return s.later(&answer{status: http.StatusAccepted}).with("Location", "https://"+q.Host+q.URL.RequestURI())
	case working:
		return s.later(object(http.StatusOK, map[string]any{"name": o.id, "status": "InProgress"}))
	case o.failure != nil && result:
		return fail(o.failure.Status, o.failure.Code, o.failure.Message)
	case o.failure != nil:
		return object(http.StatusOK, map[string]any{"name": o.id, "status": "Failed", "error": map[string]any{"code": o.failure.Code, "message": o.failure.Message}})
	case !result:
		return object(http.StatusOK, map[string]any{"name": o.id, "status": "Succeeded"})
	}
	if e := s.shelves[o.endpoint].get(o.path); e != nil {
		return document(http.StatusOK, e.doc.Body)
	}
	return &answer{status: http.StatusNoContent}
}
