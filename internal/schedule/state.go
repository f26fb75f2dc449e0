package schedule

import (
	"fmt"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Grace is how long after its slot a backup may start before it is late.
const Grace = time.Hour

// maxMissed bounds the count of what was missed, so that it cannot overflow.
const maxMissed = 1 << 40

// maxText bounds what is remembered of why a slot was skipped, in characters.
const maxText = 500

// Outcome is what came of a slot.
type Outcome string

// Outcomes of a slot.
const (
	Started Outcome = "started" // a backup was started
	Skipped Outcome = "skipped" // none was, and the code says why
)

// State is the setting, the grid of its slots and what came of the newest one. The zero
// value was never switched on.
type State struct {
	Setting
	Anchor    time.Time `json:"anchor,omitzero"` // slots lie whole frequencies from it
	Since     time.Time `json:"since,omitzero"`  // only slots after it count: when it was last switched or its frequency changed
	ChangedAt time.Time `json:"changedAt,omitzero"`
	ChangedBy string    `json:"changedBy,omitempty"`
	Slot      time.Time `json:"slot,omitzero"`      // newest slot that was claimed
	Outcome   Outcome   `json:"outcome,omitempty"`  // what came of it
	Code      string    `json:"code,omitempty"`     // why it was skipped, or what did not keep it from being started
	Message   string    `json:"message,omitempty"`  // the same in words
	BackupID  backup.ID `json:"backupId,omitempty"` // that was started
	Missed    int64     `json:"missed,omitempty"`   // slots before Since, or up to Slot, that were skipped or never claimed since the newest that was started
	// Unstarted is what has to be added to Missed when the backup of Slot could not be started
	// after all. It is of no meaning to others.
	Unstarted int64 `json:"unstarted,omitempty"`

	Realigned     time.Time `json:"realigned,omitzero"`     // when a new grid was begun because a clock was set back
	RealignedFrom time.Time `json:"realignedFrom,omitzero"` // what lay too far in the future then
}

// period is the time between two slots in seconds, 0 when there is no grid.
func (s State) period() int64 {
	if s.Anchor.IsZero() || s.FrequencyHours < MinFrequencyHours || s.FrequencyHours > MaxFrequencyHours {
		return 0
	}
	return int64(s.FrequencyHours) * 3600
}

// number is that of the newest slot at or before t, counted from the anchor, which may lie
// after t. It counts in seconds, because a time.Duration ends after 292 years.
func (s State) number(t time.Time) int64 {
	period := s.period()
	seconds := t.Unix() - s.Anchor.Unix()
	if t.Nanosecond() < s.Anchor.Nanosecond() {
		seconds--
	}
	n := seconds / period
	if seconds%period < 0 {
		n--
	}
	return n
}

// at is the slot of a number.
func (s State) at(number int64) time.Time {
	return time.Unix(s.Anchor.Unix()+number*s.period(), int64(s.Anchor.Nanosecond())).UTC()
}

// passed is the number of slots after one time, up to and with another.
func (s State) passed(after, until time.Time) int64 {
	if s.period() == 0 || !until.After(after) {
		return 0
	}
	return s.number(until) - s.number(after)
}

// base is the time up to which everything is settled: only slots after it count.
func (s State) base() time.Time {
	base := s.Since
	if base.IsZero() {
		base = s.Anchor
	}
	if s.Slot.After(base) {
		base = s.Slot
	}
	return base
}

// With is the state after an operator has set something. The grid stays as it is unless
// the frequency changes or there is none yet. A setting that is the same changes nothing.
func (s State) With(next Setting, now time.Time, by string) State {
	if next == s.Setting {
		return s
	}
	now = now.UTC()
	begins := now.Truncate(time.Second)
	open := int64(0) // slots that passed and were not claimed
	if s.Enabled && !s.ClockMoved(now) {
		open = s.passed(s.base(), now)
	}
	out := s
	out.Setting, out.ChangedAt, out.ChangedBy = next, now, by
	switch {
	case next.FrequencyHours != s.FrequencyHours && !s.Anchor.IsZero(), next.Enabled && s.Anchor.IsZero():
		out.Anchor, out.Since = begins, begins
		if next.Enabled && open > 0 { // the one that is due is not lost
			out.Since = begins.Add(-time.Second)
			open--
		}
	case next.Enabled != s.Enabled && !s.Anchor.IsZero():
		out.Since = begins
	default:
		return out
	}
	out.Missed = missed(s.Missed, open)
	return out
}

// missed adds to a count of missed slots, within its bounds.
func missed(count, more int64) int64 {
	return min(max(count, 0)+min(max(more, 0), maxMissed), maxMissed)
}

// ClockMoved reports whether the newest claimed slot, or the moment from which on slots
// count, lies in the future by more than one frequency: a clock was set back.
func (s State) ClockMoved(now time.Time) bool {
	period := s.period()
	if period == 0 {
		return false
	}
	return s.base().Unix()-now.Unix() > period
}

// Realign is the state with a new grid that begins now, with a slot that is due at once.
// It is for a clock that was set back, and leaves any other state as it is.
func (s State) Realign(now time.Time) State {
	if !s.ClockMoved(now) {
		return s
	}
	out := s
	out.RealignedFrom = s.base().UTC()
	out.Anchor = now.UTC().Truncate(time.Second)
	out.Realigned = out.Anchor
	out.Since = out.Anchor.Add(-time.Second)
	out.Slot, out.Outcome, out.Code, out.Message, out.BackupID, out.Unstarted = time.Time{}, "", "", "", "", 0
	return out
}

// Next is the next slot after now, also of a schedule that is paused; zero when it was
// never switched on. A slot that is due now is none that comes next.
func (s State) Next(now time.Time) time.Time {
	s = s.Realign(now)
	if s.period() == 0 {
		return time.Time{}
	}
	if base := s.base(); base.After(now) { // a clock was set back a little
		now = base
	}
	return s.at(s.number(now) + 1)
}

// Due returns the newest slot that has come and was not claimed yet.
func (s State) Due(now time.Time) (slot time.Time, due bool) {
	s = s.Realign(now)
	if !s.Enabled || s.passed(s.base(), now) == 0 {
		return time.Time{}, false
	}
	return s.at(s.number(now)), true
}

// Claim is the state after a slot was taken, for the one backup that is started for it or
// for none. The same claim again changes nothing. A claim that skips the slot and names the backup
// that it was taken for says that this could not be started. Any other claim of a slot that is not
// due is refused with [fault.SettingsChanged].
//
// Where a clock was set back, the slot is the time that Due was asked for: one that is no
// older than Grace begins the new grid.
func (s State) Claim(slot, now time.Time, outcome Outcome, id backup.ID, code, message string) (State, error) {
	switch {
	case outcome != Started && outcome != Skipped:
		return s, fault.Newf(fault.Internal, "a slot of the schedule cannot end as %.20q", string(outcome))
	case outcome == Started && id == "":
		return s, fault.Newf(fault.Internal, "a slot of the schedule that is %s has no backup", outcome)
	case outcome == Skipped && id != "":
		return s.giveUp(slot, id, code, message)
	}
	if s.Slot.Equal(slot) && !s.Slot.IsZero() && s.Outcome == outcome && s.BackupID == id {
		return s, nil
	}
	out := s
	if s.ClockMoved(now) && !slot.After(now) && now.Sub(slot) <= Grace {
		out = s.Realign(slot)
	}
	due, ok := out.Due(now)
	if !ok || !due.Equal(slot) {
		return s, fault.Newf(fault.SettingsChanged, "no scheduled backup is due for %s any more", slot.UTC().Format(time.RFC3339))
	}
	passed := missed(s.Missed, out.passed(out.base(), due)) // with this one
	out.Slot, out.Outcome, out.BackupID, out.Code, out.Message = due, outcome, id, bounded(code), bounded(message)
	out.Missed, out.Unstarted = 0, passed
	if outcome == Skipped {
		out.Missed, out.Unstarted = passed, 0
	}
	return out, nil
}

// giveUp is the state after the backup of a claimed slot could not be started.
func (s State) giveUp(slot time.Time, id backup.ID, code, message string) (State, error) {
	switch taken := s.Slot.Equal(slot) && !s.Slot.IsZero(); {
	case taken && s.Outcome == Skipped:
		return s, nil // an attempt that is repeated
	case !taken || s.BackupID != id:
		return s, fault.Newf(fault.SettingsChanged, "the slot %s was not taken for backup %.50s", slot.UTC().Format(time.RFC3339), string(id))
	}
	out := s
	out.Outcome, out.BackupID, out.Code, out.Message = Skipped, "", bounded(code), bounded(message)
	out.Missed, out.Unstarted = missed(s.Missed, s.Unstarted), 0
	return out, nil
}

// bounded cuts a text to what is remembered of it.
func bounded(text string) string {
	return fmt.Sprintf("%.*s", maxText, strings.ToValidUTF8(text, "\uFFFD"))
}

// Late is the number of backups that should have been started more than [Grace] ago and
// were not, since the newest that was started: their slots were skipped, or never claimed. It
// is 0 while the schedule is paused.
func (s State) Late(now time.Time) int64 {
	if !s.Enabled {
		return 0
	}
	count := missed(s.Missed, 0)
	if s.ClockMoved(now) {
		return count
	}
	if now = now.Add(-Grace); s.Outcome == Skipped && count > 0 && !s.Slot.Before(now) {
		count-- // of now
	}
	// A slot is late after its time of grace, not with its last moment.
	return missed(count, s.passed(s.base(), now.Add(-time.Nanosecond)))
}
