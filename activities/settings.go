package activities

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// settings reads a revision from the entity; 0 is the one in force.
func (a *Activities) settings(ctx context.Context, revision int64) (settings.Settings, error) {
	s, err := flow.GetSettings.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.SettingsChoice{Revision: revision})
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return s, fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", a.Instance.Name)
	case err != nil:
		return s, unanswered("the settings cannot be read", err)
	case s.Revision == 0 && revision == 0:
		return s, fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", a.Instance.Name)
	case s.Revision == 0:
		return s, fault.Newf(fault.RevisionGone, "revision %d of the settings is no longer held", revision)
	}
	return s, nil
}

// unanswered gives the error of a question to the entity its code: that of an answer which
// is not believed, else TEMPORAL_UNREACHABLE.
func unanswered(what string, err error) error {
	if f, ok := fault.Of(err); ok {
		return fault.New(f.Code, what, errors.New(f.Message()))
	}
	return fault.New(fault.TemporalUnreachable, what, err)
}

// repository connects to the share with a revision of the settings.
func (a *Activities) repository(ctx context.Context, revision int64) (*repository.Repository, settings.Settings, error) {
	s, err := a.settings(ctx, revision)
	if err != nil {
		return nil, s, err
	}
	store, err := a.stores.get(ctx, s)
	if err != nil {
		return nil, s, err
	}
	return repository.New(store, a.Instance.Name), s, nil
}

// SettleChange puts a proposed revision in force, or drops it. Before it is in force,
// the ledger of its share is opened, so that whatever is made with the new settings
// finds it in place; afterwards the old signing key introduces a new one there.
func (a *Activities) SettleChange(ctx context.Context, in flow.SettleChangeInput) (settings.Summary, error) {
	entity := flow.SettingsWorkflowID(a.Instance.Name)
	if in.Drop {
		_, err := flow.DropSettings.Send(ctx, a.Client, entity, flow.SettingsDrop{Revision: in.Revision, Code: in.Code, Message: in.Message})
		return settings.Summary{}, flowError(err)
	}
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return settings.Summary{}, err
	}
	b, err := a.book(ctx, repo, s)
	if err != nil {
		return settings.Summary{}, err
	}
	if err := b.open(ctx, in); err != nil {
		return settings.Summary{}, err
	}
	application := flow.SettingsApplication{Revision: in.Revision}
	if application.Signers, err = seal.ParseAllowedSigners(b.signers); err != nil {
		return settings.Summary{}, fault.New(fault.Internal, "the list of signing keys cannot be read", err)
	}
	summary, err := flow.ApplySettings.Send(ctx, a.Client, entity, application)
	if err != nil {
		return summary, flowError(err)
	}
	if err := a.introduce(ctx, s); err != nil {
		return summary, err
	}
	return summary, repo.WriteInstanceFiles(ctx, seal.AllowedSigners(append(summary.FormerSigners, summary.SigningKey)...))
}

// introduce lets the signing key that was in force before sign the entry that names its
// successor. It comes after the successor is in force: an entry for a change that is
// refused at last would retire a key that goes on signing.
func (a *Activities) introduce(ctx context.Context, next settings.Settings) error {
	if next.Base == 0 {
		return nil
	}
	before, err := a.settings(ctx, next.Base)
	if err != nil || before.Signing.Public == next.Signing.Public {
		return err
	}
	repo, _, err := a.repository(ctx, next.Revision)
	if err != nil {
		return err
	}
	b, err := a.book(ctx, repo, before)
	if err != nil {
		return err
	}
	return b.enter(ctx, backup.LedgerEntry{Action: backup.LedgerSigner, Key: next.Signing.Public, By: next.ChangedBy})
}

// flowError gives an error of the Temporal client its code.
func flowError(err error) error {
	if err == nil {
		return nil
	}
	return flow.DecodeFault(err)
}
