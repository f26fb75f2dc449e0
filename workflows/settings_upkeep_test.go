package workflows

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// on is a schedule that is switched on.
func on() schedule.Setting {
	s := schedule.Default()
	s.Enabled = true
	return s
}

func TestScheduleIsSetAndRecorded(t *testing.T) {
	set, first := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: on(), By: "anna@host"})
	same, second := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: on(), By: "bert@host"})
	wrong, third := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: schedule.Setting{FrequencyHours: 1, RetentionDays: 7, KeepVerified: 2}})
	off := on()
	off.Enabled, off.RetentionDays = false, 5
	paused, fourth := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: off, By: "anna@host"})
	entity(t, enabled(), first, second, third, fourth, func(env *testsuite.TestWorkflowEnvironment) {
		state := ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Schedule
		require.Equal(t, off, state.Setting)
		require.False(t, state.Anchor.IsZero(), "pausing keeps the slots")
		records := ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records
		require.Len(t, records, 2, "what changes nothing is none")
		require.Equal(t, settings.KindSchedule, records[0].Kind)
		require.Equal(t, "scheduled backups: off -> on; hours between scheduled backups: 12; days that backups are kept: 7; verified backups that are kept: 2", records[0].What)
		require.Equal(t, "scheduled backups: on -> off; days that backups are kept: 7 -> 5", records[1].What)
		require.Equal(t, "anna@host", records[1].By)
	})
	require.NoError(t, set.err)
	require.NoError(t, same.err)
	require.Equal(t, fault.SettingsInvalid, flow.DecodeFault(wrong.rejected).Code)
	require.NoError(t, paused.err)
}

// TestTwoChangesOfTheScheduleAtTheSameMoment: the second is refused when it was made over what the
// first has changed, and not when it wants the same.
func TestTwoChangesOfTheScheduleAtTheSameMoment(t *testing.T) {
	never, seen := schedule.Setting{}, schedule.Default()
	longer, shorter := seen, seen
	longer.RetentionDays, shorter.RetentionDays = 14, 5
	first, anna := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: longer, By: "anna", Over: &seen})
	lost, bert := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: shorter, By: "bert", Over: &never})
	same, carl := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: longer, By: "carl", Over: &seen})
	again, merged := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: shorter, By: "bert", Over: &longer})
	older, blind := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: on(), By: "dora"})
	is := func(want schedule.Setting, records int) step {
		return func(env *testsuite.TestWorkflowEnvironment) {
			require.Equal(t, want, ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Schedule.Setting)
			require.Len(t, ask[settings.History](t, env, flow.SettingsHistory.Name, struct{}{}).Records, records)
		}
	}
	entity(t, enabled(), anna, is(longer, 1), bert, is(longer, 1), carl, is(longer, 1), merged, is(shorter, 2), blind, is(on(), 3))
	require.NoError(t, first.err, "what was never set is the usual one")
	require.Equal(t, fault.SettingsChanged, flow.DecodeFault(lost.err).Code)
	require.ErrorContains(t, lost.err, "by anna")
	require.NoError(t, same.err)
	require.NoError(t, again.err)
	require.NoError(t, older.err, "of a version that tells nothing of it")
}

