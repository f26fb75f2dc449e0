package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/settings"
)

const (
	// keptRevisions bounds how many revisions the entity holds: the active one,
	// those that running work was started with, and proposals.
	keptRevisions = 16
	// settingsHistory is the number of events after which the entity continues as
	// new, far below Temporal's own limit, so that a replay stays quick.
	settingsHistory = 1000
)

// Settings is the entity that holds an instance's settings for as long as the
// instance exists. Updates are validated before they are accepted; a change is
// proposed first and activated when the share has been probed with it.
func Settings(ctx workflow.Context, state flow.SettingsState) (struct{}, error) {
	e := &settingsEntity{state: state, reset: state.Reset || flow.WasReset(ctx)}
	if err := e.handle(ctx); err != nil {
		return struct{}{}, err
	}
	err := workflow.Await(ctx, func() bool {
		info := workflow.GetInfo(ctx)
		return e.reseal || info.GetContinueAsNewSuggested() || info.GetCurrentHistoryLength() > settingsHistory
	})
	if err != nil {
		return struct{}{}, err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return struct{}{}, err
	}
	e.state.Reset = e.reset
	return struct{}{}, flow.Settings.ContinueAsNew(ctx, e.state)
}

// settingsEntity is the entity's state and its handlers: here those of revisions,
// in settings_memory.go those of what it remembers besides, in settings_upkeep.go those of
// what goes on by itself, and in settings_standing.go those that tell how far it is and let it go on.
type settingsEntity struct {
	state  flow.SettingsState
	reseal bool
	reset  bool // to an earlier event, and nobody has accepted that
}

func (e *settingsEntity) handle(ctx workflow.Context) error {
	for _, register := range []func() error{
		func() error { return flow.GetSettings.Handle(ctx, e.get) },
		func() error { return flow.SummarySettings.Handle(ctx, e.summary) },
		func() error { return flow.SettingsHistory.Handle(ctx, e.history) },
		func() error { return flow.GetLedger.Handle(ctx, e.ledger) },
		func() error { return flow.GetState.Handle(ctx, e.all) },
		func() error { return flow.GetStanding.Handle(ctx, e.standing) },
		func() error { return flow.ProposeSettings.Handle(ctx, e.validateProposal, e.propose) },
		func() error { return flow.ProposeChange.Handle(ctx, e.validateChange, e.proposeChange) },
		func() error { return flow.ApplySettings.Handle(ctx, e.validateApply, e.apply) },
		func() error { return flow.DropSettings.Handle(ctx, e.validateDrop, e.drop) },
		func() error { return flow.AdvanceLedger.Handle(ctx, e.validateAdvance, e.advance) },
		func() error { return flow.ChallengeKeys.Handle(ctx, e.validateChallenges, e.challenge) },
		func() error { return flow.ProveKey.Handle(ctx, e.validateProof, e.prove) },
		func() error { return flow.Reseal.Handle(ctx, e.validateReseal, e.sealAgain) },
		func() error { return flow.RestoreSettings.Handle(ctx, e.validateRestoration, e.restore) },
		func() error { return e.handleUpkeep(ctx) },
	} {
		if err := register(); err != nil {
			return err
		}
	}
	return nil
}

// find returns the revision, 0 meaning the active one.
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
	out := s.Summary()
	out.Ledger, out.Reset = e.head(s.Share.Place()), e.reset
	for i := range out.Recipients {
		if k := e.key(out.Recipients[i].Fingerprint); k != nil {
			out.Recipients[i].Since, out.Recipients[i].ProvenAt, out.Recipients[i].ProvenBy = k.Since, k.ProvenAt, k.ProvenBy
		}
	}
	return out, nil
}

// validateProposal takes settings for an instance that has no active ones; those that are
// active are changed part by part. Nothing comes with a proposal that whoever is to
// find it in the history would not see there.
func (e *settingsEntity) validateProposal(in flow.SettingsProposal) error {
	s := in.Settings
	if e.state.Active != 0 {
		return flow.EncodeFault(fault.Newf(fault.AlreadyEnabled, "instance %s is enabled already", e.state.Instance))
	}
	if err := e.unlessReset(); err != nil {
		return err
	}
	if err := s.Check(e.state.Instance); err != nil {
		return flow.EncodeFault(err)
	}
	_, err := backup.ParseID(s.Controller)
	switch {
	case err != nil:
		return flow.EncodeFault(fault.New(fault.SettingsInvalid, "the controller has no ID", err))
	case s.Base != 0 || len(s.Signing.Former) > 0:
		return flow.EncodeFault(fault.Newf(fault.SettingsInvalid, "first settings bring neither earlier ones nor former signing keys with them"))
	}
	return nil
}

func (e *settingsEntity) propose(ctx workflow.Context, in flow.SettingsProposal) (int64, error) {
	return e.add(ctx, in.Settings, settings.Settings{}.Describe(in.Settings)), nil
}

