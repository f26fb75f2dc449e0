package schedule

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

var noon = time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC)

// every is a schedule that was switched on at noon.
func every(hours int) State {
	s := Default()
	s.Enabled, s.FrequencyHours = true, hours
	return State{}.With(s, noon, "CORP\\admin")
}

func at(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }

func claimed(t *testing.T, s State, hours float64, outcome Outcome) State {
	t.Helper()
	id := backup.ID("b")
	if outcome == Skipped {
		id = ""
	}
	out, err := s.Claim(at(hours), at(hours), outcome, id, "", "")
	require.NoError(t, err)
	return out
}

func TestSettingIsValidated(t *testing.T) {
	require.NoError(t, Default().Validate())
	require.Equal(t, Setting{false, 12, 7, 2}, Default())
	for want, s := range map[string]Setting{
		"frequencyHours is 3, and has to be from 4 to 12":  {FrequencyHours: 3, RetentionDays: 7, KeepVerified: 2},
		"frequencyHours is 13, and has to be from 4 to 12": {FrequencyHours: 13, RetentionDays: 7, KeepVerified: 2},
		"retentionDays is 1, and has to be from 2 to 14":   {FrequencyHours: 4, RetentionDays: 1, KeepVerified: 2},
		"retentionDays is 15, and has to be from 2 to 14":  {FrequencyHours: 4, RetentionDays: 15, KeepVerified: 2},
		"keepVerified is 0, and has to be from 1 to 100":   {FrequencyHours: 12, RetentionDays: 14},
		"keepVerified is 101, and has to be from 1 to 100": {FrequencyHours: 12, RetentionDays: 2, KeepVerified: 101},
	} {
		err := s.Validate()
		require.ErrorIs(t, err, fault.SettingsInvalid)
		require.ErrorContains(t, err, want)
	}
}

func TestWarnings(t *testing.T) {
	require.Empty(t, Setting{true, 12, 7, 2}.Warnings())
	require.Empty(t, Setting{true, 4, 2, 1}.Warnings())
	require.Equal(t, []string{"backups do not start by themselves; at least two backups a day are recommended"}, Default().Warnings())
	require.Equal(t, []string{"backups are kept for 8 days; at most 7 days are recommended"}, Setting{true, 12, 8, 2}.Warnings())
	require.Equal(t, []string{"backups start every 13 hours; at least two backups a day are recommended"}, Setting{true, 13, 7, 2}.Warnings())
}

func TestNeverSwitchedOn(t *testing.T) {
	for _, s := range []State{{}, State{}.With(Default(), noon, "a"), {Setting: Setting{Enabled: true, FrequencyHours: 4}}, {Setting: Setting{Enabled: true}, Anchor: noon}} {
		_, due := s.Due(at(1000))
		require.False(t, due)
		require.Zero(t, s.Next(at(1)))
		require.Zero(t, s.Late(at(1000)))
		require.False(t, s.ClockMoved(at(-1000)))
		_, err := s.Claim(at(4), at(4), Started, "b", "", "")
		require.ErrorIs(t, err, fault.SettingsChanged)
	}
	require.Equal(t, "a", State{}.With(Default(), noon, "a").ChangedBy)
}

func TestSlots(t *testing.T) {
	s := every(4)
	for _, c := range []struct{ now, due, next float64 }{
		{0, 0, 4}, {3.99, 0, 4}, {4, 4, 8}, {4.5, 4, 8}, {7.99, 4, 8}, {8, 8, 12}, {4 * 1000, 4000, 4004}, {24*365*600 + 1, 24 * 365 * 600, 24*365*600 + 4},
	} {
		now := noon.Add(time.Duration(c.now*60) * time.Minute)
		if c.now > 2e6 { // beyond what a time.Duration holds
			now = time.Unix(noon.Unix()+int64(c.now)*3600, 0)
			require.Equal(t, noon.Unix()+int64(c.next)*3600, s.Next(now).Unix())
			continue
		}
		slot, due := s.Due(now)
		require.Equal(t, c.due > 0, due, "%v", c)
		if due {
			require.Equal(t, at(c.due), slot)
		}
		require.Equal(t, at(c.next), s.Next(now), "%v", c)
	}
}

