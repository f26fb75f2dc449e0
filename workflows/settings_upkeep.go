package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// handleUpkeep answers for what the entity remembers of what goes on by itself. Nothing
// of that needs the share.
func (e *settingsEntity) handleUpkeep(ctx workflow.Context) error {
	for _, register := range []func() error{
		func() error { return flow.GetUpkeep.Handle(ctx, e.upkeep) },
		func() error { return flow.SetSchedule.Handle(ctx, e.validateSchedule, e.setSchedule) },
		func() error { return flow.ClaimSlot.Handle(ctx, e.validateClaim, e.claimSlot) },
		func() error { return flow.NoteVerdict.Handle(ctx, e.validateVerdict, e.noteVerdict) },
		func() error {
			return flow.AcknowledgeAlert.Handle(ctx, e.validateAcknowledgement, e.acknowledge)
		},
	} {
		if err := register(); err != nil {
			return err
		}
	}
	return nil
}

func (e *settingsEntity) upkeep(struct{}) (flow.UpkeepState, error) { return e.state.Upkeep, nil }

// validateSchedule wants active settings: a schedule without them would promise backups
// that cannot be made.
func (e *settingsEntity) validateSchedule(in flow.ScheduleChange) error {
	if err := e.unlessReset(); err != nil {
		return err
	}
	if e.state.Active == 0 {
		return flow.EncodeFault(fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", e.state.Instance))
	}
	return flow.EncodeFault(in.Setting.Validate())
}

// setSchedule refuses what was made over another setting than the one that is set now: the first
// of two changes at the same moment would be undone, and nobody told.
func (e *settingsEntity) setSchedule(ctx workflow.Context, in flow.ScheduleChange) (schedule.State, error) {
	now := e.state.Upkeep.Schedule
	if in.Over != nil && in.Setting != now.Setting && usual(*in.Over) != usual(now.Setting) {
		return schedule.State{}, flow.EncodeFault(fault.Newf(fault.SettingsChanged, "the schedule was changed meanwhile, by %s", now.ChangedBy))
	}
	e.schedule(workflow.Now(ctx).UTC(), in.Setting, in.By, 0)
	return e.state.Upkeep.Schedule, nil
}

// schedule sets the schedule, and records what is different. Setting again what is set
// changes nothing.
func (e *settingsEntity) schedule(now time.Time, next schedule.Setting, by string, revision int64) {
	before := e.state.Upkeep.Schedule
	if next == before.Setting {
		return
	}
	e.state.Upkeep.Schedule = before.With(next, now, by)
	e.record(settings.Record{
		At: now, Kind: settings.KindSchedule, By: by, What: describeSchedule(before.Setting, next), Revision: revision, Outcome: settings.Applied, SettleAt: now,
	})
}

// usual is a setting, and the usual one where none was ever set.
func usual(s schedule.Setting) schedule.Setting {
	if s == (schedule.Setting{}) {
		return schedule.Default()
	}
	return s
}

// merged is what a setting becomes by a change that was made over another one, which may not be
// the one that is set any more: members that the change leaves as it saw them stay as they are.
func merged(over *schedule.Setting, next, now schedule.Setting) schedule.Setting {
	if over == nil {
		return next
	}
	seen, out := usual(*over), usual(now)
	if next.Enabled != seen.Enabled {
		out.Enabled = next.Enabled
	}
	for _, m := range []struct {
		seen, next int
		out        *int
	}{
		{seen.FrequencyHours, next.FrequencyHours, &out.FrequencyHours},
		{seen.RetentionDays, next.RetentionDays, &out.RetentionDays},
		{seen.KeepVerified, next.KeepVerified, &out.KeepVerified},
	} {
		if m.next != m.seen {
			*m.out = m.next
		}
	}
	return out
}

// describeSchedule says what is different.
func describeSchedule(before, next schedule.Setting) string {
	switched := map[bool]string{false: "off", true: "on"}
	var all []string
	note := func(what string, was, is any) {
		switch {
		case was == is:
		case before == schedule.Setting{}:
			all = append(all, fmt.Sprintf("%s: %v", what, is))
		default:
			all = append(all, fmt.Sprintf("%s: %v -> %v", what, was, is))
		}
	}
	note("hours between scheduled backups", before.FrequencyHours, next.FrequencyHours)
	note("days that backups are kept", before.RetentionDays, next.RetentionDays)
	note("verified backups that are kept", before.KeepVerified, next.KeepVerified)
	if before.Enabled != next.Enabled || before == (schedule.Setting{}) {
		all = append([]string{fmt.Sprintf("scheduled backups: %s -> %s", switched[before.Enabled], switched[next.Enabled])}, all...)
	}
	return strings.Join(all, "; ")
}

func (e *settingsEntity) validateClaim(in flow.SlotClaim) error {
	if err := e.unlessReset(); err != nil {
		return err
	}
	return flow.EncodeFault(in.Check())
}

// claimSlot is idempotent: an attempt that is repeated finds the slot taken by itself.
func (e *settingsEntity) claimSlot(ctx workflow.Context, in flow.SlotClaim) (schedule.State, error) {
	next, err := e.state.Upkeep.Schedule.Claim(in.Slot, workflow.Now(ctx).UTC(), in.Outcome, in.BackupID, in.Code, in.Message)
	if err != nil {
		return schedule.State{}, flow.EncodeFault(err)
	}
	e.state.Upkeep.Schedule = next
	return next, nil
}

func (e *settingsEntity) validateVerdict(in flow.VerdictNote) error {
	if _, err := backup.ParseID(string(in.BackupID)); err != nil {
		return flow.EncodeFault(fault.New(fault.RequestRefused, "the verdict is about no backup", err))
	}
	if in.Sequence < 0 {
		return flow.EncodeFault(fault.Newf(fault.RequestRefused, "the verdict is about an entry %d of the ledger", in.Sequence))
	}
	return nil
}

// noteVerdict keeps the newest verdict on each backup: of the newest state that was verified, and
// of that the one that came last. No clock has a say in it.
func (e *settingsEntity) noteVerdict(ctx workflow.Context, in flow.VerdictNote) (struct{}, error) {
	before, _ := e.state.Upkeep.Verdict(in.BackupID)
	if in.Sequence < before.Sequence {
		return struct{}{}, nil
	}
	one := flow.Verdict{BackupID: in.BackupID, At: workflow.Now(ctx).UTC(), Code: in.Code, Beside: in.Beside, Sequence: in.Sequence}
	if in.BackupOnly {
		one.Beside = before.Beside
	}
	all := slices.DeleteFunc(slices.Clone(e.state.Upkeep.Verdicts), func(v flow.Verdict) bool { return v.BackupID == in.BackupID })
	e.state.Upkeep.Verdicts = newest(append(all, one), flow.MaxVerdicts)
	return struct{}{}, nil
}

// outdateVerdicts lets every verdict be one of before, because the ledger whose entries they count
// by is no longer the one in use.
func (e *settingsEntity) outdateVerdicts() {
	all := slices.Clone(e.state.Upkeep.Verdicts)
	for i := range all {
		all[i].Sequence = 0
	}
	e.state.Upkeep.Verdicts = all
}

func (e *settingsEntity) validateAcknowledgement(in flow.AlertAcknowledgement) error {
	return flow.EncodeFault(in.Check())
}

// acknowledge answers with who took note of the alert first, since it opened, unless the note is to
// be another one.
func (e *settingsEntity) acknowledge(ctx workflow.Context, in flow.AlertAcknowledgement) (flow.Acknowledgement, error) {
	for _, a := range e.state.Upkeep.Acknowledged {
		if a.Code == in.Code && a.Object == in.Object && !in.Replace && !in.Since.IsZero() && !a.At.Before(in.Since) {
			return a, nil
		}
	}
	all := slices.DeleteFunc(slices.Clone(e.state.Upkeep.Acknowledged), func(a flow.Acknowledgement) bool { return a.Code == in.Code && a.Object == in.Object })
	one := flow.Acknowledgement{Code: in.Code, Object: in.Object, At: workflow.Now(ctx).UTC(), By: in.By, Note: in.Note}
	e.state.Upkeep.Acknowledged = newest(append(all, one), flow.MaxAcknowledgements)
	return one, nil
}

// newest are the last elements of a list, at most so many.
func newest[T any](all []T, most int) []T {
	if over := len(all) - most; over > 0 {
		return slices.Clone(all[over:])
	}
	return all
}
