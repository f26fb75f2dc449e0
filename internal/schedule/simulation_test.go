package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // a local zone, wherever this runs

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
	"infrabackup/tests/tier"
)

const (
	tick   = 30 * time.Minute
	days   = 24 * time.Hour
	decade = 3652 * days
)

// span is a part of the year, by the right clock, in hours from its beginning.
type span struct{ from, to int }

func (s span) has(hour int) bool { return hour >= s.from && hour < s.to }

// taken is a backup, with its end by the right clock.
type taken struct {
	retention.Backup
	end time.Time
}

// world is a year of an instance, with a controller whose host has a clock that is set wrong
// at times, beside the Temporal server's that is right.
type world struct {
	t         *testing.T
	r         *rand.Rand
	zone      *time.Location
	begin     time.Time
	clock     time.Time // right
	outages   []span    // without the controller
	pauses    []span
	clockSet  map[span]time.Duration // the host's clock is off by it
	state     schedule.State
	backups   []taken
	running   *taken
	sequence  int64
	heldSince time.Time

	// What the checks remember, apart from what the packages do.
	grid     time.Time // newest slot that was seen to pass
	open     []time.Time
	starts   []time.Time // by the right clock
	late     int         // ticks at which backups were late
	reported int         // ticks at which a clock was reported
	removed  int
	kinds    map[string]int
}

func (w *world) hour() int { return int(w.clock.Sub(w.begin) / time.Hour) }

func within(spans []span, hour int) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.has(hour) })
}

// now is what the host's clock says.
func (w *world) now() time.Time {
	now := w.clock
	for s, off := range w.clockSet {
		if s.has(w.hour()) {
			now = now.Add(off)
		}
	}
	return now.In(w.zone)
}

func newWorld(t *testing.T, seed uint64) *world {
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(seed, 2))
	w := &world{t: t, r: r, zone: zone, begin: time.Date(2027, 6, 1, 7, 13, 0, 0, time.UTC), kinds: map[string]int{}} // a leap day is in it
	w.clock = w.begin
	at := func(day int) int { return day*24 + r.IntN(24) }
	for _, day := range []int{40, 200, 300} {
		from := at(day)
		w.outages = append(w.outages, span{from, from + 72})
	}
	for _, day := range []int{70, 120, 310} {
		from := at(day)
		w.pauses = append(w.pauses, span{from, from + 30 + r.IntN(200)})
	}
	w.clockSet = map[span]time.Duration{}
	set := func(from, hours int, off time.Duration) { w.clockSet[span{from, from + hours}] = off }
	// The hours of daylight saving are taken for another time: at the ends of October and March.
	set(int(time.Date(2027, 10, 31, 1, 0, 0, 0, time.UTC).Sub(w.begin)/time.Hour), 3+r.IntN(60), -time.Hour)
	set(int(time.Date(2028, 3, 26, 1, 0, 0, 0, time.UTC).Sub(w.begin)/time.Hour), 3+r.IntN(60), time.Hour)
	set(at(20), 1+r.IntN(40), -time.Hour)
	set(at(95), 1+r.IntN(40), time.Hour)
	set(at(180), 1+r.IntN(60), decade)
	set(at(240), 1+r.IntN(60), -decade)
	set(w.pauses[2].from-2, 20, -decade) // and it is paused and resumed in it, or after it
	set(w.outages[1].from+24, 24, decade)
	return w
}