// TestMergedSchedules: what a change leaves as it saw it stays as it is by now.
func TestMergedSchedules(t *testing.T) {
	setting := func(enabled bool, hours, days, keep int) schedule.Setting {
		return schedule.Setting{Enabled: enabled, FrequencyHours: hours, RetentionDays: days, KeepVerified: keep}
	}
	never := schedule.Setting{}
	seen := setting(false, 12, 7, 2)
	for name, tc := range map[string]struct {
		over            *schedule.Setting
		next, now, want schedule.Setting
	}{
		"nothing else changed":   {&seen, setting(true, 12, 5, 2), seen, setting(true, 12, 5, 2)},
		"another member changed": {&seen, setting(false, 6, 7, 2), setting(true, 12, 7, 9), setting(true, 6, 7, 9)},
		"the same member":        {&seen, setting(false, 12, 5, 2), setting(false, 12, 14, 2), setting(false, 12, 5, 2)},
		"switched off meanwhile": {&seen, setting(false, 12, 5, 2), setting(true, 4, 7, 2), setting(true, 4, 5, 2)},
		"never set":              {&never, setting(true, 12, 7, 2), never, setting(true, 12, 7, 2)},
		"never set, and now":     {&never, setting(true, 12, 7, 2), setting(false, 4, 14, 3), setting(true, 4, 14, 3)},
		"nothing is said of it":  {nil, setting(true, 8, 5, 2), setting(false, 4, 14, 3), setting(true, 8, 5, 2)},
	} {
		require.Equal(t, tc.want, merged(tc.over, tc.next, tc.now), name)
	}
}

func TestNothingIsScheduledWithoutSettings(t *testing.T) {
	none, set := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: on()})
	entity(t, flow.SettingsState{Instance: "local"}, set)
	require.Equal(t, fault.NotEnabled, flow.DecodeFault(none.rejected).Code)
	reset := enabled()
	reset.Reset = true
	again, set := update(flow.SetSchedule.Name, flow.ScheduleChange{Setting: on()})
	claimed, claim := update(flow.ClaimSlot.Name, flow.SlotClaim{Slot: time.Now(), Outcome: schedule.Started, BackupID: testID})
	entity(t, reset, set, claim)
	require.Equal(t, fault.SettingsReset, flow.DecodeFault(again.rejected).Code)
	require.Equal(t, fault.SettingsReset, flow.DecodeFault(claimed.rejected).Code)
}

// TestASlotIsClaimedOnce: a second claim of it is refused, and the same one again is not.
func TestASlotIsClaimedOnce(t *testing.T) {
	const other = backup.ID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
	state := enabled()
	var mine, again, theirs, early, malformed *outcome
	claim := func(to **outcome, id backup.ID, move time.Duration) step {
		return func(env *testsuite.TestWorkflowEnvironment) {
			slot := state.Upkeep.Schedule.Anchor.Add(12*time.Hour + move)
			out, send := update(flow.ClaimSlot.Name, flow.SlotClaim{Slot: slot, Outcome: schedule.Started, BackupID: id})
			*to = out
			send(env)
		}
	}
	begin := func(env *testsuite.TestWorkflowEnvironment) {
		state.Upkeep.Schedule = ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Schedule
	}
	start := enabled()
	start.Upkeep.Schedule = schedule.State{}.With(on(), time.Now().Add(-12*time.Hour), "anna")
	entity(t, start, begin, claim(&early, testID, 12*time.Hour), claim(&malformed, "x", 0), claim(&mine, testID, 0), claim(&again, testID, 0), claim(&theirs, other, 0),
		func(env *testsuite.TestWorkflowEnvironment) {
			now := ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Schedule
			require.Equal(t, testID, now.BackupID)
			require.Equal(t, schedule.Started, now.Outcome)
		})
	require.Equal(t, fault.SettingsChanged, flow.DecodeFault(early.err).Code)
	require.Equal(t, fault.RequestRefused, flow.DecodeFault(malformed.rejected).Code)
	require.NoError(t, mine.err)
	require.NoError(t, again.err)
	require.Equal(t, fault.SettingsChanged, flow.DecodeFault(theirs.err).Code)
}

