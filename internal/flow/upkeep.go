package flow

import (
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/retention"
	"infrabackup/internal/schedule"
)

// What goes on by itself.
var (
	// Upkeep does what is due: it starts the scheduled backup, verifies, and removes what
	// has expired. A Temporal Schedule starts it, every [UpkeepInterval].
	Upkeep = Alarm[UpkeepOutput]{"UpkeepWorkflow"}
	// Prune removes what has expired, because an operator wants it now.
	Prune = Workflow[PruneInput, PruneOutput]{"PruneWorkflow"}
)

// UpkeepInterval is how often it is looked what is due.
const UpkeepInterval = 30 * time.Minute

// Their activities, besides [VerifyBackup] and [DeleteBackup].
var (
	PlanUpkeep     = Activity[PlanUpkeepInput, PlanUpkeepOutput]{"PlanUpkeep"}
	StartScheduled = Activity[StartScheduledInput, StartScheduledOutput]{"StartScheduled"}
)

// Who wants what goes on by itself.
const (
	ByRetention = "retention"
	BySchedule  = "schedule"
)

// Messages to the settings entity about upkeep. None needs the share: backups can be
// paused while it is away.
var (
	SetSchedule      = Update[ScheduleChange, schedule.State]{"set-schedule"}
	ClaimSlot        = Update[SlotClaim, schedule.State]{"claim-slot"}
	NoteVerdict      = Update[VerdictNote, struct{}]{"note-verdict"}
	AcknowledgeAlert = Update[AlertAcknowledgement, Acknowledgement]{"acknowledge-alert"}
	GetUpkeep        = Query[struct{}, UpkeepState]{"upkeep"}
)

// Bounds of what the settings entity remembers of upkeep; what is older is forgotten.
const (
	MaxVerdicts         = 500
	MaxAcknowledgements = 200
	// MaxNote bounds the note of an acknowledgement, in bytes.
	MaxNote = 300
)

// UpkeepState is what the settings entity remembers of what goes on by itself.
type UpkeepState struct {
	Schedule     schedule.State    `json:"schedule,omitzero"`
	Verdicts     []Verdict         `json:"verdicts,omitempty"`     // one for each backup, the newest last
	Acknowledged []Acknowledgement `json:"acknowledged,omitempty"` // one for each alert, the newest last
}

// Verdict is what came of the newest verification of a backup. Package upkeep judges it.
type Verdict struct {
	BackupID backup.ID `json:"backupId"`
	At       time.Time `json:"at"`
	Code     string    `json:"code,omitempty"`   // of what was found about the backup itself, empty when nothing was
	Beside   string    `json:"beside,omitempty"` // of what was found elsewhere on the share, empty when nothing was
	// Sequence is that of the ledger's newest entry about the backup, as the verification saw it:
	// the verdict is about the backup as that entry left it. 0 when there was none, or when the
	// ledger has been another one since.
	Sequence int64 `json:"sequence,omitempty"`
}

