package stamp

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is a way to misbehave.
type FaultKind int

// The kinds. Those of lists change a page; where they could change nothing (a first
// page cannot repeat the one before it) they wait for a page that they can change.
const (
	// InternalError answers 500.
	InternalError FaultKind = iota
	// Unavailable answers 503, with Retry-After if the fault has one.
	Unavailable
	// Throttled answers 429 with Retry-After.
	Throttled
	// Hang answers nothing until the client gives up or the stamp is closed.
	Hang
	// HalfBody promises the whole body and cuts the connection in its middle.
	HalfBody
	// TruncatedBody is whole HTTP whose JSON ends in its middle.
	TruncatedBody
	// RepeatPage gives the elements of the page before, with its own next link.
	RepeatPage
	// LoopPage gives a next link to the same page.
	LoopPage
	// ShiftPage leaves out the element at the border to the page before, as if it had
	// moved there after that page was read.
	ShiftPage
	// DuplicateID gives one element twice.
	DuplicateID
	// UnknownField adds a member that no definition has, to the answer and to each
	// element of a page.
	UnknownField
	// HugeItem adds a member of Size MiB to the first element of a page or to a document.
	HugeItem
	// ExpiredToken ends the token that the request came with: 401 until a new one is used.
	ExpiredToken
	// Forbidden answers 403 AuthorizationFailed, naming action and scope.
	Forbidden
	// ForeignNextLink gives a next link to https://evil.example/.
	ForeignNextLink
	// Rewrite sends what Mutate makes of the body.
	Rewrite
	// Refusal answers Status in the words of a vault, with Inner for its inner code: what
	// vaults other than the stand-in's may refuse.
	Refusal
	// Instead answers Status with Body, which may be empty.
	Instead
	// LostAnswer does what the request wants and cuts the connection without an answer.
	LostAnswer
	// FailedOperation takes a PUT or DELETE whose work is long-running, and ends the work
	// with a failure, whose code is Inner.
	FailedOperation
)

// Fault is a misbehaviour for some requests.
type Fault struct {
	// Match says which requests, nil for all. It may be called several times for one.
	Match func(*http.Request) bool
	// After is how many of them are spared first; Times is how many are then struck, 0
	// for all.
	After, Times int
	Kind         FaultKind
	// RetryAfter is rounded up to seconds; Throttled without it says 1.
	RetryAfter time.Duration
	// Size is HugeItem's, in MiB.
	Size int
	// Mutate is Rewrite's. It gets a copy.
	Mutate func(body []byte) []byte
	// Status and Inner are Refusal's.
	Status int
	Inner  string
	// Status and Body are Instead's.
	Body []byte
}

// injected is a fault at work.
type injected struct {
	Fault
	seen, struck int
}

// faults are those at work, oldest first.
type faults struct {
	mu  sync.Mutex
	all []*injected
}

// Inject puts a fault to work until remove is called.
func (s *Stamp) Inject(f Fault) (remove func()) {
	i := &injected{Fault: f}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.all = append(s.faults.all, i)
	return func() {
		s.faults.mu.Lock()
		defer s.faults.mu.Unlock()
		s.faults.all = slices.DeleteFunc(s.faults.all, func(o *injected) bool { return o == i })
	}
}

// strike counts a request and gives the faults of the given kinds that hit it.
func (f *faults) strike(r *http.Request, kinds ...FaultKind) []Fault {
	f.mu.Lock()
	candidates := slices.Clone(f.all)
	f.mu.Unlock()
	var hit []Fault
	for _, i := range candidates {
		if !slices.Contains(kinds, i.Kind) || i.Match != nil && !i.Match(r) {
			continue
		}
		f.mu.Lock()
		if i.seen++; i.seen > i.After && (i.Times == 0 || i.struck < i.Times) {
			i.struck++
			hit = append(hit, i.Fault)
		}
		f.mu.Unlock()
	}
	return hit
}

