package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
)

// Rewrap puts new key files into finished backups, one after the other. The activity
// passes over those that an earlier attempt has done.
func Rewrap(ctx workflow.Context, in flow.RewrapInput) (flow.RewrapOutput, error) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("replacing the keys of %d backups, requested by %s", len(in.Keys), in.RequestedBy))
	return flow.ReplaceKeys.Run(streaming(ctx, fmt.Sprintf("replace %d keys", len(in.Keys))), in)
}

// Reencrypt replaces a backup by the one that was re-encrypted into staging/.
func Reencrypt(ctx workflow.Context, in flow.ReencryptInput) (flow.ReplacedBackup, error) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("replacing backup %s by a re-encrypted one, requested by %s", in.BackupID, in.RequestedBy))
	return flow.SwapBackup.Run(streaming(ctx, "read back, sign and swap "+string(in.BackupID)), in)
}

// ChallengeBackups makes challenges to the keys of backups, for whoever is about to wrap
// them again.
func ChallengeBackups(ctx workflow.Context, in flow.ChallengeInput) (flow.ChallengeOutput, error) {
	return flow.MakeChallenges.Run(shortRead(ctx, fmt.Sprintf("challenge the keys of %d backups", len(in.Backups))), in)
}
