package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/anchor"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// settings reads a revision from the entity; 0 is the active one. What it answers is
// checked, and not believed: that the settings are this instance's, and that what they say
// of keys is true of them.
func (a *Activities) settings(ctx context.Context, revision int64) (settings.Settings, error) {
	s, err := flow.GetSettings.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.SettingsChoice{Revision: revision})
	switch {
	case err != nil:
		return s, a.entityFault(ctx, "the settings cannot be read", err)
	case s.Revision == 0 && revision == 0:
		return s, a.none(ctx)
	case s.Revision == 0:
		return s, fault.Newf(fault.RevisionGone, "revision %d of the settings is no longer held", revision)
	case revision != 0 && s.Revision != revision:
		return s, fault.Newf(fault.AnswerRefused, "revision %d of the settings was requested, and revision %d came", revision, s.Revision)
	}
	return s, s.Check(a.Instance.Name)
}

// none says why no settings are active: none ever were, or the entity was reset to before.
func (a *Activities) none(ctx context.Context) error {
	st, err := flow.GetStanding.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.LedgerQuestion{})
	switch {
	case err != nil:
		return a.entityFault(ctx, "the settings cannot be read", err)
	case st.Reset:
		return fault.Newf(fault.SettingsReset, "the settings workflow was reset to an earlier event")
	}
	return fault.Newf(fault.NotEnabled, "backup is not enabled for instance %s", a.Instance.Name)
}

// repository connects to the share with a revision of the settings.
func (a *Activities) repository(ctx context.Context, revision int64) (*repository.Repository, settings.Settings, error) {
	s, err := a.settings(ctx, revision)
	if err != nil {
		return nil, s, err
	}
	store, err := a.stores.Get(ctx, s)
	if err != nil {
		return nil, s, err
	}
	return repository.New(store, a.Instance.Name), s, nil
}

// SettleChange activates a proposed revision, or drops it. Before it is active,
// the ledger of its share is opened, so that whatever is made with the new settings
// finds it in place; afterwards Temporal is told when to ring, if the schedule came with the
// change, and the old signing key introduces a new one in the ledger.
func (a *Activities) SettleChange(ctx context.Context, in flow.SettleChangeInput) (settings.Summary, error) {
	entity := flow.SettingsWorkflowID(a.Instance.Name)
	if in.Drop {
		_, err := flow.DropSettings.Send(ctx, a.Client, entity, flow.SettingsDrop{Revision: in.Revision, Code: in.Code, Message: in.Message})
		return settings.Summary{}, a.entityFault(ctx, "the proposal cannot be dropped", err)
	}
	if err := a.probed(ctx, in.Revision, in.Probe, in.Adopt, in.NewLedger); err != nil {
		return settings.Summary{}, err
	}
	repo, s, err := a.repository(ctx, in.Revision)
	if err != nil {
		return settings.Summary{}, err
	}
	before, err := a.before(ctx, s)
	if err != nil {
		return settings.Summary{}, err
	}
	w, err := a.writer(ctx, repo, s)
	if err != nil {
		return settings.Summary{}, err
	}
	if err := w.open(ctx, in); err != nil {
		return settings.Summary{}, err
	}
	seen, err := a.followable(ctx, repo, before, s)
	if err != nil {
		return settings.Summary{}, err
	}
	if err := a.asCopied(ctx, in); err != nil {
		return settings.Summary{}, err
	}
	application := flow.SettingsApplication{Revision: in.Revision, Probe: in.Probe, Schedule: in.Schedule, ScheduleOver: in.ScheduleOver}
	if application.Signers, err = seal.ParseAllowedSigners(w.Trusted()); err != nil {
		return settings.Summary{}, fault.New(fault.Internal, "the list of signing keys cannot be read", err)
	}
	summary, err := flow.ApplySettings.Send(ctx, a.Client, entity, application)
	if err != nil {
		return summary, a.entityFault(ctx, "the settings cannot be activated", err)
	}
	if in.Schedule != nil {
		if err := a.ring(ctx); err != nil {
			return summary, err
		}
	}
	if err := a.introduce(ctx, s); err != nil {
		return summary, err
	}
	a.tellLeft(ctx, before, s)
	err = a.record(ctx, repo, s, &seen.Share, seal.AllowedSigners(append(summary.FormerSigners, summary.SigningKey)...))
	if err != nil && !fault.CodeOf(err).Retryable() {
		// The change is active, whatever the share says. The next backup tells it again, and
		// fails when it cannot.
		activity.GetLogger(ctx).Warn("the change is active, and was not recorded on the share", "revision", s.Revision, "error", err.Error())
		err = nil
	}
	return summary, err
}