// settings are changed now and then, and switched on and off.
func (w *world) settings() {
	next := w.state.Setting
	if next.FrequencyHours == 0 {
		next = schedule.Default()
	}
	next.Enabled = !within(w.pauses, w.hour())
	switch day := w.hour() / 24; {
	case w.hour()%24 != 9:
	case day == 100:
		next.FrequencyHours, next.RetentionDays = 6, 5
	case day == 160:
		next.RetentionDays, next.KeepVerified = 2, 4
	case day == 220:
		next.FrequencyHours, next.RetentionDays = 4, 3
	case day == 280:
		next.FrequencyHours, next.RetentionDays = 12, 7
	}
	before, now := w.state, w.now()
	w.state = w.state.With(next, now, "CORP\\operator")
	switch {
	case next == before.Setting:
		require.Equal(w.t, before, w.state)
	case next.FrequencyHours != before.FrequencyHours:
		w.passAll(before, now)
		due := before.Enabled && len(w.open) > 0 && w.open[len(w.open)-1].After(latest(before.Slot, before.Since))
		w.grid = w.state.Anchor
		if due { // goes on as the first of the new grid
			w.open[len(w.open)-1] = w.state.Anchor
		}
	default:
		w.passAll(before, now)
		require.True(w.t, before.Anchor.IsZero() || before.Anchor.Equal(w.state.Anchor), "the grid stays")
		if next.Enabled && !before.Enabled {
			w.grid = w.state.Anchor // go on with the first slot after now
			for !w.grid.After(now) {
				w.grid = w.grid.Add(w.period())
			}
			for w.grid.After(now) {
				w.grid = w.grid.Add(-w.period())
			}
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *world) period() time.Duration { return time.Duration(w.state.FrequencyHours) * time.Hour }

// passAll remembers the slots that have passed while the schedule was on, one by one.
func (w *world) passAll(s schedule.State, now time.Time) {
	if s.Anchor.IsZero() || !s.Enabled || s.ClockMoved(now) {
		return
	}
	period := time.Duration(s.FrequencyHours) * time.Hour
	for next := w.grid.Add(period); !next.After(now); next = next.Add(period) {
		w.open = append(w.open, next)
		w.grid = next
	}
}

// controller is one tick of it.
func (w *world) controller() {
	w.settings()
	now := w.now()
	if w.state.ClockMoved(now) {
		w.reported++
		w.kinds["clock set back"]++
	} else {
		w.passAll(w.state, now)
		if w.state.Enabled {
			missing := 0
			for _, slot := range w.open {
				if now.Sub(slot) > schedule.Grace {
					missing++
				}
			}
			require.Equal(w.t, int64(missing), w.state.Late(now), "late at %s: %v of %+v", now, w.open, w.state)
			if missing > 0 {
				w.late++
			}
		} else {
			require.Zero(w.t, w.state.Late(now))
		}
	}
	slot, due := w.state.Due(now)
	require.False(w.t, due && !w.state.Enabled, "due while paused")
	if next := w.state.Next(now); !w.state.Anchor.IsZero() {
		require.True(w.t, next.After(now) && next.Sub(now) <= 2*w.period()+tick, "next is %s at %s", next, now)
	}
	if due && w.r.IntN(100) >= 10 { // else the tick is lost
		w.claim(slot, now)
	}
	w.retention(now)
}

// claim starts a backup for a slot, or skips it.
func (w *world) claim(slot, now time.Time) {
	moved := w.state.ClockMoved(now)
	require.False(w.t, slot.After(now))
	outcome, id, code := schedule.Started, backup.ID(fmt.Sprintf("b%d", len(w.starts))), ""
	if w.running != nil || w.r.IntN(100) < 5 {
		outcome, id, code = schedule.Skipped, "", "BACKUP_RUNNING"
	}
	before := w.state
	after, err := before.Claim(slot, now, outcome, id, code, "why")
	require.NoError(w.t, err)
	again, err := after.Claim(slot, now.Add(tick), outcome, id, code, "why")
	require.NoError(w.t, err)
	require.Equal(w.t, after, again)
	_, err = after.Claim(slot, now, schedule.Started, "another", "", "")
	require.Error(w.t, err)
	w.state = after
	_, due := after.Due(now)
	require.False(w.t, due, "only one is caught up")
	require.Zero(w.t, (slot.Unix()-after.Anchor.Unix())%int64(w.period()/time.Second))
	if moved {
		require.True(w.t, after.Realigned.Equal(slot) && after.RealignedFrom.After(now))
		// What passed before the clock was set back cannot be told from the new grid's slots.
		w.open, w.grid = slices.Repeat([]time.Time{slot.Add(-decade)}, int(before.Missed)), slot
		if outcome == schedule.Skipped {
			w.open = append(w.open, slot)
		}
	}
	w.kinds[string(outcome)]++
	if outcome == schedule.Skipped {
		return
	}
	w.open = nil
	w.starts = append(w.starts, w.clock)
	good := w.r.IntN(100) < 85
	w.running = &taken{
		Backup: retention.Backup{ID: id, StartedAt: now, Good: good, Verified: good && w.r.IntN(100) < 70},
		end:    w.clock.Add(time.Duration(20+w.r.IntN(80)) * time.Minute),
	}
}

// finish ends the running backup when its time has come, on a worker with the host's clock.
func (w *world) finish() {
	if w.running == nil || w.clock.Before(w.running.end) {
		return
	}
	b := *w.running
	w.running = nil
	w.sequence++
	b.Sequence, b.FinishedAt, b.end = w.sequence, w.now(), w.clock
	if b.FinishedAt.Before(b.StartedAt) {
		b.StartedAt = b.FinishedAt
	}
	w.backups = append(w.backups, b)
}

// retention removes what the plan says, if a clock that is right would.
func (w *world) retention(now time.Time) {
	all := make([]retention.Backup, 0, len(w.backups))
	for _, b := range w.backups {
		all = append(all, b.Backup)
	}
	plan := retention.Make(all, retention.Policy{Days: w.state.RetentionDays, KeepVerified: w.state.KeepVerified}, now, w.clock, retention.Hold{})
	var gone []backup.ID
	for _, d := range plan.Decisions {
		if d.Remove {
			gone = append(gone, d.ID)
		}
	}
	var newest time.Time
	for _, b := range w.backups {
		if b.Good {
			newest = b.end
		}
	}
	age, verified, verifiedGone := time.Duration(w.state.RetentionDays)*days, 0, 0
	w.backups = slices.DeleteFunc(w.backups, func(b taken) bool {
		remove := slices.Contains(gone, b.ID)
		if remove {
			require.True(w.t, w.clock.Sub(b.end) > age && newest.Sub(b.end) > age, "wrongly removed at %s (%s): %+v", w.clock, now, b)
		}
		if b.Verified {
			if verified++; remove {
				verifiedGone++
			}
		}
		return remove
	})
	require.True(w.t, verifiedGone == 0 || verified-verifiedGone >= w.state.KeepVerified)
	w.removed += len(gone)
	w.kinds["hold "+string(plan.Hold.Code)]++
	switch {
	case plan.Hold == retention.Hold{}:
		w.heldSince = time.Time{}
	case w.heldSince.IsZero():
		w.heldSince = w.clock
	case w.clock.Sub(w.heldSince) > 4*days: // an operator removes what has wrong times by hand
		w.backups = slices.DeleteFunc(w.backups, func(b taken) bool { return b.FinishedAt.Sub(b.end).Abs() > retention.Tolerance })
	}
}

// TestYear goes through a year with daylight saving, a leap day, clocks that are set, outages,
// pauses, and backups that fail.
func TestYear(t *testing.T) {
	seeds := tier.Size(1, 4, 60)
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 366 * 48 {
				w.clock = w.clock.Add(tick)
				w.finish()
				if !within(w.outages, w.hour()) {
					w.controller()
				}
			}
			for _, o := range w.outages[:1] { // with a clock that is right
				from, to := w.begin.Add(time.Duration(o.from)*time.Hour), w.begin.Add(time.Duration(o.to)*time.Hour)
				caught := 0
				for _, at := range w.starts {
					require.False(t, at.After(from) && at.Before(to), "a backup while there was no controller")
					if !at.Before(to) && at.Before(to.Add(4*time.Hour)) {
						caught++
					}
				}
				require.LessOrEqual(t, caught, 2, "one that is caught up, and perhaps that of the next slot")
			}
			t.Logf("%d started, %d removed, %d left, late at %d ticks: %v", len(w.starts), w.removed, len(w.backups), w.late, w.kinds)
			require.Greater(t, len(w.starts), 700)
			require.Greater(t, w.removed, len(w.starts)/2)
			require.Less(t, len(w.backups), 60)
			require.Positive(t, w.late)
			require.Positive(t, w.reported)
			require.Positive(t, w.kinds["hold "+string(retention.ClocksDiffer)])
			require.Positive(t, w.kinds["hold "+string(retention.OrderContradict)])
		})
	}
	tier.Tried(t, "simulated years", int64(seeds))
}