// TestTheFirstAcknowledgementOfAnOpeningStays: who does so again, or at the same moment, does not
// take its place, unless it is with another note; after another opening it does.
func TestTheFirstAcknowledgementOfAnOpeningStays(t *testing.T) {
	opened := time.Now().Add(-time.Hour)
	acknowledge := func(by string, since time.Time) (*outcome, step) {
		return update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{Code: "SHARE_FULL", By: by, Since: since})
	}
	first, anna := acknowledge("anna", opened)
	second, bert := acknowledge("bert", opened)
	again, later := acknowledge("bert", time.Now().Add(time.Hour))
	noted, bygone := update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{Code: "SHARE_FULL", By: "dora", Note: "ordered", Since: opened, Replace: true})
	older, plain := acknowledge("carl", time.Time{})
	by := func(want string) step {
		return func(env *testsuite.TestWorkflowEnvironment) {
			all := ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Acknowledged
			require.Len(t, all, 1)
			require.Equal(t, want, all[0].By)
		}
	}
	entity(t, enabled(), anna, by("anna"), bert, by("anna"), later, by("bert"), bygone, by("dora"), plain, by("carl"))
	for _, out := range []*outcome{first, second, again, noted, older} {
		require.NoError(t, out.err)
	}
}

func TestVerdictsAndAcknowledgementsAreBounded(t *testing.T) {
	state := enabled()
	id := func(i int) backup.ID { return backup.ID(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i)) }
	for i := range flow.MaxVerdicts {
		state.Upkeep.Verdicts = append(state.Upkeep.Verdicts, flow.Verdict{BackupID: id(i)})
	}
	for i := range flow.MaxAcknowledgements {
		state.Upkeep.Acknowledged = append(state.Upkeep.Acknowledged, flow.Acknowledgement{Code: fmt.Sprint(i)})
	}
	_, again := update(flow.NoteVerdict.Name, flow.VerdictNote{BackupID: id(5), Code: "BACKUP_DAMAGED"})
	_, more := update(flow.NoteVerdict.Name, flow.VerdictNote{BackupID: id(9999)})
	refused, wrong := update(flow.NoteVerdict.Name, flow.VerdictNote{BackupID: "none"})
	_, same := update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{Code: "7", By: "anna"})
	_, other := update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{Code: "7", Object: "x", By: "anna"})
	_, noted := update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{Code: "9", By: "anna", Note: "cron does it"})
	long, wordy := update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{Code: "9", By: "anna", Note: strings.Repeat("x", flow.MaxNote+1)})
	empty, nothing := update(flow.AcknowledgeAlert.Name, flow.AlertAcknowledgement{By: "anna"})
	entity(t, state, again, more, wrong, noted, same, other, nothing, wordy, func(env *testsuite.TestWorkflowEnvironment) {
		now := ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{})
		require.Len(t, now.Verdicts, flow.MaxVerdicts)
		_, kept := now.Verdict(id(0))
		require.False(t, kept, "the oldest is forgotten")
		v, kept := now.Verdict(id(5))
		require.True(t, kept)
		require.Equal(t, "BACKUP_DAMAGED", v.Code)
		require.False(t, v.At.IsZero())
		require.Len(t, now.Acknowledged, flow.MaxAcknowledgements)
		require.Equal(t, "x", now.Acknowledged[len(now.Acknowledged)-1].Object)
		require.Equal(t, "anna", now.Acknowledged[len(now.Acknowledged)-2].By)
		require.Equal(t, "cron does it", now.Acknowledged[len(now.Acknowledged)-3].Note)
	})
	require.Equal(t, fault.RequestRefused, flow.DecodeFault(refused.rejected).Code)
	require.Equal(t, fault.Usage, flow.DecodeFault(empty.rejected).Code)
	require.Equal(t, fault.Usage, flow.DecodeFault(long.rejected).Code)
}