// record tells the share of a change that is active, and brings what lies there for people up
// to date, at the same time. Seen is what the share told a moment ago.
func (a *Activities) record(ctx context.Context, repo *repository.Repository, s settings.Settings, seen *repository.Anchors, signers []byte) error {
	var writing sync.WaitGroup
	var writeErr error
	writing.Go(func() { writeErr = repo.WriteInstanceFiles(ctx, signers) })
	err := a.anchors(repo, s).Tell(ctx, seen)
	writing.Wait()
	if err == nil {
		err = writeErr
	}
	return err
}

// followable makes sure, before settings become active, that what has to follow on the
// share can be done: else they would be active, and their change be called refused. It
// returns what it has seen.
func (a *Activities) followable(ctx context.Context, repo *repository.Repository, before, next settings.Settings) (anchor.Comparison, error) {
	st, err := a.anchors(repo, next).Compare(ctx)
	if err == nil && st.Settings.Revision != next.Revision {
		err = st.Check()
	}
	if err != nil || before.Revision == 0 || before.Signing.Public == next.Signing.Public {
		return st, err
	}
	return st, repo.Ledger().HoldsHead(ctx, st.Settings.Head) // for the entry that introduces the new key
}

// probed makes sure, before anything of a proposal is used, that it was tried as it is to
// become active. Active settings already were.
func (a *Activities) probed(ctx context.Context, revision int64, probe *settings.Probe, adopt, newLedger bool) error {
	s, err := a.settings(ctx, revision)
	if err != nil {
		return err
	}
	key := s.Signing.Public
	now, err := a.settings(ctx, 0)
	switch {
	case fault.CodeOf(err) == fault.NotEnabled:
	case err != nil:
		return err
	case now.Revision == revision:
		return nil
	default:
		key = now.Signing.Public
	}
	if err := probe.Covers(s, key); err != nil {
		return err
	}
	if probe.Adopt != adopt || probe.NewLedger != newLedger {
		return fault.Newf(fault.SettingsUnprobed, "revision %d of the settings was tried in another way than it is to become active", revision)
	}
	return nil
}

// before returns the settings that a proposal was made from; the zero value when there
// were none, or they are no longer held.
func (a *Activities) before(ctx context.Context, next settings.Settings) (settings.Settings, error) {
	if next.Base == 0 {
		return settings.Settings{}, nil
	}
	s, err := a.settings(ctx, next.Base)
	if fault.CodeOf(err) == fault.RevisionGone {
		return settings.Settings{}, nil
	}
	return s, err
}

// tellLeft tells the share that was used before, when it is another one, that there
// are newer settings: set back to before the change, they would find nothing wrong there.
// A share that does not answer is often the reason for moving, so that is no failure.
func (a *Activities) tellLeft(ctx context.Context, before, next settings.Settings) {
	if before.Revision == 0 || before.Share.Place() == next.Share.Place() {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, leftTime)
	defer cancel()
	store, err := a.stores.Get(bounded, before)
	if err == nil {
		err = a.anchors(repository.New(store, a.Instance.Name), before).Tell(bounded, nil)
	}
	if err != nil {
		activity.GetLogger(ctx).Warn("the change was not recorded on the share that was left", "share", before.Share.Path, "error", err.Error())
	}
}

// leftTime bounds how long a share that was left may take to be told so.
const leftTime = 20 * time.Second

// introduce lets the signing key that was used before sign the entry that names its
// successor. It comes after the successor is active: an entry for a change that is
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
	w, err := a.writer(ctx, repo, before)
	if err != nil {
		return err
	}
	return w.Append(ctx, backup.LedgerEntry{Action: backup.LedgerSigner, Key: next.Signing.Public, By: next.ChangedBy})
}
