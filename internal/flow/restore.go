package flow

import (
	"regexp"

	"infrabackup/internal/backup"
	"infrabackup/internal/flow/diffs"
	"infrabackup/internal/flow/drills"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/secret"
)

// What brings a backup back into a target that workers have an account of.
var (
	// PlanRestore makes the plan of a restore, or that of its undo, and writes nothing to the
	// target.
	PlanRestore = Workflow[RestorePlanInput, RestorePlan]{"RestorePlanWorkflow"}
	// Restore does what such a plan says.
	Restore = Workflow[RestoreInput, RestoreResult]{"RestoreWorkflow"}
	// KeyFile reads a backup's key.age for an operator who cannot reach the share. It is
	// ciphertext, which only holders of a recipient's private key open.
	KeyFile = Workflow[KeyFileInput, KeyFileOutput]{"KeyFileWorkflow"}
	// Restores reads plans, and lists restores, for callers who cannot reach the share; Drills reads
	// certificates of drills, and Diff compares two backups, for them.
	Restores = Workflow[restores.Input, restores.Output]{"RestoresWorkflow"}
	Drills   = Workflow[drills.Input, drills.Output]{"DrillsWorkflow"}
	Diff     = Workflow[diffs.Input, diffs.Output]{"DiffWorkflow"}
)

// Their activities, in the order in which they run.
var (
	MakeRestorePlan = Activity[RestorePlanInput, RestorePlan]{"MakeRestorePlan"}
	OpenRestore     = Activity[RestoreInput, OpenedRestore]{"OpenRestore"}
	CompareRestore  = Activity[RestoreInput, struct{}]{"CompareRestore"}
	RestoreBatch    = Activity[RestoreBatchInput, restore.Totals]{"RestoreBatch"}
	CloseRestore    = Activity[RestoreInput, struct{}]{"CloseRestore"}
	ReadKeyFile     = Activity[KeyFileInput, KeyFileOutput]{"ReadKeyFile"}      // of KeyFile
	ReadRestores    = Activity[restores.Input, restores.Output]{"ReadRestores"} // of Restores
	ReadDrills      = Activity[drills.Input, drills.Output]{"ReadDrills"}       // of Drills
	CompareBackups  = Activity[diffs.Input, diffs.Output]{"CompareBackups"}     // of Diff
)

// TargetName is what targets of workers are called: a part of the name of a queue.
var TargetName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// RestoreAccess is what a restore needs of the operator who wants it.
type RestoreAccess struct {
	Instance string `json:"instance"`
	Target   string `json:"target"` // what the workers' configuration calls it
	// Key is the key of the one backup that is restored; of an undo whose backup is gone, that of
	// the restore's plan. The operator's own key never leaves the operator.
	Key         secret.Transfer `json:"key"`
	RequestedBy string          `json:"requestedBy"` // who wants it, as that one says
}

// RestorePlanInput asks for a plan.
type RestorePlanInput struct {
	RestoreAccess
	BackupID  backup.ID         `json:"backupId"`
	Selection restore.Selection `json:"selection"`
	// Policies are by service; what has none is updated.
	Policies map[backup.Service]restore.Policy `json:"policies,omitempty"`
	Site     *mapping.Site                     `json:"site,omitempty"` // the target's names, where they are others
	// Undoes is the restore that is to be taken back; empty for a restore. A selection is none then.
	Undoes     string   `json:"undoes,omitempty"`
	Recipients []string `json:"recipients"` // public keys of those who are to read the plan
}

// RestorePlan says what was planned. The plan itself lies on the share, encrypted.
type RestorePlan struct {
	PlanID string         `json:"planId"`
	Counts restore.Counts `json:"counts"`
	// Begun says of an undo that an earlier try of it was ended, and that this one goes on.
	Begun bool `json:"begun,omitempty"`
	// Production is the ID of a target that may be the cloud that was backed up, which has to be
	// consented to; empty of any other.
	Production string `json:"production,omitempty"`
}

// RestoreInput asks for what a plan says.
type RestoreInput struct {
	RestoreAccess
	PlanID   string          `json:"planId"`
	BackupID backup.ID       `json:"backupId"` // of the plan
	Consent  restore.Consent `json:"consent"`
	// Done is how far a run before this one came.
	Done *RestoreState `json:"done,omitempty"`
	// First is the plan that the run makes before it does what that says, for a caller who will
	// not read it; there is no PlanID then.
	First *RestoreFirst `json:"first,omitempty"`
}

