package activities

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"

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
		return s, fault.New(fault.TemporalUnreachable, "the settings cannot be read", err)
	case s.Revision == 0 && revision == 0:
		return s, fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", a.Instance.Name)
	case s.Revision == 0:
		return s, fault.Newf(fault.RevisionGone, "revision %d of the settings is no longer held", revision)
	}
	return s, nil
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

// allowedSigners is the content of the file of that name.
func allowedSigners(s settings.Settings) []byte {
	return []byte(seal.AllowedSignersLine(s.Signing.Public))
}

// SettleChange puts a proposed revision in force, or drops it.
func (a *Activities) SettleChange(ctx context.Context, in flow.SettleChangeInput) (settings.Summary, error) {
	entity, choice := flow.SettingsWorkflowID(a.Instance.Name), flow.SettingsChoice{Revision: in.Revision}
	if in.Drop {
		_, err := flow.DropSettings.Send(ctx, a.Client, entity, choice)
		return settings.Summary{}, flowError(err)
	}
	summary, err := flow.ApplySettings.Send(ctx, a.Client, entity, choice)
	return summary, flowError(err)
}

// flowError gives an error of the Temporal client its code.
func flowError(err error) error {
	if err == nil {
		return nil
	}
	return flow.DecodeFault(err)
}
