package resource

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"

	"infrabackup/internal/fault"
)

// digest is the beginning of a SHA-256: what is remembered of each address. Two of a
// hundred million addresses have the same one with a probability below 1e-22.
type digest [16]byte

func digestOf(text string) digest {
	sum := sha256.Sum256([]byte(text))
	return digest(sum[:16])
}

// ledger holds the rule by which no short capture looks whole: whatever any answer of
// the stamp names, and every place that has to be asked, is captured, or fails the
// capture, or is named as a gap. It is kept apart from the code that reads lists and
// decides about them, so that a mistake there is an entry that stays open here.
//
// Of what is settled it remembers 16 bytes, of what is open the text. It may be used
// from several goroutines.
type ledger struct {
	mu      sync.Mutex
	settled map[digest]struct{}
	open    map[digest]string
}

func newLedger() *ledger {
	return &ledger{settled: map[digest]struct{}{}, open: map[digest]string{}}
}

// name notes that an answer named something. What is settled stays so.
func (l *ledger) name(what string) {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.settled[at]; !ok {
		l.open[at] = what
	}
}

// settle notes that something was captured, or is named as a gap, or belongs to another
// service.
func (l *ledger) settle(what string) {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, at)
	l.settled[at] = struct{}{}
}

// isSettled reports whether something was settled.
func (l *ledger) isSettled(what string) bool {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.settled[at]
	return ok
}

// await notes that a place has to be asked. Unlike what is named, a place is asked anew
// by every look.
func (l *ledger) await(place string) {
	at := digestOf(place)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[at] = place
}

// answered notes that a place was asked, and that what came is accounted for.
func (l *ledger) answered(place string) {
	at := digestOf(place)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, at)
}

// reopen takes back that something was settled.
func (l *ledger) reopen(what string) {
	at := digestOf(what)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.settled, at)
	l.open[at] = what
}

// left are the entries that are open, sorted.
func (l *ledger) left() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]string, 0, len(l.open))
	for _, what := range l.open {
		all = append(all, what)
	}
	slices.Sort(all)
	return all
}

// balance is the end of every capture: SOURCE_INCOMPLETE when an entry is open.
func (w *Walk) balance() error {
	left := w.ledger.left()
	for at, m := range w.items {
		if m.most > m.weight && !m.confirmed && m.round != vanished {
			left = append(left, string(at.endpoint)+" "+at.id+" as a fuller document")
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	return fault.Newf(fault.SourceIncomplete, "the stamp named %d addresses that were neither captured nor refused: %s", len(left), clipped(shorten(left)))
}

// clipped keeps a text that the stamp had a part in short.
func clipped(text string) string {
	const most = 600
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return strings.Join(strings.Fields(text), " ")
}
