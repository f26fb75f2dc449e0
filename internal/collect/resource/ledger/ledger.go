package ledger

import (
	"slices"
	"sync"

	"infrabackup/internal/compact"
)

// Ledger holds the rule by which no short capture looks whole: whatever any answer of
// the stamp names, and every place that has to be asked, is captured, or fails the
// capture, or is named as a gap. It is kept apart from the code that reads lists and
// decides about them, so that a mistake there is an entry that stays open here.
//
// Of what is settled it remembers a digest of 16 bytes, of what is open the text. It may
// be used from several goroutines.
type Ledger struct {
	mu      sync.Mutex
	settled compact.Table[compact.Digest, bool] // false when it was taken back
	open    map[compact.Digest]string
	text    int // bytes of what is open
}

// Bytes is about how much memory it takes.
func (l *Ledger) Bytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text + 64*len(l.open) + l.settled.Bytes()
}

// put and drop are called with mu held.
func (l *Ledger) put(at compact.Digest, what string) {
	if _, known := l.open[at]; !known {
		l.open[at] = what
		l.text += len(what)
	}
}

func (l *Ledger) drop(at compact.Digest) {
	l.text -= len(l.open[at])
	delete(l.open, at)
}

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{open: map[compact.Digest]string{}}
}

// Name notes that an answer named something. What is settled stays so.
func (l *Ledger) Name(what string) {
	at := compact.DigestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	if settled, _ := l.settled.Get(at); !settled {
		l.put(at, what)
	}
}

// Settle notes that something was captured, or is named as a gap, or belongs to another
// service.
func (l *Ledger) Settle(what string) {
	at := compact.DigestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(at)
	l.settled.Put(at, true)
}

// Await notes that a place has to be asked. Unlike what is named, a place is asked again
// by every look.
func (l *Ledger) Await(place string) {
	at := compact.DigestOf(place)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(at, place)
}

// Answered notes that a place was asked, and that what came is accounted for.
func (l *Ledger) Answered(place string) {
	at := compact.DigestOf(place)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(at)
}

// Reopen takes back that something was settled.
func (l *Ledger) Reopen(what string) {
	at := compact.DigestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled.Put(at, false)
	l.put(at, what)
}

// Left are the entries that are open, sorted.
func (l *Ledger) Left() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]string, 0, len(l.open))
	for _, what := range l.open {
		all = append(all, what)
	}
	slices.Sort(all)
	return all
}
