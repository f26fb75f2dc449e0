package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

// unlessReset refuses to go on from an earlier event as if nothing had been since.
func (e *settingsEntity) unlessReset() error {
	if !e.reset {
		return nil
	}
	return flow.EncodeFault(fault.Newf(fault.SettingsReset, "the settings workflow of instance %s was reset to an earlier event", e.state.Instance))
}

// all answers with everything, for a run that is to go on with it.
func (e *settingsEntity) all(struct{}) (flow.SettingsState, error) {
	state := e.state
	state.Reset = e.reset
	return state, nil
}

// standing tells how far the entity is.
func (e *settingsEntity) standing(in flow.LedgerQuestion) (flow.SettingsStanding, error) {
	out := flow.SettingsStanding{Controller: e.state.Controller, Head: e.head(in.Share), Reset: e.reset}
	if s, enabled := e.find(0); enabled {
		out.Revision, out.Fingerprint = s.Revision, s.Fingerprint()
	}
	return out, nil
}

func (e *settingsEntity) validateRestoration(in flow.SettingsRestoration) error {
	if err := in.Check(); err != nil {
		return flow.EncodeFault(err)
	}
	if in.Revision != e.state.Active {
		return flow.EncodeFault(fault.Newf(fault.SettingsChanged, "revision %d of the settings is active, not %d", e.state.Active, in.Revision))
	}
	return nil
}

// restore activates the settings again, under a number that no revision had, so
// that nothing on a share or in a worker's memory is taken for it. Proposals are
// forgotten: they were made from something else.
func (e *settingsEntity) restore(ctx workflow.Context, in flow.SettingsRestoration) (settings.Summary, error) {
	s, _ := e.find(in.Revision)
	now := workflow.Now(ctx).UTC()
	e.state.Last = max(e.state.Last, in.Above) + 1
	s.Base, s.Revision, s.Kind, s.ChangedAt, s.ChangedBy = s.Revision, e.state.Last, settings.KindRestored, now, in.By
	kept, _ := e.find(in.Revision)
	e.state.Revisions, e.state.Active = []settings.Settings{kept, s}, s.Revision
	e.record(settings.Record{At: now, Kind: settings.KindRestored, By: in.By, What: in.What, Revision: s.Revision, Outcome: settings.Applied, SettleAt: now})
	e.reset = false
	return e.summary(struct{}{})
}
