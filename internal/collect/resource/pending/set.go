package pending

import (
	"slices"
	"sync"

	"infrabackup/internal/compact"
)

// Set is what is pending. It holds the rule by which no short capture looks whole:
// whatever any answer of the stamp names, and every place that has to be asked, is captured, or fails the
// capture, or is named as a gap. It is kept apart from the code that reads lists and
// decides about them, so that a mistake there is an entry that stays open here.
//
// Of what is settled it remembers a digest of 16 bytes, of what is open the text. It may
// be used from several goroutines.
type Set struct {
	mu      sync.Mutex
	settled compact.Table[compact.Digest, bool] // false when it was taken back
	open    map[compact.Digest]string
	text    int // bytes of what is open
}

// Bytes is about how much memory it takes.
func (s *Set) Bytes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text + 64*len(s.open) + s.settled.Bytes()
}

// put and drop are called with mu held.
func (s *Set) put(at compact.Digest, what string) {
	if _, known := s.open[at]; !known {
		s.open[at] = what
		s.text += len(what)
	}
}

func (s *Set) drop(at compact.Digest) {
	s.text -= len(s.open[at])
	delete(s.open, at)
}

// New makes an empty set.
func New() *Set {
	return &Set{open: map[compact.Digest]string{}}
}

// Name notes that an answer named something. What is settled stays so.
func (s *Set) Name(what string) {
	at := compact.DigestOf(what)
	s.mu.Lock()
	defer s.mu.Unlock()
	if settled, _ := s.settled.Get(at); !settled {
		s.put(at, what)
	}
}

// Settle notes that something was captured, or is named as a gap, or belongs to another
// service.
func (s *Set) Settle(what string) {
	at := compact.DigestOf(what)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(at)
	s.settled.Put(at, true)
}

// Await notes that a place has to be asked. Unlike what is named, a place is asked again
// by every look.
func (s *Set) Await(place string) {
	at := compact.DigestOf(place)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(at, place)
}

// Answered notes that a place was asked, and that what came is accounted for.
func (s *Set) Answered(place string) {
	at := compact.DigestOf(place)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(at)
}

// Reopen takes back that something was settled.
func (s *Set) Reopen(what string) {
	at := compact.DigestOf(what)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled.Put(at, false)
	s.put(at, what)
}

// Left are the entries that are open, sorted.
func (s *Set) Left() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, 0, len(s.open))
	for _, what := range s.open {
		all = append(all, what)
	}
	slices.Sort(all)
	return all
}
