package recovery

import (
	"slices"
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/restore"
	"infrabackup/internal/secret"
)

// Bounds of what is held.
const (
	// HeldFor is how long the key of a plan's backup is held. A plan can be applied for longer.
	HeldFor = time.Hour
	// maxHeld and maxHeldEach bound of how many plans keys are held, of all callers and of each:
	// the oldest goes for a new one.
	maxHeld     = 48
	maxHeldEach = 8
	// maxKnown bounds the plans of which is remembered what they are of, without a key.
	maxKnown = 256
)

// heldKey is the key of the backup of a plan, for the caller who gave it. Its bytes are nowhere
// else for longer than a request takes, and are overwritten when it goes.
type heldKey struct {
	by         string
	run        string // that makes the plan, empty once its ID is known
	planID     string // empty while the plan is made
	kind       restore.Kind
	target     string
	backup     backup.ID
	recipients []string // public halves of the caller's own keys
	key        []byte
	until      time.Time
}

// known is what a plan of this process is of. None of it is secret from those who may read.
type known struct {
	planID string
	kind   restore.Kind
	backup backup.ID
	target string
}

// holder holds keys. It may be used concurrently.
type holder struct {
	now   func() time.Time
	after func(time.Duration, func()) (stop func() bool)

	mu    sync.Mutex
	keys  []*heldKey // oldest first
	known []known    // oldest first
	alarm func() bool
}

// hold takes a key over.
func (h *holder) hold(k *heldKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k.until = h.now().Add(HeldFor)
	h.drop(func(other *heldKey) bool { return k.planID != "" && other.planID == k.planID && other.by == k.by })
	for h.count(k.by) >= maxHeldEach {
		h.drop(first(func(other *heldKey) bool { return other.by == k.by }))
	}
	for len(h.keys) >= maxHeld {
		h.drop(first(func(*heldKey) bool { return true }))
	}
	h.keys = append(h.keys, k)
	h.wake()
}

// first picks the first of what fits.
func first(fits func(*heldKey) bool) func(*heldKey) bool {
	done := false
	return func(k *heldKey) bool {
		if done || !fits(k) {
			return false
		}
		done = true
		return true
	}
}

func (h *holder) count(by string) (n int) {
	for _, k := range h.keys {
		if k.by == by {
			n++
		}
	}
	return n
}

// drop wipes keys. The lock is held.
func (h *holder) drop(which func(*heldKey) bool) {
	h.keys = slices.DeleteFunc(h.keys, func(k *heldKey) bool {
		if !which(k) {
			return false
		}
		clear(k.key)
		return true
	})
}

// expire wipes what was held for long enough, and is called again when the next key has been.
func (h *holder) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake()
}

// wake drops what has expired, and sets the alarm for the next. The lock is held.
func (h *holder) wake() {
	now := h.now()
	h.drop(func(k *heldKey) bool { return !now.Before(k.until) })
	if h.alarm != nil {
		h.alarm()
		h.alarm = nil
	}
	if len(h.keys) > 0 { // the oldest is first, and all are held for as long
		h.alarm = h.after(h.keys[0].until.Sub(now), h.expire)
	}
}

// forget wipes the keys of a caller; of every caller when by is empty.
func (h *holder) forget(by string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(func(k *heldKey) bool { return by == "" || k.by == by })
	h.wake()
}

// lent is what is held of a plan, for one request.
type lent struct {
	backup     backup.ID
	recipients []string
	key        secret.Transfer
}

// find returns what is held for a caller of a plan.
func (h *holder) find(planID, by string) (lent, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake()
	for _, k := range h.keys {
		if k.planID == planID && k.by == by && planID != "" {
			return lent{k.backup, k.recipients, secret.NewTransfer(secret.New(string(k.key)))}, true
		}
	}
	return lent{}, false
}

// all are the keys of a caller by plan.
func (h *holder) all(by string) map[string]secret.Transfer {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake()
	out := map[string]secret.Transfer{}
	for _, k := range h.keys {
		if k.planID != "" && k.by == by {
			out[k.planID] = secret.NewTransfer(secret.New(string(k.key)))
		}
	}
	return out
}

// making are the runs that make plans for a caller, newest first.
func (h *holder) making(by string) (runs []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range slices.Backward(h.keys) {
		if k.run != "" && k.by == by {
			runs = append(runs, k.run)
		}
	}
	return runs
}

// made says which plan a run has made; the empty ID that it made none, so that its key goes.
func (h *holder) made(run, planID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.keys {
		if k.run == run && run != "" {
			if k.run, k.planID = "", planID; planID != "" {
				h.remember(known{planID, k.kind, k.backup, k.target})
			}
		}
	}
	h.drop(func(k *heldKey) bool { return k.run == "" && k.planID == "" })
	h.wake()
}

// note remembers what a plan is of.
func (h *holder) note(k known) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.remember(k)
}

// remember is note with the lock held.
func (h *holder) remember(k known) {
	for i, other := range h.known {
		if other.planID == k.planID {
			h.known[i] = k
			return
		}
	}
	if len(h.known) >= maxKnown {
		h.known = slices.Delete(h.known, 0, 1)
	}
	h.known = append(h.known, k)
}

// of tells what a plan is of.
func (h *holder) of(planID string) (known, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.known {
		if k.planID == planID {
			return k, true
		}
	}
	return known{}, false
}

// until is when the key of a plan goes that is held for a caller, the zero time when none is.
func (h *holder) until(planID, by string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake()
	for _, k := range h.keys {
		if k.planID == planID && k.by == by && planID != "" {
			return k.until
		}
	}
	return time.Time{}
}