// TestVerdictsAreOrderedByTheLedger: a verification that began before a backup was changed, and
// comes late, does not replace what was found since. No clock of either host is asked.
func TestVerdictsAreOrderedByTheLedger(t *testing.T) {
	const other = backup.ID("7c9e6679-7425-40de-944b-e07fc1f90ae7")
	note := func(in flow.VerdictNote) step {
		_, send := update(flow.NoteVerdict.Name, in)
		return send
	}
	want := func(what string, id backup.ID, code, beside string, sequence int64) step {
		return func(env *testsuite.TestWorkflowEnvironment) {
			v, ok := ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Verdict(id)
			require.True(t, ok, what)
			require.Equal(t, []any{code, beside, sequence}, []any{v.Code, v.Beside, v.Sequence}, what)
		}
	}
	state := enabled()
	state.Ledgers = []flow.ShareLedger{{Share: validSettings().Share.Place(), Head: backup.LedgerHead{Sequence: 9, SHA256: strings.Repeat("a", 64)}}}
	newer := validSettings().Share
	newer.Path = `\\fs2.example.test\b`
	_, propose := update(flow.ProposeChange.Name, settings.Change{Kind: settings.KindShare, Share: &newer})
	applied, apply := tried(t, 2, keys().signing, nil)
	anew, begin := update(flow.AdvanceLedger.Name, flow.LedgerAdvance{
		Share: validSettings().Share.Place(), From: state.Ledgers[0].Head, To: backup.LedgerHead{Sequence: 1, SHA256: strings.Repeat("b", 64)}, Anew: true,
	})
	malformed, wrong := update(flow.NoteVerdict.Name, flow.VerdictNote{BackupID: testID, Sequence: -1})
	entity(t, state,
		note(flow.VerdictNote{BackupID: testID, Code: "BACKUP_DAMAGED", Beside: "LEDGER_DAMAGED", Sequence: 6}),
		note(flow.VerdictNote{BackupID: testID, Sequence: 5}),
		note(flow.VerdictNote{BackupID: testID}), // of an earlier version
		want("an earlier state", testID, "BACKUP_DAMAGED", "LEDGER_DAMAGED", 6),
		note(flow.VerdictNote{BackupID: testID, Sequence: 6, BackupOnly: true}),
		want("the backup alone", testID, "", "LEDGER_DAMAGED", 6),
		note(flow.VerdictNote{BackupID: other, Sequence: 2}),
		note(flow.VerdictNote{BackupID: testID, Sequence: 6}),
		want("all of it", testID, "", "", 6),
		want("another one", other, "", "", 2),
		wrong,
		begin,
		want("another ledger", testID, "", "", 0),
		note(flow.VerdictNote{BackupID: testID, Code: "BACKUP_FORGED", Sequence: 1}),
		want("by the other ledger", testID, "BACKUP_FORGED", "", 1),
		propose, apply,
		want("another share", testID, "BACKUP_FORGED", "", 0),
	)
	require.NoError(t, anew.err)
	require.NoError(t, applied.err)
	require.Equal(t, fault.RequestRefused, flow.DecodeFault(malformed.rejected).Code)
}

// TestTheScheduleComesWithTheSettings: what is changed together is applied together, and
// goes on to the next run.
func TestTheScheduleComesWithTheSettings(t *testing.T) {
	setting := on()
	_, propose := update(flow.ProposeSettings.Name, flow.SettingsProposal{Settings: validSettings(), First: true})
	with := func(s schedule.Setting) func(*flow.SettingsApplication) {
		return func(in *flow.SettingsApplication) { in.Schedule = &s }
	}
	refused, bad := tried(t, 1, keys().signing, with(schedule.Setting{}))
	applied, apply := tried(t, 1, keys().signing, with(setting))
	env := entity(t, flow.SettingsState{Instance: "local"}, propose, bad,
		func(env *testsuite.TestWorkflowEnvironment) {
			require.Zero(t, ask[flow.UpkeepState](t, env, flow.GetUpkeep.Name, struct{}{}).Schedule)
		},
		apply,
		func(env *testsuite.TestWorkflowEnvironment) {
			env.SetContinueAsNewSuggested(true)
			_, wake := update(flow.DropSettings.Name, flow.SettingsDrop{Revision: 99})
			wake(env)
		})
	require.Equal(t, fault.SettingsInvalid, flow.DecodeFault(refused.rejected).Code)
	require.NoError(t, applied.err)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	var state flow.SettingsState
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &state))
	require.Equal(t, setting, state.Upkeep.Schedule.Setting)
	require.False(t, state.Upkeep.Schedule.Anchor.IsZero())
}