// TestDaylightSaving: the slots of a local clock move, and those of the grid do not.
func TestDaylightSaving(t *testing.T) {
	zone := time.FixedZone("summer", 2*3600)
	s := every(12)
	slot, due := s.Due(at(24).In(zone))
	require.True(t, due)
	require.Equal(t, at(24), slot)
	next, err := s.Claim(slot.In(zone), at(24).In(zone), Started, "b", "", "")
	require.NoError(t, err)
	require.Equal(t, claimed(t, s, 24, Started), next, "whatever the zone")
}

func TestClaim(t *testing.T) {
	s := every(4)
	one := claimed(t, s, 4, Started)
	require.Equal(t, at(4), one.Slot)
	require.Equal(t, Started, one.Outcome)
	skipped, err := one.Claim(at(8), at(8.1), Skipped, "", "BACKUP_RUNNING", "one runs \xff")
	require.NoError(t, err)
	require.Equal(t, "BACKUP_RUNNING", skipped.Code)
	require.Equal(t, "one runs \uFFFD", skipped.Message)
	require.EqualValues(t, 1, skipped.Missed)
	late := claimed(t, skipped, 20, Skipped)
	require.EqualValues(t, 4, late.Missed, "8, 12, 16 and 20")
	require.Zero(t, claimed(t, late, 24, Started).Missed)
	require.Empty(t, claimed(t, skipped, 24, Started).Code)
	noted, err := skipped.Claim(at(24), at(24), Started, "b", "STAMP_UPDATING", "for long")
	require.NoError(t, err)
	require.Equal(t, "STAMP_UPDATING", noted.Code, "what did not keep it from being started")
	require.Zero(t, noted.Missed)

	for name, c := range map[string]struct {
		state   State
		slot    float64
		now     float64
		outcome Outcome
		id      backup.ID
		want    fault.Code
	}{
		"the same again":        {one, 4, 5, Started, "b", ""},
		"the same, much later":  {one, 4, 500, Started, "b", ""},
		"another backup":        {one, 4, 5, Started, "c", fault.SettingsChanged},
		"skipped after all":     {one, 4, 5, Skipped, "", fault.SettingsChanged},
		"an older one":          {late, 16, 21, Started, "b", fault.SettingsChanged},
		"not the newest":        {one, 8, 12, Started, "b", fault.SettingsChanged},
		"of the future":         {one, 8, 7.9, Started, "b", fault.SettingsChanged},
		"none of the grid":      {one, 8.5, 8.6, Started, "b", fault.SettingsChanged},
		"paused":                {s.With(Default(), at(1), "a"), 4, 5, Started, "b", fault.SettingsChanged},
		"no outcome":            {one, 8, 8, "", "b", fault.Internal},
		"started without one":   {one, 8, 8, Started, "", fault.Internal},
		"another slot's backup": {one, 8, 8, Skipped, "b", fault.SettingsChanged},
		"another's backup":      {one, 4, 5, Skipped, "c", fault.SettingsChanged},
		"given up already":      {skipped, 8, 9, Skipped, "b", ""},
		"given up, never taken": {s, 4, 5, Skipped, "b", fault.SettingsChanged},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := c.state.Claim(at(c.slot), at(c.now), c.outcome, c.id, "", "")
			require.Equal(t, c.state, out)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

// TestAClaimIsGivenUp: a slot whose backup could not be started counts as one that was skipped at
// once, with all that passed before it, and is taken by nobody again.
func TestAClaimIsGivenUp(t *testing.T) {
	before := claimed(t, claimed(t, every(4), 4, Started), 8, Skipped)
	direct, err := before.Claim(at(20), at(20), Skipped, "", "TEMPORAL_UNREACHABLE", "refused")
	require.NoError(t, err)
	started := claimed(t, before, 20, Started)
	require.Zero(t, started.Missed)
	off := started.Setting
	off.Enabled = false
	for name, now := range map[string]State{
		"as it was":      started,
		"paused between": started.With(off, at(20.1), "anna").With(started.Setting, at(20.2), "anna"),
	} {
		t.Run(name, func(t *testing.T) {
			given, err := now.Claim(at(20), at(20.5), Skipped, "b", "TEMPORAL_UNREACHABLE", "refused")
			require.NoError(t, err)
			require.Equal(t, direct.Missed, given.Missed)
			require.Equal(t, []any{Skipped, "TEMPORAL_UNREACHABLE", "refused", backup.ID("")}, []any{given.Outcome, given.Code, given.Message, given.BackupID})
			_, due := given.Due(at(20.6))
			require.False(t, due)
			require.EqualValues(t, 4, given.Late(at(21.1)), "8, 12, 16 and 20")
			require.Zero(t, claimed(t, given, 24, Started).Missed)
			again, err := given.Claim(at(20), at(20.7), Skipped, "b", "TEMPORAL_UNREACHABLE", "refused")
			require.NoError(t, err)
			require.Equal(t, given, again)
		})
	}
}

func TestLate(t *testing.T) {
	s := every(4)
	require.Zero(t, s.Late(at(5)), "within its grace")
	require.EqualValues(t, 1, s.Late(at(5).Add(time.Nanosecond)))
	require.EqualValues(t, 1, s.Late(at(9)))
	require.EqualValues(t, 24, s.Late(at(97.5)))
	require.Zero(t, claimed(t, s, 96, Started).Late(at(97.5)))
	skipped := claimed(t, claimed(t, s, 4, Started), 8, Skipped)
	require.Zero(t, skipped.Late(at(9)), "within its grace")
	require.EqualValues(t, 1, skipped.Late(at(9.01)))
	require.EqualValues(t, 2, skipped.Late(at(13.01)))
	require.Zero(t, skipped.Late(at(7)), "a clock was set back a little")
}

func TestPauseAndResume(t *testing.T) {
	s := claimed(t, every(4), 4, Started)
	off := s.Setting
	off.Enabled = false
	paused := s.With(off, at(13), "a")
	require.EqualValues(t, 2, paused.Missed, "8 and 12 were not claimed")
	require.Zero(t, paused.Late(at(100)))
	require.Equal(t, at(104), paused.Next(at(100)))
	_, due := paused.Due(at(100))
	require.False(t, due)
	resumed := paused.With(s.Setting, at(101), "a")
	require.Equal(t, s.Anchor, resumed.Anchor)
	_, due = resumed.Due(at(103))
	require.False(t, due, "what passed while it was paused is not caught up")
	require.EqualValues(t, 2, resumed.Late(at(103)))
	slot, due := resumed.Due(at(104))
	require.True(t, due)
	require.Equal(t, at(104), slot)
	require.Zero(t, claimed(t, resumed, 104, Started).Late(at(105)))
}

func TestRetentionLeavesTheGrid(t *testing.T) {
	s := claimed(t, every(4), 4, Started)
	next := s.Setting
	next.RetentionDays, next.KeepVerified = 3, 5
	out := s.With(next, at(9), "b")
	require.Equal(t, at(9), out.ChangedAt)
	require.Equal(t, "b", out.ChangedBy)
	slot, due := out.Due(at(9))
	require.True(t, due)
	require.Equal(t, at(8), slot)
	require.Equal(t, out, out.With(next, at(10), "c"), "the same changes nothing")
}

func TestFrequencyChanges(t *testing.T) {
	next := every(12).Setting
	out := claimed(t, every(4), 4, Started).With(next, at(5), "b")
	require.Equal(t, at(5), out.Anchor)
	_, due := out.Due(at(16.9))
	require.False(t, due)
	slot, due := out.Due(at(17))
	require.True(t, due)
	require.Equal(t, at(17), slot)

	// A slot that is due is not lost.
	out = claimed(t, every(4), 4, Started).With(next, at(13), "b")
	slot, due = out.Due(at(13))
	require.True(t, due)
	require.Equal(t, at(13), slot)
	require.EqualValues(t, 1, out.Missed, "that of hour 8")
}

func TestClockSetBackTenYears(t *testing.T) {
	s := claimed(t, every(4), 4, Started)
	require.False(t, s.ClockMoved(at(0)), "by one frequency")
	require.True(t, s.ClockMoved(at(-0.01)))
	require.Equal(t, s, s.Realign(at(0)))
	then := noon.AddDate(-10, 0, 0).Add(500 * time.Millisecond)
	require.True(t, s.ClockMoved(then))
	require.Zero(t, s.Late(then))
	slot, due := s.Due(then)
	require.True(t, due, "it does not wait for ten years")
	require.Equal(t, noon.AddDate(-10, 0, 0), slot)
	_, err := s.Claim(slot, then.Add(Grace+time.Second), Started, "c", "", "")
	require.ErrorIs(t, err, fault.SettingsChanged, "asked for too long ago")
	out, err := s.Claim(slot, then.Add(time.Minute), Started, "c", "", "")
	require.NoError(t, err)
	again, err := out.Claim(slot, then.Add(2*time.Minute), Started, "c", "", "")
	require.NoError(t, err)
	require.Equal(t, out, again)
	require.Equal(t, slot, out.Realigned)
	require.Equal(t, at(4), out.RealignedFrom)
	require.False(t, out.ClockMoved(then.Add(time.Minute)))
	_, due = out.Due(then.Add(time.Minute))
	require.False(t, due)
	require.Equal(t, slot.Add(4*time.Hour), out.Next(then.Add(time.Minute)))
	off := s.Setting
	off.Enabled = false
	_, due = s.With(off, then, "a").Due(then)
	require.False(t, due, "paused")
	_, due = every(4).Due(noon.AddDate(-10, 0, 0))
	require.True(t, due, "switched on by a clock that was ten years ahead")
}

func TestClockSetBackALittle(t *testing.T) {
	s := claimed(t, every(4), 4, Started)
	_, due := s.Due(at(3))
	require.False(t, due)
	_, due = s.Due(at(4))
	require.False(t, due, "it is claimed once")
	require.Equal(t, at(8), s.Next(at(3)))
}

func TestStateTravelsAsJSON(t *testing.T) {
	s, err := every(4).Claim(at(8), at(8), Skipped, "", "NO", "why")
	require.NoError(t, err)
	data, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{"enabled":true,"frequencyHours":4,"retentionDays":7,"keepVerified":2,"anchor":"2027-03-27T12:00:00Z","since":"2027-03-27T12:00:00Z",
		"changedAt":"2027-03-27T12:00:00Z","changedBy":"CORP\\admin","slot":"2027-03-27T20:00:00Z","outcome":"skipped","code":"NO","message":"why","missed":2}`, string(data))
	var back State
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, s, back)
	data, err = json.Marshal(State{})
	require.NoError(t, err)
	require.JSONEq(t, `{"enabled":false,"frequencyHours":0,"retentionDays":0,"keepVerified":0}`, string(data))
}

func FuzzState(f *testing.F) {
	data, err := json.Marshal(every(4))
	require.NoError(f, err)
	f.Add(data, noon.Unix(), int64(3600), 4)
	f.Add([]byte(`{"enabled":true,"frequencyHours":4,"anchor":"0001-01-01T00:00:01Z","slot":"9999-12-31T23:59:59.9Z","missed":-5}`), int64(math.MaxInt64), int64(math.MinInt64), -1)
	f.Fuzz(func(t *testing.T, data []byte, first, more int64, hours int) {
		var s State
		if json.Unmarshal(data, &s) != nil {
			return
		}
		for _, now := range []time.Time{time.Unix(first, 7), time.Unix(first+more, 0)} {
			require.GreaterOrEqual(t, s.Late(now), int64(0))
			s.Next(now)
			slot, due := s.Due(now)
			setting := s.Setting
			setting.FrequencyHours, setting.Enabled = hours, !setting.Enabled
			s.With(setting, now, "a").Late(now)
			out, err := s.Claim(slot, now, Started, "fuzz", "", "")
			if year := now.UTC().Year(); year < 1 || year > 9999 {
				continue // never panics, and that is all
			}
			if !due {
				require.True(t, err != nil || out == s)
				continue
			}
			require.False(t, slot.After(now), "%s at %s", slot, now)
			require.NoError(t, err)
			_, due = out.Due(now)
			require.False(t, due, "%+v", out)
			require.Zero(t, out.Late(now))
			require.True(t, out.Next(now).After(now))
			s = out
		}
	})
}
