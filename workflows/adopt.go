package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
)

// AdoptSettings compares the active settings with what the share tells of, and goes on
// with them: as they are when nothing newer is known, and else, when that is asked for,
// behind what is lost. It has the ID of a change, so that none runs meanwhile.
func AdoptSettings(ctx workflow.Context, in flow.AdoptSettingsInput) (flow.AdoptSettingsOutput, error) {
	workflow.SetCurrentDetails(ctx, "taking the settings over, requested by "+in.RequestedBy)
	return flow.RestoreActive.Run(shortRead(ctx, "compare the settings with the share"), in)
}
