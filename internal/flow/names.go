package flow

import (
	"strings"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
)

// Queue is the task queue that every worker of the instance polls.
func Queue(instance string) string { return "infrabackup-" + instance }

// SpoolQueue is the task queue that only the worker on host polls: work on data
// that lies in that host's spool.
func SpoolQueue(instance, host string) string { return Queue(instance) + "-spool-" + host }

// instanceOf is the instance that a workflow belongs to by its ID.
func instanceOf(workflowID string) string {
	instance, _, _ := strings.Cut(workflowID, ":")
	return instance
}

// InstanceOf is the instance that a run belongs to.
func InstanceOf(ctx workflow.Context) string {
	return instanceOf(workflow.GetInfo(ctx).WorkflowExecution.ID)
}

// SourceQueue is the task queue that the workers poll which have a source for the
// service: its capture goes to one of them.
func SourceQueue(instance string, service backup.Service) string {
	return Queue(instance) + "-source-" + strings.ToLower(string(service))
}

// TargetQueue is the task queue that the workers poll which may write to a target of
// restores.
func TargetQueue(instance, target string) string { return Queue(instance) + "-target-" + target }

// workerIdentity begins what a worker calls itself towards Temporal; its host follows.
const workerIdentity = "infrabackup-worker@"

// WorkerIdentity is what the worker on a host calls itself towards Temporal, so that
// each can be asked by itself.
func WorkerIdentity(host string) string { return workerIdentity + host }

// HostOf is the host of a worker that calls itself so; false for whatever else polls.
func HostOf(identity string) (string, bool) {
	host, ok := strings.CutPrefix(identity, workerIdentity)
	return host, ok && backup.IsHost(host)
}

// BackupWorkflowID is the fixed ID that lets one backup run at a time.
func BackupWorkflowID(instance string) string { return instance + ":backup" }

// SettingsWorkflowID is the ID of the instance's settings entity.
func SettingsWorkflowID(instance string) string { return instance + ":settings" }

// ChangeSettingsWorkflowID is the fixed ID that lets one settings change run at a
// time.
func ChangeSettingsWorkflowID(instance string) string { return instance + ":change-settings" }

// RestoreWorkflowID is the fixed ID that lets one restore, or undo of one, run at a time.
func RestoreWorkflowID(instance string) string { return instance + ":restore" }

// RestorePlanWorkflowID is the fixed ID that lets one plan be made at a time.
func RestorePlanWorkflowID(instance string) string { return instance + ":restore-plan" }

// VerifyWorkflowID lets one verification of a backup run at a time.
func VerifyWorkflowID(instance string, id backup.ID) string {
	return instance + ":verify:" + string(id)
}

// VerifyAllWorkflowID lets one audit of the share run at a time.
func VerifyAllWorkflowID(instance string) string { return instance + ":verify-all" }

// ReplaceKeysWorkflowID lets one replacement of keys run at a time.
func ReplaceKeysWorkflowID(instance string) string { return instance + ":replace-keys" }

// ChallengeWorkflowID is the ID of one making of challenges. Request makes it unique.
func ChallengeWorkflowID(instance, request string) string { return instance + ":challenge:" + request }

// DeleteWorkflowID lets one deletion of a backup run at a time.
func DeleteWorkflowID(instance string, id backup.ID) string {
	return instance + ":delete:" + string(id)
}

// UpkeepScheduleID is the ID of the Temporal Schedule that starts [Upkeep], and begins the
// IDs of the runs that it starts.
func UpkeepScheduleID(instance string) string { return instance + ":upkeep" }

// PruneWorkflowID is the fixed ID that lets one removal of expired backups run at a time.
func PruneWorkflowID(instance string) string { return instance + ":prune" }

// ListWorkflowID is the ID of one look at the share. Request makes it unique.
func ListWorkflowID(instance, request string) string { return instance + ":list:" + request }

// KeyFileWorkflowID lets one look at the key.age of a backup run at a time.
func KeyFileWorkflowID(instance string, id backup.ID) string {
	return instance + ":key-file:" + string(id)
}

// RestoresWorkflowID is the ID of one look at the restores. Request makes it unique.
func RestoresWorkflowID(instance, request string) string { return instance + ":restores:" + request }

// DiffWorkflowID is the fixed ID that lets one comparison run at a time.
func DiffWorkflowID(instance string) string { return instance + ":diff" }

// DrillsWorkflowID is the ID of one look at the drills. Request makes it unique.
func DrillsWorkflowID(instance, request string) string { return instance + ":drills:" + request }

// DiagnoseWorkflowID is the ID of one diagnosis. Request makes it unique.
func DiagnoseWorkflowID(instance, request string) string { return instance + ":doctor:" + request }
