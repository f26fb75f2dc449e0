package stamp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"infrabackup/tests/lab/stamp/inventory"
)

// Entry is a request that wanted to change something, and what it was answered.
type Entry struct {
	Endpoint inventory.Endpoint // tenant, admin, or "vault"
	Host     string             // in lower case, without the port
	Method   string
	Path     string // as it came
	At       time.Time
	// Body is the SHA-256 of the request's body in hexadecimal digits, "" for none.
	Body   string
	Status int
	Code   string // of an error
	// Unheard says that the answer did not reach the client whole.
	Unheard bool
}

// journal is what was written, in the order in which it was answered.
type journal struct {
	mu  sync.Mutex
	all []Entry
}

// Writes are all requests so far that wanted to change something in the resource
// managers or vaults, refused ones among them. Nothing takes them away, so that tests
// can count what was sent twice and what was deleted. Those that only ask by POST, such
// as a key's backup, are among them.
func (s *Stamp) Writes() []Entry {
	s.journal.mu.Lock()
	defer s.journal.mu.Unlock()
	return slices.Clone(s.journal.all)
}

// note reads the body of a request that writes, and gives what adds it to the journal
// with its answer. Other requests give a function that does nothing.
func (s *Stamp) note(r *http.Request) func(a *answer, cut bool) {
	endpoint, _, _ := s.door(r)
	if endpoint == "" || r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return func(*answer, bool) {}
	}
	e := Entry{Endpoint: endpoint, Host: hostOf(r), Method: r.Method, Path: r.URL.Path, At: s.now()}
	body, err := io.ReadAll(r.Body)
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		e.Body = hex.EncodeToString(sum[:])
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil { // too large, or the client has gone: whoever reads it meets the same
		r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	}
	return func(a *answer, cut bool) {
		e.Unheard = cut
		if a != nil {
			e.Status = a.status
			var failure struct{ Error struct{ Code string } }
			if a.status >= 400 && json.Unmarshal(a.body, &failure) == nil {
				e.Code = failure.Error.Code
			}
		}
		s.journal.mu.Lock()
		defer s.journal.mu.Unlock()
		s.journal.all = append(s.journal.all, e)
	}
}

// failing is a reader that only fails.
type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Latency is how long answers take on their way, drawn between two times.
type Latency struct {
	From, To time.Duration
	// Match says which requests are slow, nil for all.
	Match func(*http.Request) bool
}

// Slow makes answers take their time until remove is called. The time is the machine's,
// whatever the stamp's clock says.
func (s *Stamp) Slow(l Latency) (remove func()) {
	s.latency.Store(&l)
	return func() { s.latency.CompareAndSwap(&l, nil) }
}

// linger waits as long as an answer takes, or until nobody wants it any more.
func (s *Stamp) linger(r *http.Request) {
	l := s.latency.Load()
	if l == nil || l.Match != nil && !l.Match(r) {
		return
	}
	wait := l.From
	if l.To > l.From {
		wait += time.Duration(randomBelow(uint64(l.To - l.From)))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	case <-s.done:
	}
}