// RestoreFirst asks for a plan that is applied by the run that makes it. Members are those of
// [RestorePlanInput].
type RestoreFirst struct {
	Selection  restore.Selection `json:"selection"`
	Recipients []string          `json:"recipients"`
	// Production consents to a target that may be the cloud that was backed up, whatever its ID.
	Production bool `json:"production,omitempty"`
}

// RestoreState is how far a restore is.
type RestoreState struct {
	Batches int            `json:"batches"` // of the plan
	Ended   int            `json:"ended"`   // of these
	Totals  restore.Totals `json:"totals"`
	Refused int            `json:"refused,omitempty"` // see [RestoreResult]
}

// OpenedRestore says what is to be done. One that was begun is not compared again.
type OpenedRestore struct {
	Batches int  `json:"batches"`
	Begun   bool `json:"begun"`
}

// RestoreBatchInput asks for a batch of steps.
type RestoreBatchInput struct {
	RestoreInput
	Number int `json:"number"` // from 0 on
}

// RestoreResult is what came of a restore.
type RestoreResult struct {
	PlanID string         `json:"planId"`
	Totals restore.Totals `json:"totals"`
	// Refused is what a plan that the run made has refused, which no step was made of.
	Refused int `json:"refused,omitempty"`
}

// RestoreProgress tells how far the running restore is.
var RestoreProgress = Query[struct{}, RestoreAt]{"restore-progress"}

// RestoreAt is how far a restore is.
type RestoreAt struct {
	PlanID   string    `json:"planId"`
	BackupID backup.ID `json:"backupId"`
	Target   string    `json:"target"`
	Step     string    `json:"step"` // in words
	RestoreState
}

// KeyFileInput asks for the key.age of a backup.
type KeyFileInput struct {
	Instance string    `json:"instance"`
	BackupID backup.ID `json:"backupId"`
}

// KeyFileOutput is the key.age of a backup that a trusted key has signed.
type KeyFileOutput struct {
	BackupID backup.ID `json:"backupId"`
	Public   string    `json:"public"` // half of the backup's key
	KeyAge   []byte    `json:"keyAge"`
}

// Bounds of requests.
const maxSelected, maxRecipients, maxKeyText = 1000, 100, 8 << 10

// check makes sure of what every request has.
func (in RestoreAccess) check(instance string) error {
	err := first(checkInstance(in.Instance, instance), checkBy(in.RequestedBy))
	switch {
	case err != nil:
		return err
	case !TargetName.MatchString(in.Target):
		return notSent("%.100q is no name of a target", in.Target)
	case in.Key.IsZero() || len(in.Key.Reveal()) > maxKeyText:
		return notSent("the request brings no key of a backup")
	}
	return nil
}

func checkPlanID(id string) error {
	if !digestForm.MatchString(id) {
		return notSent("%.100q is no ID of a plan", id)
	}
	return nil
}

// Check implements [Input].
func (in KeyFileInput) Check(instance string) error {
	return first(checkInstance(in.Instance, instance), checkBackup(in.BackupID))
}

// Check implements [Input].
func (in RestorePlanInput) Check(instance string) error {
	err := first(in.check(instance), checkBackup(in.BackupID))
	s := in.Selection
	selected := len(s.Services) + len(s.Items) + len(s.Patterns)
	switch {
	case err != nil:
		return err
	case in.Undoes != "" && selected+len(in.Policies) > 0:
		return notSent("an undo takes a restore back as a whole")
	case selected > maxSelected:
		return notSent("%d services, items and patterns are selected, at most %d are taken", selected, maxSelected)
	case len(in.Recipients) == 0 || len(in.Recipients) > maxRecipients:
		return notSent("the plan is for %d keys, 1 to %d are possible", len(in.Recipients), maxRecipients)
	}
	for service := range in.Policies {
		err = first(err, checkService(service))
	}
	if in.Undoes != "" {
		err = first(err, checkPlanID(in.Undoes))
	}
	return err
}

// Check implements [Input].
func (in RestoreInput) Check(instance string) error {
	if n := len(in.Consent.Irreversible); n > maxSelected {
		return notSent("%d steps are consented to one by one, at most %d are taken", n, maxSelected)
	}
	return first(in.check(instance), checkBackup(in.BackupID), checkPlanID(in.PlanID)) // a step has a plan
}

// Check implements [Input].
func (in RestoreBatchInput) Check(instance string) error {
	if in.Number < 0 || in.Number > restore.MaxSteps {
		return notSent("a plan has no batch %d", in.Number)
	}
	return in.RestoreInput.Check(instance)
}
