package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// Enable probes the share with the first settings and activates them, or drops
// them when the probe fails. Its history shows who asked and what came of it; the
// values are with the settings entity.
func Enable(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
	return (&settingsChange{in: in, what: "settings"}).run(ctx)
}

// ChangeShare moves to another share: it probes the new one, on request copies the
// backups there and compares them, and then switches. A backup that runs goes on with
// the share that it began with.
func ChangeShare(ctx workflow.Context, in flow.ChangeSettingsInput) (flow.ChangeShareOutput, error) {
	change := &settingsChange{in: in, what: "share"}
	summary, err := change.run(ctx)
	if err != nil {
		return flow.ChangeShareOutput{}, err
	}
	return flow.ChangeShareOutput{
		Settings: summary, Before: change.probe.Before, Copied: change.copied.Backups, LeftBehind: change.probe.Held,
	}, nil
}

// ChangeCredentials changes the account on the share.
func ChangeCredentials(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
	return (&settingsChange{in: in, what: "account"}).run(ctx)
}

// ChangeKey changes the operators' keys that new backups are encrypted to.
func ChangeKey(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
	return (&settingsChange{in: in, what: "keys"}).run(ctx)
}

// ChangeSigningKey changes the key that signs backups. What was signed before stays
// valid.
func ChangeSigningKey(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
	return (&settingsChange{in: in, what: "signing key"}).run(ctx)
}

// ChangeServices changes what a backup has to contain.
func ChangeServices(ctx workflow.Context, in flow.ChangeSettingsInput) (settings.Summary, error) {
	return (&settingsChange{in: in, what: "services"}).run(ctx)
}

// settingsChange takes one proposal from the probe until it is active.
type settingsChange struct {
	in     flow.ChangeSettingsInput
	what   string
	probe  flow.ProbeShareOutput
	copied flow.CopyBackupsOutput
}

// run probes, copies when asked to, and settles. When any of it fails, the proposal is
// dropped, and what was active stays so.
func (c *settingsChange) run(ctx workflow.Context) (settings.Summary, error) {
	c.tell(ctx, "probing the share with revision %d", c.in.Revision)
	summary, err := c.apply(ctx)
	if err != nil {
		c.drop(ctx, err)
		c.tell(ctx, "refused: %s", flow.DecodeFault(err).Message())
		return settings.Summary{}, err
	}
	c.tell(ctx, "revision %d is active; the share speaks %s with %s", c.in.Revision, c.probe.Dialect, c.probe.Cipher)
	return summary, nil
}

func (c *settingsChange) apply(ctx workflow.Context) (settings.Summary, error) {
	var err error
	c.probe, err = flow.ProbeShare.Run(probing(ctx, "write, read back, rename, delete"), flow.ProbeShareInput{
		Instance: c.in.Instance, Revision: c.in.Revision, Adopt: c.in.Adopt, Signers: c.in.Signers, Copy: c.in.Copy, NewLedger: c.in.NewLedger,
	})
	if err != nil {
		return settings.Summary{}, err
	}
	if c.in.Copy {
		c.tell(ctx, "copying %d backups to the new share", c.probe.Held)
		c.copied, err = flow.CopyBackups.Run(streaming(ctx, "copy the backups and compare them"), flow.CopyBackupsInput{
			Instance: c.in.Instance, Revision: c.in.Revision, Probe: c.probe.Probe,
		})
		if err != nil {
			return settings.Summary{}, err
		}
	}
	return flow.SettleChange.Run(preparing(ctx, "activate the "+c.what), flow.SettleChangeInput{
		Instance: c.in.Instance, Revision: c.in.Revision, Adopt: c.in.Adopt, Signers: c.in.Signers, NewLedger: c.in.NewLedger, Probe: c.probe.Probe,
		Copied: c.copied.Head, Schedule: c.in.Schedule, ScheduleOver: c.in.ScheduleOver,
	})
}

// drop forgets the proposal, also after a cancellation. When it cannot, the entity
// forgets it by itself after some further changes.
func (c *settingsChange) drop(ctx workflow.Context, cause error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	f := flow.DecodeFault(cause)
	_, err := flow.SettleChange.Run(tidying(ctx, "drop the proposal"), flow.SettleChangeInput{
		Instance: c.in.Instance, Revision: c.in.Revision, Drop: true, Code: string(f.Code), Message: f.Message(),
	})
	if err != nil {
		workflow.GetLogger(ctx).Warn("the proposal was not dropped", "revision", c.in.Revision, "error", err)
	}
}

// tell shows in the Web UI what goes on, and who asked for it.
func (c *settingsChange) tell(ctx workflow.Context, format string, args ...any) {
	workflow.SetCurrentDetails(ctx, fmt.Sprintf("Change of %s requested by %s: %s", c.what, c.in.RequestedBy, fmt.Sprintf(format, args...)))
}
