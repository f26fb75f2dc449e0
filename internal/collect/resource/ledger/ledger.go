package ledger

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// digest is the beginning of a SHA-256: what is remembered of each address. Two of a
// hundred million addresses have the same one with a probability below 1e-22.
type digest [16]byte

func digestOf(text string) digest {
	sum := sha256.Sum256([]byte(text))
	return digest(sum[:16])
}

// Ledger holds the rule by which no short capture looks whole: whatever any answer of
// the stamp names, and every place that has to be asked, is captured, or fails the
// capture, or is named as a gap. It is kept apart from the code that reads lists and
// decides about them, so that a mistake there is an entry that stays open here.
//
// Of what is settled it remembers a digest of 16 bytes, which is about 32 with the map,
// of what is open the text. It may be used from several goroutines.
type Ledger struct {
	mu      sync.Mutex
	settled map[digest]struct{}
	open    map[digest]string
	text    int // bytes of what is open
}

// Bytes is about how much memory it takes.
func (l *Ledger) Bytes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text + 64*len(l.open) + 32*len(l.settled)
}

// put and drop are called with mu held.
func (l *Ledger) put(at digest, what string) {
	if _, known := l.open[at]; !known {
		l.open[at] = what
		l.text += len(what)
	}
}

func (l *Ledger) drop(at digest) {
	l.text -= len(l.open[at])
	delete(l.open, at)
}

// New makes an empty ledger.
func New() *Ledger {
	return &Ledger{settled: map[digest]struct{}{}, open: map[digest]string{}}
}

// Name notes that an answer named something. What is settled stays so.
func (l *Ledger) Name(what string) {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.settled[at]; !ok {
		l.put(at, what)
	}
}

// Settle notes that something was captured, or is named as a gap, or belongs to another
// service.
func (l *Ledger) Settle(what string) {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(at)
	l.settled[at] = struct{}{}
}

// Await notes that a place has to be asked. Unlike what is named, a place is asked anew
// by every look.
func (l *Ledger) Await(place string) {
	at := digestOf(place)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(at, place)
}

// Answered notes that a place was asked, and that what came is accounted for.
func (l *Ledger) Answered(place string) {
	at := digestOf(place)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(at)
}

// Reopen takes back that something was settled.
func (l *Ledger) Reopen(what string) {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.settled, at)
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
