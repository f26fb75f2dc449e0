package control

import (
	"context"
	"crypto/rand"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/seal"
	"infrabackup/internal/secret"
	"infrabackup/internal/settings"
)

// EnableRequest is what an operator gives to enable backups.
type EnableRequest struct {
	Instance    backup.Instance
	Share       settings.Share
	Username    string
	Password    secret.String
	Recipients  []seal.Recipient
	RequestedBy string
}

// Enable validates, proposes the settings to the entity, and runs the workflow that
// probes the share and puts them in force. When that fails, nothing is in force; after
// NO_WORKER or CANCELLED the outcome is open until a worker has finished it.
func (c *Controller) Enable(ctx context.Context, in EnableRequest) (settings.Summary, error) {
	proposal, err := in.settings()
	if err != nil {
		return settings.Summary{}, err
	}
	if err := proposal.Validate(); err != nil {
		return settings.Summary{}, err
	}
	if err := c.ready(ctx); err != nil {
		return settings.Summary{}, err
	}
	revision, err := c.propose(ctx, flow.SettingsProposal{Settings: proposal, First: true})
	if err != nil {
		return settings.Summary{}, err
	}
	id := flow.ChangeSettingsWorkflowID(c.instance)
	run, err := flow.Enable.Start(ctx, c.client, c.options(id), flow.ChangeSettingsInput{
		Instance: c.instance, Revision: revision, RequestedBy: in.RequestedBy,
	})
	if err != nil {
		_, dropErr := flow.DropSettings.Send(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.SettingsChoice{Revision: revision})
		return settings.Summary{}, errors.Join(c.running(ctx, err, fault.ChangeRunning, "a change of settings", id), c.fault(dropErr))
	}
	return result(ctx, c, run, watchedRun{id: id, runID: run.GetRunID(), what: "enabling"})
}

// propose hands settings to the entity, which it starts when it does not run.
func (c *Controller) propose(ctx context.Context, proposal flow.SettingsProposal) (int64, error) {
	id := flow.SettingsWorkflowID(c.instance)
	options := c.options(id)
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	revision, err := answered(ctx, c, func(ctx context.Context) (int64, error) {
		start := c.client.NewWithStartWorkflowOperation(options, flow.Settings.Name, flow.SettingsState{Instance: c.instance})
		return flow.ProposeSettings.SendWithStart(ctx, c.client, start, id, proposal)
	})
	return revision, c.fault(err)
}

func (r EnableRequest) settings() (settings.Settings, error) {
	private, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		return settings.Settings{}, err
	}
	key, err := seal.ParseSigningKey(private)
	if err != nil {
		return settings.Settings{}, err
	}
	s := settings.Settings{
		Instance: r.Instance, Share: r.Share, ChangedBy: r.RequestedBy,
		Credential: settings.Credential{Username: r.Username, Password: secret.NewTransfer(r.Password)},
		Signing:    settings.Signing{PrivateKey: secret.NewTransfer(private), Public: key.Public()},
	}
	for _, recipient := range r.Recipients {
		s.Recipients = append(s.Recipients, settings.Recipient{
			Recipient: backup.Recipient{Kind: recipient.Kind, Fingerprint: recipient.Fingerprint}, Text: recipient.Text, Expires: recipient.Expires,
		})
	}
	return s, nil
}

// Summary tells what is in force, without secrets. NOT_ENABLED when nothing is.
func (c *Controller) Summary(ctx context.Context) (settings.Summary, error) {
	if err := c.ready(ctx); err != nil {
		return settings.Summary{}, err
	}
	summary, err := answered(ctx, c, func(ctx context.Context) (settings.Summary, error) {
		return flow.SummarySettings.Ask(ctx, c.client, flow.SettingsWorkflowID(c.instance), struct{}{})
	})
	if err == nil && summary.Revision == 0 {
		err = fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", c.instance)
	}
	return summary, c.fault(err)
}

// Settings returns what is in force with its secrets, for a caller that reads the
// share itself.
func (c *Controller) Settings(ctx context.Context) (settings.Settings, error) {
	if err := c.ready(ctx); err != nil {
		return settings.Settings{}, err
	}
	s, err := answered(ctx, c, func(ctx context.Context) (settings.Settings, error) {
		return flow.GetSettings.Ask(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.SettingsChoice{})
	})
	if err == nil && s.Revision == 0 {
		err = fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", c.instance)
	}
	return s, c.fault(err)
}
