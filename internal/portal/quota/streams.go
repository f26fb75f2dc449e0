package quota

import "sync"

// How many streams may be open at once, those of all and those of one person.
const (
	MaxStreams        = 64 // of all
	StreamsPerSubject = 8  // of one person
)

// Streams counts those that are open.
type Streams struct {
	mu   sync.Mutex
	all  int
	open map[string]int // by subject
}

// NewStreams returns a count of none.
func NewStreams() *Streams { return &Streams{open: map[string]int{}} }

// Open counts a stream of a person until end is called; false when it is one too many.
func (s *Streams) Open(subject string) (end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= MaxStreams || s.open[subject] >= StreamsPerSubject {
		return nil, false
	}
	s.all++
	s.open[subject]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.open[subject]--; s.open[subject] == 0 {
			delete(s.open, subject)
		}
	}, true
}
