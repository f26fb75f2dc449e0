package control

import (
	"context"
	"errors"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// ShareChange is what an operator gives to move to another share.
type ShareChange struct {
	Share       settings.Share
	Username    string        // empty to keep the account
	Password    secret.String // of the account that is given
	Copy        bool          // copy the backups first
	Adopt       bool          // take over what another controller left there
	NewLedger   bool          // with Adopt: set the ledger aside and begin another
	Signers     []byte        // trusted allowed_signers, for Adopt
	RequestedBy string
}

// ChangeShare moves to another share. The old one stays active when it fails.
// CHANGE_RUNNING while another change runs.
func (c *Controller) ChangeShare(ctx context.Context, in ShareChange) (flow.ChangeShareOutput, error) {
	wanted := settings.Change{Kind: settings.KindShare, Share: &in.Share, By: in.RequestedBy, Adopt: in.Adopt}
	if in.Username != "" {
		wanted.Credential = &settings.Credential{Username: in.Username, Password: secret.NewTransfer(in.Password)}
	}
	revision, err := c.proposeChange(ctx, wanted)
	if err != nil {
		return flow.ChangeShareOutput{}, err
	}
	return change(ctx, c, flow.ChangeShare, "the change of the share", flow.ChangeSettingsInput{
		Instance: c.instance, Revision: revision, RequestedBy: in.RequestedBy, Copy: in.Copy, Adopt: in.Adopt, Signers: in.Signers, NewLedger: in.NewLedger,
	})
}

// ChangeCredentials changes the account on the share, or its password.
func (c *Controller) ChangeCredentials(ctx context.Context, username string, password secret.String, requestedBy string) (settings.Summary, error) {
	return c.apply(ctx, flow.ChangeCredentials, "the change of the account", settings.Change{
		Kind: settings.KindCredentials, By: requestedBy,
		Credential: &settings.Credential{Username: username, Password: secret.NewTransfer(password)},
	})
}

// KeyChange is what an operator gives to change keys, or how often they are to be
// proven. What is empty stays as it is.
type KeyChange struct {
	Recipients  []seal.Recipient // all that new backups are to be encrypted to
	ProofDays   *int
	RequestedBy string
}

// ChangeKey changes the keys that new backups are encrypted to.
func (c *Controller) ChangeKey(ctx context.Context, in KeyChange) (settings.Summary, error) {
	return c.apply(ctx, flow.ChangeKey, "the change of the keys", settings.Change{
		Kind: settings.KindKey, By: in.RequestedBy, Recipients: recipients(in.Recipients), ProofDays: in.ProofDays,
	})
}

// ChangeSigningKey makes a new signing key. The old one signs the entry that
// introduces it, and stays trusted for what it has signed.
func (c *Controller) ChangeSigningKey(ctx context.Context, requestedBy string) (settings.Summary, error) {
	signing, err := newSigning()
	if err != nil {
		return settings.Summary{}, err
	}
	return c.apply(ctx, flow.ChangeSigningKey, "the change of the signing key", settings.Change{
		Kind: settings.KindSigningKey, By: requestedBy, Signing: &signing,
	})
}

func (c *Controller) apply(ctx context.Context, w flow.Workflow[flow.ChangeSettingsInput, settings.Summary], what string, wanted settings.Change) (settings.Summary, error) {
	revision, err := c.proposeChange(ctx, wanted)
	if err != nil {
		return settings.Summary{}, err
	}
	return change(ctx, c, w, what, flow.ChangeSettingsInput{Instance: c.instance, Revision: revision, RequestedBy: wanted.By})
}

// proposeChange hands a change to the entity, which makes the next revision of it.
func (c *Controller) proposeChange(ctx context.Context, wanted settings.Change) (int64, error) {
	if _, err := c.Summary(ctx); err != nil {
		return 0, err
	}
	revision, err := answered(ctx, c, func(ctx context.Context) (int64, error) {
		return flow.ProposeChange.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), wanted)
	})
	return revision, c.entityFault(ctx, err)
}

// change runs the workflow that probes a proposal and activates it. When another
// change runs, the proposal is withdrawn.
func change[Out any](ctx context.Context, c *Controller, w flow.Workflow[flow.ChangeSettingsInput, Out], what string, in flow.ChangeSettingsInput) (Out, error) {
	run, err := startChange(ctx, c, w, in)
	if err != nil {
		var none Out
		return none, err
	}
	return result(ctx, c, run, watchedRun{
		id: flow.ChangeSettingsWorkflowID(c.instance), runID: run.GetRunID(), kind: w.Name, what: what, see: "infrabackup settings history",
	})
}

// startChange is change without waiting.
func startChange[Out any](ctx context.Context, c *Controller, w flow.Workflow[flow.ChangeSettingsInput, Out], in flow.ChangeSettingsInput) (flow.Run[Out], error) {
	id := flow.ChangeSettingsWorkflowID(c.instance)
	run, err := w.Start(ctx, c.client, c.options(id), in)
	if err != nil {
		refused := c.running(ctx, err, fault.ChangeRunning, "a change of settings", id)
		return run, c.withdraw(ctx, in.Revision, refused)
	}
	return run, nil
}

// withdraw forgets a proposal that comes to nothing, also when the caller has gone, and returns
// why.
func (c *Controller) withdraw(ctx context.Context, revision int64, refused error) error {
	f := fault.As(refused)
	finishing, cancel := flow.Finishing(ctx)
	defer cancel()
	_, err := flow.DropSettings.Send(finishing, c.client, flow.SettingsWorkflowID(c.instance), flow.SettingsDrop{
		Revision: revision, Code: string(f.Code), Message: f.Message(),
	})
	return errors.Join(refused, c.entityFault(finishing, err))
}

// History returns who changed what of the settings, and what came of it.
func (c *Controller) History(ctx context.Context) (settings.History, error) {
	if _, err := c.Summary(ctx); err != nil {
		return settings.History{}, err
	}
	history, err := answered(ctx, c, func(ctx context.Context) (settings.History, error) {
		return flow.SettingsHistory.Ask(ctx, c.client, flow.SettingsWorkflowID(c.instance), struct{}{})
	})
	if history.Records == nil {
		history.Records = []settings.Record{}
	}
	return history, c.entityFault(ctx, err)
}

// Reseal lets the settings be written again, encrypted with the codec key that the
// workers use now.
func (c *Controller) Reseal(ctx context.Context, requestedBy string) error {
	if _, err := c.Summary(ctx); err != nil {
		return err
	}
	_, err := answered(ctx, c, func(ctx context.Context) (struct{}, error) {
		return flow.Reseal.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.ResealInput{By: requestedBy})
	})
	return c.entityFault(ctx, err)
}
