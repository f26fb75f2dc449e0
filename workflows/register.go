package workflows

import (
	"go.temporal.io/sdk/worker"

	"infrabackup/internal/flow"
)

// Register makes r answer for every workflow of the product.
func Register(r worker.WorkflowRegistry) {
	flow.Backup.Register(r, Backup)
	flow.Settings.Register(r, Settings)
	flow.Enable.Register(r, Enable)
	flow.ChangeShare.Register(r, ChangeShare)
	flow.ChangeCredentials.Register(r, ChangeCredentials)
	flow.ChangeKey.Register(r, ChangeKey)
	flow.ChangeSigningKey.Register(r, ChangeSigningKey)
	flow.ChangeServices.Register(r, ChangeServices)
	flow.AdoptSettings.Register(r, AdoptSettings)
	flow.Rewrap.Register(r, Rewrap)
	flow.Reencrypt.Register(r, Reencrypt)
	flow.ChallengeBackups.Register(r, ChallengeBackups)
	flow.List.Register(r, List)
	flow.Verify.Register(r, Verify)
	flow.VerifyAll.Register(r, VerifyAll)
	flow.Delete.Register(r, Delete)
	flow.Diagnose.Register(r, Diagnose)
	flow.Upkeep.Register(r, Upkeep)
	flow.Prune.Register(r, Prune)
	flow.PlanRestore.Register(r, PlanRestore)
	flow.Restore.Register(r, Restore)
	flow.KeyFile.Register(r, KeyFile)
	flow.Restores.Register(r, Restores)
	flow.Drills.Register(r, Drills)
	flow.Diff.Register(r, Diff)
}