// before are the faults that come before the stamp thinks. Without an answer and
// without a cut the request goes on.
func (s *Stamp) before(r *http.Request) (a *answer, cut bool) {
	kinds := []FaultKind{InternalError, Unavailable, Throttled, Hang, Forbidden, Refusal, Instead}
	if bearer(r) != "" {
		kinds = append(kinds, ExpiredToken)
	}
	for _, f := range s.faults.strike(r, kinds...) {
		switch f.Kind {
		case InternalError:
			return fail(http.StatusInternalServerError, "InternalServerError", "The server encountered an internal error. Please retry the request."), false
		case Unavailable:
			a := fail(http.StatusServiceUnavailable, "ServerUnavailable", "The server is busy.")
			if f.RetryAfter > 0 {
				a.with("Retry-After", seconds(f.RetryAfter))
			}
			return a, false
		case Throttled:
			return fail(http.StatusTooManyRequests, "TooManyRequests", "The request is being throttled.").with("Retry-After", seconds(max(f.RetryAfter, time.Second))), false
		case Hang:
			select {
			case <-r.Context().Done():
			case <-s.done:
			}
			return nil, true
		case ExpiredToken:
			s.identity.expire(bearer(r))
		case Forbidden:
			return s.forbidden(r), false
		case Instead:
			return document(f.Status, f.Body), false
		case Refusal:
			refused := map[string]any{"code": "Refused", "message": "The operation is not allowed."}
			if f.Inner != "" {
				refused["innererror"] = map[string]any{"code": f.Inner}
			}
			return object(f.Status, map[string]any{"error": refused}), false
		}
	}
	return nil, false
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// forbidden refuses a request as the host that it is for would.
func (s *Stamp) forbidden(r *http.Request) *answer {
	access, scope := s.access(r)
	t, _ := s.identity.lookup(bearer(r))
	if access.Endpoint == audienceVault {
		return vaultForbidden("The user, group or application 'appid="+t.client+"' does not have "+access.Action+" permission on key vault '"+scope+"'.", "AccessDenied")
	}
	return fail(http.StatusForbidden, "AuthorizationFailed", fmt.Sprintf(
		"The client '%s' with object id '%[1]s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.",
		t.client, access.Action, scope))
}

// after are the faults of whole answers.
func (s *Stamp) after(r *http.Request, a *answer) (cut bool) {
	if a.status >= http.StatusMultipleChoices || len(a.body) == 0 {
		return false
	}
	kinds := []FaultKind{HalfBody, TruncatedBody, Rewrite}
	if !a.page && a.body[0] == '{' {
		kinds = append(kinds, UnknownField, HugeItem)
	}
	for _, f := range s.faults.strike(r, kinds...) {
		switch f.Kind {
		case HalfBody:
			cut = true
		case TruncatedBody:
			a.body = a.body[:len(a.body)/2]
		case Rewrite:
			a.body = f.Mutate(bytes.Clone(a.body))
		case UnknownField:
			a.body = withMember(a.body, unknownField)
		case HugeItem:
			a.body = withMember(a.body, padding(f.Size))
		}
	}
	return cut
}

// unknownField is a member that no definition has.
const unknownField = `"x-notInAnyDefinition":{"since":2030,"values":[1,"two",null]}`

// padding is a member of n MiB.
func padding(n int) string { return `"padding":"` + strings.Repeat("0123456789abcdef", n<<16) + `"` }

// withMember puts a member before all others of a JSON object.
func withMember(object []byte, member string) []byte {
	if len(object) < 2 || object[0] != '{' {
		return object
	}
	out := append(make([]byte, 0, len(object)+len(member)+2), '{')
	out = append(out, member...)
	if rest := bytes.TrimLeft(object[1:], " \t\r\n"); rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, object[1:]...)
}

// observers are told of each request before it is answered.
type observers struct {
	mu  sync.RWMutex
	all []*func(*http.Request)
}

// Observe calls fn before each request is answered, with no lock held, so that fn may
// change what the stamp holds. It must not read the request's body.
func (s *Stamp) Observe(fn func(*http.Request)) (remove func()) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.all = append(s.watch.all, &fn)
	return func() {
		s.watch.mu.Lock()
		defer s.watch.mu.Unlock()
		s.watch.all = slices.DeleteFunc(s.watch.all, func(o *func(*http.Request)) bool { return o == &fn })
	}
}

func (o *observers) tell(r *http.Request) {
	o.mu.RLock()
	all := slices.Clone(o.all)
	o.mu.RUnlock()
	for _, fn := range all {
		(*fn)(r)
	}
}
