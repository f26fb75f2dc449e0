package workflows

import (
	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

const (
	// keptRevisions bounds how many revisions the entity holds: the one in force,
	// those that running work was started with, and proposals.
	keptRevisions = 8
	// settingsHistory is the number of events after which the entity continues as
	// new, far below Temporal's own limit, so that a replay stays quick.
	settingsHistory = 1000
)

// Settings is the entity that holds an instance's settings for as long as the
// instance exists. Updates are validated before they are accepted; a change is
// proposed first and put in force when the share has been probed with it.
func Settings(ctx workflow.Context, state flow.SettingsState) (struct{}, error) {
	e := &settingsEntity{state: state}
	if err := e.handle(ctx); err != nil {
		return struct{}{}, err
	}
	err := workflow.Await(ctx, func() bool {
		info := workflow.GetInfo(ctx)
		return info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > settingsHistory
	})
	if err != nil {
		return struct{}{}, err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, flow.Settings.ContinueAsNew(ctx, e.state)
}

type settingsEntity struct{ state flow.SettingsState }

func (e *settingsEntity) handle(ctx workflow.Context) error {
	if err := flow.GetSettings.Handle(ctx, e.get); err != nil {
		return err
	}
	if err := flow.SummarySettings.Handle(ctx, e.summary); err != nil {
		return err
	}
	if err := flow.ProposeSettings.Handle(ctx, e.validateProposal, e.propose); err != nil {
		return err
	}
	if err := flow.ApplySettings.Handle(ctx, e.validateApply, e.apply); err != nil {
		return err
	}
	return flow.DropSettings.Handle(ctx, e.validateDrop, e.drop)
}

// find returns the revision, 0 meaning the one in force.
func (e *settingsEntity) find(revision int64) (settings.Settings, bool) {
	if revision == 0 {
		revision = e.state.Active
	}
	for _, s := range e.state.Revisions {
		if s.Revision == revision && revision != 0 {
			return s, true
		}
	}
	return settings.Settings{}, false
}

// get answers with the zero value, whose revision is 0, when there is no such
// revision: a failing query loses its code on the way.
func (e *settingsEntity) get(in flow.SettingsChoice) (settings.Settings, error) {
	s, _ := e.find(in.Revision)
	return s, nil
}

func (e *settingsEntity) summary(struct{}) (settings.Summary, error) {
	s, _ := e.find(0)
	return s.Summary(), nil
}

func (e *settingsEntity) validateProposal(in flow.SettingsProposal) error {
	if in.First && e.state.Active != 0 {
		return flow.EncodeFault(fault.Newf(fault.AlreadyEnabled, "instance %s is enabled already", in.Settings.Instance.Name))
	}
	return flow.EncodeFault(in.Settings.Validate())
}

func (e *settingsEntity) propose(ctx workflow.Context, in flow.SettingsProposal) (int64, error) {
	e.state.Last++
	s := in.Settings
	s.Revision = e.state.Last
	s.ChangedAt = workflow.Now(ctx).UTC()
	e.state.Revisions = append(e.state.Revisions, s)
	e.prune()
	return s.Revision, nil
}

func (e *settingsEntity) validateApply(in flow.SettingsChoice) error {
	if _, ok := e.find(in.Revision); !ok || in.Revision == 0 {
		return flow.EncodeFault(fault.Newf(fault.RevisionGone, "revision %d of the settings is not held", in.Revision))
	}
	if in.Revision < e.state.Active {
		return flow.EncodeFault(fault.Newf(fault.RevisionGone, "revision %d is older than revision %d, which is in force", in.Revision, e.state.Active))
	}
	return nil
}

// apply is idempotent: an activity that sends it again gets the same answer.
func (e *settingsEntity) apply(_ workflow.Context, in flow.SettingsChoice) (settings.Summary, error) {
	e.state.Active = in.Revision
	return e.summary(struct{}{})
}

func (e *settingsEntity) validateDrop(in flow.SettingsChoice) error {
	if in.Revision == 0 || in.Revision == e.state.Active {
		return flow.EncodeFault(fault.Newf(fault.SettingsInvalid, "revision %d is in force and cannot be dropped", in.Revision))
	}
	return nil
}

func (e *settingsEntity) drop(_ workflow.Context, in flow.SettingsChoice) (struct{}, error) {
	e.remove(in.Revision)
	return struct{}{}, nil
}

// prune forgets the oldest revisions that are not in force.
func (e *settingsEntity) prune() {
	for len(e.state.Revisions) > keptRevisions {
		oldest := e.state.Revisions[0].Revision
		if oldest == e.state.Active {
			oldest = e.state.Revisions[1].Revision
		}
		e.remove(oldest)
	}
}

func (e *settingsEntity) remove(revision int64) {
	kept := e.state.Revisions[:0:0]
	for _, s := range e.state.Revisions {
		if s.Revision != revision {
			kept = append(kept, s)
		}
	}
	e.state.Revisions = kept
}
