package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/anchor"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// anchors keeps what the share that s names is told of the active settings.
func (a *Activities) anchors(repo *repository.Repository, s settings.Settings) *anchor.Keeper {
	return anchor.NewKeeper(repo, activeSettings{a, s}, a.Now)
}

// activeSettings asks the settings entity. It implements [anchor.Settings].
type activeSettings struct {
	activities *Activities
	settings   settings.Settings // that name the share
}

// Position implements [anchor.Settings].
func (s activeSettings) Position(ctx context.Context) (anchor.Position, error) {
	a := s.activities
	st, err := flow.GetStanding.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.LedgerQuestion{Share: s.settings.Share.Place()})
	return anchor.Position(st), a.entityFault(ctx, "the settings cannot be read", err)
}

// Signers implements [anchor.Settings].
func (s activeSettings) Signers(ctx context.Context) ([]byte, error) {
	signers, err := s.activities.trusted(ctx, s.settings)
	if fault.CodeOf(err) == fault.NotEnabled { // the first settings are being activated
		return allowed(s.settings.Signing.Publics()), nil
	}
	return signers, err
}

// SigningKey implements [anchor.Settings].
func (s activeSettings) SigningKey(ctx context.Context) (*seal.SigningKey, error) {
	now, err := s.activities.settings(ctx, 0)
	if err != nil {
		return nil, err
	}
	return seal.ParseSigningKey(now.Signing.PrivateKey.String)
}

// checkAnchorAgain is [anchor.Keeper.Check] for a step that comes right behind a look at the
// same, such as the one before a backup is started.
func (a *Activities) checkAnchorAgain(ctx context.Context, repo *repository.Repository, s settings.Settings) (anchor.Comparison, error) {
	if before, ok := a.looked.take(s.Fingerprint(), a.Now()); ok {
		return a.anchors(repo, s).CheckAgain(ctx, before)
	}
	return a.anchors(repo, s).Check(ctx)
}

// looked keeps the newest look at a share that nothing was wrong with.
type looked struct {
	mu          sync.Mutex
	fingerprint string // of the settings
	at          time.Time
	comparison  anchor.Comparison
}

// lookedFor is how long a look can be used again, once.
const lookedFor = 10 * time.Second

func (l *looked) keep(fingerprint string, at time.Time, c anchor.Comparison) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fingerprint, l.at, l.comparison = fingerprint, at, c
}

func (l *looked) take(fingerprint string, now time.Time) (anchor.Comparison, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.fingerprint == fingerprint && now.Sub(l.at) < lookedFor
	l.fingerprint = ""
	return l.comparison, same
}

// RestoreSettings compares the active settings with what its share tells of, and goes on with
// it: settings whose entity was reset, or that the share knows newer ones of, become
// active again behind all that, when that is asked for. It may be repeated.
func (a *Activities) RestoreSettings(ctx context.Context, in flow.AdoptSettingsInput) (flow.AdoptSettingsOutput, error) {
	var out flow.AdoptSettingsOutput
	repo, s, err := a.repository(ctx, 0)
	if err != nil {
		return out, err
	}
	if err := repo.Claim(ctx, s.Controller); err != nil {
		return out, err
	}
	st, err := a.anchors(repo, s).Compare(ctx)
	if err != nil {
		return out, err
	}
	checked := st.Check()
	behind := st
	behind.Settings.Reset = false
	lost := behind.Check()
	if lost != nil && !in.Older {
		return out, lost
	}
	if lost != nil {
		out.Lost = st.Share.Newest.Revision
	}
	if checked != nil {
		if err := a.restore(ctx, repo, s, st, in, out.Lost); err != nil {
			return out, err
		}
	}
	entity := flow.SettingsWorkflowID(a.Instance.Name)
	if out.Settings, err = flow.SummarySettings.Ask(ctx, a.Client, entity, struct{}{}); err != nil {
		return out, a.entityFault(ctx, "the settings cannot be read", err)
	}
	now, err := a.settings(ctx, 0)
	if err != nil {
		return out, err
	}
	if err := repo.Ledger().HoldsHead(ctx, out.Settings.Ledger); err != nil {
		return out, err
	}
	return out, a.anchors(repo, now).Tell(ctx, nil)
}

// restore activates the settings again, and lets the entity know the ledger up to
// where the share was told that it is, and no less than that.
func (a *Activities) restore(ctx context.Context, repo *repository.Repository, s settings.Settings, st anchor.Comparison, in flow.AdoptSettingsInput, lost int64) error {
	entity := flow.SettingsWorkflowID(a.Instance.Name)
	var to backup.LedgerHead // zero when the entity knows the ledger as far
	if told := st.Share.Newest; told != nil && told.Controller == st.Settings.Controller && told.Ledger.Sequence > st.Settings.Head.Sequence {
		to = told.Ledger
		if err := repo.Ledger().HoldsHead(ctx, to); err != nil { // before anything has changed
			return err
		}
	}
	what := fmt.Sprintf("the settings of revision %d, whose workflow was reset, were taken over", s.Revision)
	above := int64(0)
	if st.Share.Newest != nil {
		above = st.Share.Newest.Revision
	}
	if lost > 0 {
		what = fmt.Sprintf("the settings of revision %d were taken over, although the share recorded revision %d: changes in between are lost", s.Revision, lost)
	}
	_, err := flow.RestoreSettings.Send(ctx, a.Client, entity, flow.SettingsRestoration{Revision: s.Revision, Above: above, By: in.RequestedBy, What: what})
	if err != nil {
		return a.entityFault(ctx, "the settings cannot be restored", err)
	}
	if to == (backup.LedgerHead{}) {
		return nil
	}
	_, err = flow.AdvanceLedger.Send(ctx, a.Client, entity, flow.LedgerAdvance{Share: s.Share.Place(), From: st.Settings.Head, To: to})
	return a.entityFault(ctx, "the head of the ledger cannot be recorded", err)
}

// entityFault gives an error of a message to the settings entity its code.
func (a *Activities) entityFault(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if f := flow.EntityFault(ctx, a.Client, a.Instance.Name, err); f != nil {
		return f
	}
	if f := flow.DecodeFault(err); f.Code != fault.Internal {
		return f
	}
	return fault.New(fault.TemporalUnreachable, what, err)
}