// Acknowledgement says that somebody has taken note of an alert.
type Acknowledgement struct {
	Code   string    `json:"code"`
	Object string    `json:"object,omitempty"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Note   string    `json:"note,omitempty"`
}

// Verdict returns what came of the newest verification of a backup, false when there was
// none.
func (s UpkeepState) Verdict(id backup.ID) (Verdict, bool) {
	for _, v := range s.Verdicts {
		if v.BackupID == id {
			return v, true
		}
	}
	return Verdict{}, false
}

// ScheduleChange sets the schedule.
type ScheduleChange struct {
	Setting schedule.Setting `json:"setting"`
	By      string           `json:"by"`
	// Over is the setting that the sender has seen, and SETTINGS_CHANGED the answer when it is
	// another one by now. Nil replaces any.
	Over *schedule.Setting `json:"over,omitempty"`
}

// SlotClaim takes a slot of the schedule, for the one backup that is started for it or for
// none. SETTINGS_CHANGED when it is not due, or somebody else has taken it.
type SlotClaim struct {
	Slot    time.Time        `json:"slot"`
	Outcome schedule.Outcome `json:"outcome"`
	// BackupID is the backup that is started. Of a slot that is skipped, it is the one that the
	// slot was taken for and that could not be started.
	BackupID backup.ID `json:"backupId,omitempty"`
	Code     string    `json:"code,omitempty"`    // why it was skipped, or what did not keep it from being started
	Message  string    `json:"message,omitempty"` // the same in words
}

// VerdictNote tells what came of a verification; its members are those of a [Verdict]. One of an
// earlier state of the backup than what is remembered is dropped.
type VerdictNote struct {
	BackupID backup.ID `json:"backupId"`
	Code     string    `json:"code,omitempty"`
	Beside   string    `json:"beside,omitempty"`
	Sequence int64     `json:"sequence,omitempty"`
	// BackupOnly says that only the backup was looked at: what was found elsewhere before stands.
	BackupOnly bool `json:"backupOnly,omitempty"`
}

// AlertAcknowledgement says that somebody has taken note of an alert.
type AlertAcknowledgement struct {
	Code   string `json:"code"`
	Object string `json:"object,omitempty"`
	By     string `json:"by"`
	Note   string `json:"note,omitempty"` // why it may stay, at most [MaxNote] bytes
	// Since is when the alert opened: an acknowledgement that was made after it stays. Zero
	// replaces any.
	Since time.Time `json:"since,omitzero"`
	// Replace takes the place of one that stays otherwise.
	Replace bool `json:"replace,omitempty"`
}

// PlanUpkeepInput asks what is due.
type PlanUpkeepInput struct {
	Instance string `json:"instance"`
	// Now is the time by Temporal's clock, which is compared with that of the worker's host:
	// one of them that is set wrong removes nothing.
	Now time.Time `json:"now"`
	// SlotOnly asks only for the slot of the schedule, for which the share is not read.
	SlotOnly   bool `json:"slotOnly,omitempty"`
	AcrossHole bool `json:"acrossHole,omitempty"` // see [retention.Policy]
	// Try plans by another setting than the active one.
	Try *schedule.Setting `json:"try,omitempty"`
}

// PlanUpkeepOutput is what is due.
type PlanUpkeepOutput struct {
	Enabled  bool        `json:"enabled,omitempty"`  // backups start, and what has expired goes, by themselves
	Due      bool        `json:"due,omitempty"`      // a backup is
	Slot     time.Time   `json:"slot,omitzero"`      // for which it is due
	BackupID backup.ID   `json:"backupId,omitempty"` // that it gets
	Verify   []backup.ID `json:"verify,omitempty"`   // backups that are to be verified, in this order
	Prune    PrunePlan   `json:"prune,omitzero"`
}

// PrunePlan is what becomes of the backups by their age.
type PrunePlan struct {
	Seen      Seen            `json:"seen,omitzero"`      // by which it was decided
	Decisions []PruneDecision `json:"decisions"`          // the newest first, at most [MaxListed], those to be removed among them
	More      bool            `json:"more,omitempty"`     // others were left out
	Hold      string          `json:"hold,omitempty"`     // why nothing is removed, in words
	HoldCode  retention.Code  `json:"holdCode,omitempty"` // why nothing is removed
}

// PruneDecision is what becomes of one backup.
type PruneDecision struct {
	BackupID   backup.ID      `json:"backupId"`
	Path       string         `json:"path"` // of its folder, relative to the share's path
	FinishedAt time.Time      `json:"finishedAt,omitzero"`
	Remove     bool           `json:"remove"`
	Code       retention.Code `json:"code"`
	Reason     string         `json:"reason"`
}

// Remove are the backups that are to be removed, the oldest first.
func (p PrunePlan) Remove() []backup.ID {
	var ids []backup.ID
	for i := len(p.Decisions) - 1; i >= 0 && p.Hold == ""; i-- {
		if d := p.Decisions[i]; d.Remove {
			ids = append(ids, d.BackupID)
		}
	}
	return ids
}

// StartScheduledInput asks for the backup of a slot.
type StartScheduledInput struct {
	Instance string    `json:"instance"`
	Slot     time.Time `json:"slot"`
	BackupID backup.ID `json:"backupId"` // the same in every attempt
}

// StartScheduledOutput tells what came of a slot. Outcome is empty when somebody else had
// taken it.
type StartScheduledOutput struct {
	Outcome schedule.Outcome `json:"outcome,omitempty"`
	RunID   string           `json:"runId,omitempty"`   // of the backup that was started
	Code    string           `json:"code,omitempty"`    // why none was
	Message string           `json:"message,omitempty"` // the same in words
}

// UpkeepOutput is what was done.
type UpkeepOutput struct {
	Slot     time.Time            `json:"slot,omitzero"` // that was due
	BackupID backup.ID            `json:"backupId,omitempty"`
	Started  StartScheduledOutput `json:"started,omitzero"`
	Verdicts []Verdict            `json:"verdicts,omitempty"`
	Removed  []backup.ID          `json:"removed,omitempty"`
	Failed   []FailedStep         `json:"failed,omitempty"` // steps that failed, and kept the others from nothing
	Hold     string               `json:"hold,omitempty"`   // why nothing was removed
}

// FailedStep is a step of upkeep that failed.
type FailedStep struct {
	Step     string    `json:"step"` // verify or delete, start or plan
	BackupID backup.ID `json:"backupId,omitempty"`
	Code     string    `json:"code"`
	Message  string    `json:"message"`
}

// PruneInput asks for the removal of what has expired.
type PruneInput struct {
	Instance    string `json:"instance"`
	DryRun      bool   `json:"dryRun,omitempty"`     // only tell what would be removed
	AcrossHole  bool   `json:"acrossHole,omitempty"` // see [retention.Policy]
	RequestedBy string `json:"requestedBy"`
	// Try tells what would be removed by another setting; nothing is removed then.
	Try *schedule.Setting `json:"try,omitempty"`
}

// PruneOutput tells what was removed, or would be.
type PruneOutput struct {
	Plan    PrunePlan    `json:"plan"`
	Removed []backup.ID  `json:"removed,omitempty"`
	Failed  []FailedStep `json:"failed,omitempty"`
}

// Check implements [Input].
func (in PlanUpkeepInput) Check(instance string) error {
	err := checkInstance(in.Instance, instance)
	if err == nil && in.Now.IsZero() {
		err = notSent("the request names no time")
	}
	return err
}

// Check implements [Input].
func (in StartScheduledInput) Check(instance string) error {
	err := first(checkInstance(in.Instance, instance), checkBackup(in.BackupID))
	if err == nil && in.Slot.IsZero() {
		err = notSent("the request names no slot")
	}
	return err
}

// Check reports why an acknowledgement cannot be one: USAGE.
func (in AlertAcknowledgement) Check() error {
	switch {
	case in.Code == "":
		return fault.Usagef("the acknowledgement names no alert")
	case len(in.Note) > MaxNote:
		return fault.Usagef("the note has %d bytes, and may have %d", len(in.Note), MaxNote)
	}
	return nil
}

// Check reports why a claim cannot be one.
func (in SlotClaim) Check() error {
	if in.Slot.IsZero() || in.Outcome != schedule.Started && in.Outcome != schedule.Skipped {
		return notSent("a claim names no slot, or not what came of it")
	}
	if in.Outcome == schedule.Started || in.BackupID != "" {
		return checkBackup(in.BackupID)
	}
	return nil
}