func (e *settingsEntity) validateChange(in settings.Change) error {
	now, enabled := e.find(0)
	if !enabled {
		return flow.EncodeFault(fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", e.state.Instance))
	}
	if err := e.unlessReset(); err != nil {
		return err
	}
	if now.Unchanged(in) {
		return nil
	}
	next, err := now.With(in)
	if err == nil {
		err = next.Validate()
	}
	return flow.EncodeFault(err)
}

// proposeChange answers with 0 when nothing would change, and may.
func (e *settingsEntity) proposeChange(ctx workflow.Context, in settings.Change) (int64, error) {
	now, _ := e.find(0)
	if now.Unchanged(in) {
		return 0, nil
	}
	next, err := now.With(in)
	if err != nil {
		return 0, flow.EncodeFault(err)
	}
	return e.add(ctx, next, now.Describe(next)), nil
}

// add keeps a proposal as the next revision.
func (e *settingsEntity) add(ctx workflow.Context, s settings.Settings, what string) int64 {
	e.state.Last++
	if e.state.Controller == "" {
		e.state.Controller = s.Controller
	}
	s.Controller = e.state.Controller
	s.Revision = e.state.Last
	s.ChangedAt = workflow.Now(ctx).UTC()
	e.state.Revisions = append(e.state.Revisions, s)
	e.prune()
	e.record(settings.Record{At: s.ChangedAt, Kind: s.Kind, By: s.ChangedBy, What: what, Revision: s.Revision, Outcome: settings.Pending})
	return s.Revision
}

// validateApply lets a revision become active only as it was tried: with the probe that
// was made for it, and with the signing keys that the probe found.
func (e *settingsEntity) validateApply(in flow.SettingsApplication) error {
	s, ok := e.find(in.Revision)
	switch {
	case !ok || in.Revision == 0:
		return flow.EncodeFault(fault.Newf(fault.RevisionGone, "revision %d of the settings is not held", in.Revision))
	case in.Revision < e.state.Active:
		return flow.EncodeFault(fault.Newf(fault.RevisionGone, "revision %d is older than revision %d, which is active", in.Revision, e.state.Active))
	case in.Revision != e.state.Active && s.Base != e.state.Active:
		return flow.EncodeFault(fault.Newf(fault.SettingsChanged, "the change was made to revision %d, and meanwhile revision %d became active", s.Base, e.state.Active))
	}
	if err := e.unlessReset(); err != nil {
		return err
	}
	if in.Schedule != nil {
		if err := in.Schedule.Validate(); err != nil {
			return flow.EncodeFault(err)
		}
	}
	if in.Revision == e.state.Active { // again: it brings nothing new
		return flow.EncodeFault((*settings.Probe)(nil).Allows(s, in.Signers))
	}
	err := in.Probe.Covers(s, e.tryingKey(s))
	if err == nil {
		err = in.Probe.Allows(s, in.Signers)
	}
	if err == nil && len(alsoTrusted(s.Signing, in.Signers)) > settings.MaxFormerSigners {
		err = fault.Newf(fault.SettingsInvalid, "more than %d former signing keys cannot be kept", settings.MaxFormerSigners)
	}
	return flow.EncodeFault(err)
}

// tryingKey is the public half of the key that signs the probe of a proposal: the active
// one, since a proposal can bring one of its own.
func (e *settingsEntity) tryingKey(proposal settings.Settings) string {
	if now, enabled := e.find(0); enabled {
		return now.Signing.Public
	}
	return proposal.Signing.Public
}

// apply is idempotent: an activity that sends it again gets the same answer.
func (e *settingsEntity) apply(ctx workflow.Context, in flow.SettingsApplication) (settings.Summary, error) {
	again := e.state.Active == in.Revision
	left, enabled := e.find(0)
	e.state.Active = in.Revision
	if next, _ := e.find(0); enabled && next.Share.Place() != left.Share.Place() {
		e.outdateVerdicts()
	}
	for i := range e.state.Revisions {
		if s := &e.state.Revisions[i]; s.Revision == in.Revision {
			before := len(s.Signing.Former)
			s.Signing.Former = alsoTrusted(s.Signing, in.Signers)
			if added := s.Signing.Former[before:]; len(added) > 0 {
				now := workflow.Now(ctx).UTC()
				e.record(settings.Record{At: now, Kind: settings.KindSigners, By: s.ChangedBy, What: settings.DescribeSigners(added), Revision: s.Revision, Outcome: settings.Applied, SettleAt: now})
			}
			e.remember(workflow.Now(ctx).UTC(), s.Recipients)
			if in.Schedule != nil && !again {
				e.schedule(workflow.Now(ctx).UTC(), merged(in.ScheduleOver, *in.Schedule, e.state.Upkeep.Schedule.Setting), s.ChangedBy, s.Revision)
			}
		}
	}
	e.settle(workflow.Now(ctx).UTC(), in.Revision, settings.Record{Outcome: settings.Applied})
	return e.summary(struct{}{})
}

// alsoTrusted adds signers to the former keys, each once.
func alsoTrusted(s settings.Signing, signers []string) []string {
	former := slices.Clone(s.Former)
	for _, public := range signers {
		if public != s.Public && !slices.Contains(former, public) {
			former = append(former, public)
		}
	}
	return former
}

func (e *settingsEntity) validateDrop(in flow.SettingsDrop) error {
	if in.Revision == 0 || in.Revision == e.state.Active {
		return flow.EncodeFault(fault.Newf(fault.SettingsInvalid, "revision %d is active and cannot be dropped", in.Revision))
	}
	return nil
}

func (e *settingsEntity) drop(ctx workflow.Context, in flow.SettingsDrop) (struct{}, error) {
	e.remove(in.Revision)
	e.settle(workflow.Now(ctx).UTC(), in.Revision, settings.Record{Outcome: settings.Refused, Code: in.Code, Message: in.Message})
	return struct{}{}, nil
}

// prune forgets the oldest revisions that are not active.
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
	e.state.Revisions = slices.DeleteFunc(slices.Clone(e.state.Revisions), func(s settings.Settings) bool { return s.Revision == revision })
	e.forgetKeys()
}
