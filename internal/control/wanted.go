package control

import (
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/schedule"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// Wanted is a change of several settings at once, as one revision, or the first settings.
// What is nil or empty stays as it is.
type Wanted struct {
	Share      *settings.Share // without a transport, the one that is active stays
	Username   string
	Password   secret.String // empty keeps the one in use
	Recipients []seal.Recipient
	// Proofs show that holders of some of the Recipients have answered challenges already, so
	// that these keys are proven from the moment they are in use.
	Proofs []seal.Proof
	// SchedulePatch is merged with the schedule that is set when it is done.
	SchedulePatch schedule.Patch
	RequestedBy   string
	// First wants these to be the first settings: ALREADY_ENABLED when others are active.
	First bool
	// Instance and Services are for the first settings only.
	Instance backup.Instance
	Services []backup.Service
}

// checkProofs wants proofs of keys that are wanted, for this instance. PROOF_REFUSED otherwise.
func (w Wanted) checkProofs(instance string) error {
	for _, p := range w.Proofs {
		if !slices.ContainsFunc(w.Recipients, func(r seal.Recipient) bool { return p.Of(r.Fingerprint, instance) }) {
			return fault.Newf(fault.ProofRefused, "a proof is of none of the keys that instance %s is to use", instance)
		}
	}
	return nil
}

// scheduleAlone reports whether the schedule is all that is to change.
func (w Wanted) scheduleAlone() bool {
	return w.Share == nil && w.Username == "" && w.Password.IsZero() && len(w.Recipients) == 0
}

// scheduleOver is what the schedule is to become, nil when it stays as it is. A schedule that
// was never set is the usual one.
func (w Wanted) scheduleOver(now schedule.Setting) (*schedule.Setting, error) {
	if w.SchedulePatch == (schedule.Patch{}) {
		return nil, nil
	}
	if now == (schedule.Setting{}) {
		now = schedule.Default()
	}
	next := w.SchedulePatch.Over(now)
	if next == now {
		return nil, nil
	}
	return &next, next.Validate()
}

// Begun is an operation that was begun.
type Begun struct {
	ID string `json:"id"` // the run's, or the backup's
	// Unchanged says that what was wanted is so already: nothing was begun.
	Unchanged bool `json:"unchanged,omitempty"`
	// Schedule is what the schedule becomes, nil when it stays as it is; of what was set
	// already, what it is.
	Schedule *schedule.Setting `json:"-"`
}
