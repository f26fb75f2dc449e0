package workflows

import (
	"strconv"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// Enable probes the share with the proposed settings and puts them in force, or
// drops them when the probe fails. Its history shows who asked and what came of
// it; the values are with the settings entity.
func Enable(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
	workflow.SetCurrentDetails(ctx, "probing the share with revision "+strconv.FormatInt(in.Revision, 10)+", asked for by "+in.RequestedBy)
	probe, err := flow.ProbeShare.Run(probing(ctx, "write, read back, rename, delete"), flow.ProbeShareInput{Revision: in.Revision})
	if err != nil {
		drop(ctx, in.Revision)
		workflow.SetCurrentDetails(ctx, "refused: "+flow.DecodeFault(err).Message())
		return settings.Summary{}, err
	}
	summary, err := flow.SettleChange.Run(preparing(ctx, "put the settings in force"), flow.SettleChangeInput{Revision: in.Revision})
	if err != nil {
		drop(ctx, in.Revision)
		return settings.Summary{}, err
	}
	workflow.SetCurrentDetails(ctx, "revision "+strconv.FormatInt(in.Revision, 10)+" is in force; the share speaks "+probe.Dialect+" with "+probe.Cipher)
	return summary, nil
}

// drop forgets a proposal, also after a cancellation. When it cannot, the entity
// forgets it by itself after some further changes.
func drop(ctx workflow.Context, revision int64) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	_, err := flow.SettleChange.Run(tidying(ctx, "drop the proposal"), flow.SettleChangeInput{Revision: revision, Drop: true})
	if err != nil {
		workflow.GetLogger(ctx).Warn("the proposal was not dropped", "revision", revision, "error", err)
	}
}
