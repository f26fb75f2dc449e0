package control

import (
	"context"
	"crypto/rand"

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
	ProofDays   int // 0 for [settings.DefaultProofDays]
	RequestedBy string
	// Services are what a backup has to contain; empty for what the workers that answer
	// have sources for.
	Services []backup.Service
	// Adopt takes over what another controller left on the share; Signers is a trusted
	// copy of its allowed_signers, empty to trust the share's own.
	Adopt   bool
	Signers []byte
}

// Enable validates, proposes the settings to the entity, and runs the workflow that
// probes the share and activates them. When that fails, no settings are active; after
// NO_WORKER or CANCELLED the outcome is open until a worker has finished it.
func (c *Controller) Enable(ctx context.Context, in EnableRequest) (settings.Summary, error) {
	revision, err := c.proposeFirst(ctx, in)
	if err != nil {
		return settings.Summary{}, err
	}
	return change(ctx, c, flow.Enable, "enabling", flow.ChangeSettingsInput{
		Instance: c.instance, Revision: revision, RequestedBy: in.RequestedBy, Adopt: in.Adopt, Signers: in.Signers,
	})
}

// proposeFirst hands the first settings to the entity.
func (c *Controller) proposeFirst(ctx context.Context, in EnableRequest) (int64, error) {
	proposal, err := in.settings()
	if err != nil {
		return 0, err
	}
	if err := proposal.Validate(); err != nil {
		return 0, err
	}
	if err := c.ready(ctx); err != nil {
		return 0, err
	}
	if len(proposal.Services) == 0 {
		if proposal.Services, err = c.Sources(ctx); err != nil {
			return 0, err
		}
	}
	return c.propose(ctx, flow.SettingsProposal{Settings: proposal, First: true})
}

// propose hands settings to the entity, which it starts when it does not run.
func (c *Controller) propose(ctx context.Context, proposal flow.SettingsProposal) (int64, error) {
	id := flow.SettingsWorkflowID(c.instance)
	options := c.options(id)
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	revision, err := answered(ctx, c, func(ctx context.Context) (int64, error) {
		if _, err := flow.Settings.Start(ctx, c.client, options, flow.SettingsState{Instance: c.instance}); err != nil {
			return 0, err
		}
		return flow.ProposeSettings.Send(ctx, c.client, id, proposal)
	})
	return revision, c.fault(err)
}

func (r EnableRequest) settings() (settings.Settings, error) {
	signing, err := newSigning()
	if err != nil {
		return settings.Settings{}, err
	}
	controller, err := backup.NewID(rand.Reader)
	if err != nil {
		return settings.Settings{}, err
	}
	s := settings.Settings{
		Instance: r.Instance, Share: r.Share, ChangedBy: r.RequestedBy, ProofDays: r.ProofDays, Services: inOrder(r.Services), Controller: string(controller),
		Credential: settings.Credential{Username: r.Username, Password: secret.NewTransfer(r.Password)},
		Recipients: recipients(r.Recipients), Signing: signing, Kind: settings.KindEnable,
	}
	if r.Adopt {
		s.Kind = settings.KindAdopt
	}
	return s, nil
}

// newSigning makes a signing key.
func newSigning() (settings.Signing, error) {
	private, err := seal.GenerateSigningKey(rand.Reader)
	if err != nil {
		return settings.Signing{}, err
	}
	key, err := seal.ParseSigningKey(private)
	if err != nil {
		return settings.Signing{}, err
	}
	return settings.Signing{PrivateKey: secret.NewTransfer(private), Public: key.Public()}, nil
}

func recipients(all []seal.Recipient) []settings.Recipient {
	var out []settings.Recipient
	for _, r := range all {
		out = append(out, settings.Recipient{
			Recipient: backup.Recipient{Kind: r.Kind, Fingerprint: r.Fingerprint}, Text: r.Text, Expires: r.Expires, Thumbprint: r.Thumbprint,
		})
	}
	return out
}

// Summary tells the active settings, without secrets. NOT_ENABLED when nothing is.
func (c *Controller) Summary(ctx context.Context) (settings.Summary, error) {
	if err := c.ready(ctx); err != nil {
		return settings.Summary{}, err
	}
	summary, err := answered(ctx, c, func(ctx context.Context) (settings.Summary, error) {
		return flow.SummarySettings.Ask(ctx, c.client, flow.SettingsWorkflowID(c.instance), struct{}{})
	})
	if err != nil {
		return summary, c.entityFault(ctx, err)
	}
	return summary, c.checkActive(summary)
}

// Settings returns the active settings with their secrets, for a caller that reads the
// share itself.
func (c *Controller) Settings(ctx context.Context) (settings.Settings, error) {
	if err := c.ready(ctx); err != nil {
		return settings.Settings{}, err
	}
	s, err := answered(ctx, c, func(ctx context.Context) (settings.Settings, error) {
		return flow.GetSettings.Ask(ctx, c.client, flow.SettingsWorkflowID(c.instance), flow.SettingsChoice{})
	})
	switch {
	case err != nil:
		return s, c.entityFault(ctx, err)
	case s.Revision == 0:
		return s, fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", c.instance)
	}
	return s, s.Check(c.instance)
}
