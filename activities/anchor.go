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
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// maxAnchorTries bounds how often others may come first.
const maxAnchorTries = 8

// standing is how far the settings entity and a share are. The share is read first: it is
// told only what the entity knows already, so an entity that knows less was set back.
type standing struct {
	share  repository.Anchors
	entity flow.SettingsStanding
	head   []byte // line of the ledger's newest entry that the entity knows, from [Activities.forward] only
}

// standing compares nothing yet. S names the share; trusted are the current keys.
func (a *Activities) standing(ctx context.Context, repo *repository.Repository, s settings.Settings) (standing, error) {
	var out standing
	signers, err := a.trusted(ctx, s)
	if fault.CodeOf(err) == fault.NotEnabled { // the first settings are being activated
		signers, err = allowed(s.Signing.Publics()), nil
	}
	if err != nil {
		return out, err
	}
	if out.share, err = repo.ReadAnchors(ctx, signers); err != nil {
		return out, err
	}
	if out.share.ClaimsMore() {
		// Settings that were set back to before a change of the signing key do not know the
		// key that signs now. Their own key has introduced it in the ledger.
		introduced, err := repo.Ledger().Introduced(ctx, signers)
		if err != nil {
			return out, err
		}
		if len(introduced) > 0 {
			known, err := seal.ParseAllowedSigners(signers)
			if err != nil {
				return out, fault.New(fault.Internal, "the list of signing keys cannot be read", err)
			}
			if out.share, err = repo.ReadAnchors(ctx, allowed(known, introduced)); err != nil {
				return out, err
			}
		}
	}
	return a.standingSeen(ctx, repo, s, &out.share)
}

// standingSeen is standing with what was seen of the share, nil to look.
func (a *Activities) standingSeen(ctx context.Context, repo *repository.Repository, s settings.Settings, seen *repository.Anchors) (out standing, err error) {
	if seen == nil {
		return a.standing(ctx, repo, s)
	}
	out.share = *seen
	out.entity, err = flow.GetStanding.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.LedgerQuestion{Share: s.Share.Place()})
	if err != nil {
		return out, a.entityFault(ctx, "the settings cannot be read", err)
	}
	return out, nil
}

// check says in which way the settings were set back. An anchor of another controller is
// none of this one's: that it may write here is for controller.json and the ledger to say.
func (s standing) check(repo *repository.Repository) error {
	if err := s.checkSettings(repo); err != nil {
		return err
	}
	return s.checkLedger(repo)
}

// checkSettings is check of the settings alone.
func (s standing) checkSettings(repo *repository.Repository) error {
	if s.entity.Reset {
		return fault.Newf(fault.SettingsReset, "the settings workflow was reset to an earlier event; revision %d is active there", s.entity.Revision)
	}
	told, now := s.share.Newest, s.entity
	switch {
	case told == nil || told.Controller != now.Controller:
	case told.Revision > now.Revision:
		return fault.Newf(fault.SettingsRolledBack, "revision %d of the settings is active, and %s records revision %d", now.Revision, repo, told.Revision)
	case told.Revision == now.Revision && told.Settings != now.Fingerprint:
		return fault.Newf(fault.SettingsRolledBack, "revision %d of the settings that is active is another one than %s records", now.Revision, repo)
	}
	return nil
}

// checkLedger is check of the head of the ledger alone.
func (s standing) checkLedger(repo *repository.Repository) error {
	told, now := s.share.Newest, s.entity
	switch {
	case told == nil || told.Controller != now.Controller:
	case told.Ledger.Sequence > now.Head.Sequence:
		return fault.Newf(fault.SettingsRolledBack, "the settings know the ledger up to entry %d, and %s records entry %d", now.Head.Sequence, repo, told.Ledger.Sequence)
	case told.Ledger.Sequence == now.Head.Sequence && told.Ledger != now.Head:
		return fault.Newf(fault.SettingsRolledBack, "entry %d of the ledger is another one than %s records", now.Head.Sequence, repo)
	}
	return nil
}

// anchor is what the share is to be told.
func (s standing) anchor() backup.Anchor {
	return backup.Anchor{
		Generation: s.share.Generation + 1, Controller: s.entity.Controller, Revision: s.entity.Revision,
		Settings: s.entity.Fingerprint, Ledger: s.entity.Head,
	}
}

// forward makes sure, before any work is done, that the settings were not set back, and
// that the ledger which they know is on the share.
func (a *Activities) forward(ctx context.Context, repo *repository.Repository, s settings.Settings) (standing, error) {
	st, err := a.standing(ctx, repo, s)
	if err != nil {
		return st, err
	}
	if err := st.check(repo); err != nil {
		return st, err
	}
	st.head, err = repo.Ledger().HeadEntry(ctx, st.entity.Head)
	return st, err
}

// forwardAgain is forward for a step that comes right behind a look at the same, such as the
// one before a backup is started: what the share told then is not read a second time. The
// settings are asked again.
func (a *Activities) forwardAgain(ctx context.Context, repo *repository.Repository, s settings.Settings) (standing, error) {
	before, ok := a.looked.take(s.Fingerprint(), a.Now())
	if !ok {
		return a.forward(ctx, repo, s)
	}
	st, err := a.standingSeen(ctx, repo, s, &before.share)
	if err == nil {
		err = st.check(repo)
	}
	if err != nil || st.entity.Head != before.entity.Head {
		return a.forward(ctx, repo, s)
	}
	st.head = before.head
	return st, nil
}

// looked keeps the newest look at a share that nothing was wrong with.
type looked struct {
	mu          sync.Mutex
	fingerprint string // of the settings
	at          time.Time
	standing    standing
}

// lookedFor is how long a look can be used again, once.
const lookedFor = 10 * time.Second

func (l *looked) keep(fingerprint string, at time.Time, st standing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fingerprint, l.at, l.standing = fingerprint, at, st
}

func (l *looked) take(fingerprint string, now time.Time) (standing, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := l.fingerprint == fingerprint && now.Sub(l.at) < lookedFor
	l.fingerprint = ""
	return l.standing, same
}

// tellShare tells the share of s how far settings and ledger are, unless it was told. It
// comes after the entity knows: what a crash in between leaves untold is caught up with
// by whoever comes next. A share that was never told anything is told here.
func (a *Activities) tellShare(ctx context.Context, repo *repository.Repository, s settings.Settings) error {
	return a.tellSeen(ctx, repo, s, nil)
}

// tellSeen is tellShare for who has seen a moment ago what the share was told; nil for who
// has not. Should others have told it more since, the next number is taken, or is not the
// newest, and all is read again.
func (a *Activities) tellSeen(ctx context.Context, repo *repository.Repository, s settings.Settings, seen *repository.Anchors) error {
	return a.tellOf(ctx, repo, s, seen, standing.check, func(b backup.Anchor) backup.Anchor { return b })
}

// tellOf is tellShare of something else than the whole, behind another check.
func (a *Activities) tellOf(ctx context.Context, repo *repository.Repository, s settings.Settings, seen *repository.Anchors, check func(standing, *repository.Repository) error, of func(backup.Anchor) backup.Anchor) error {
	for range maxAnchorTries {
		st, err := a.standingSeen(ctx, repo, s, seen)
		seen = nil
		if err != nil || st.entity.Revision == 0 {
			return err
		}
		if err := check(st, repo); err != nil {
			return err
		}
		told := of(st.anchor())
		if st.share.Newest != nil && st.share.Newest.Says(told) {
			return nil
		}
		now, err := a.settings(ctx, 0)
		if err != nil {
			return err
		}
		key, err := seal.ParseSigningKey(now.Signing.PrivateKey.String)
		if err != nil {
			return err
		}
		told.At = a.Now()
		if placed, err := repo.WriteAnchor(ctx, told, key); err != nil || placed {
			return err
		}
	}
	return fault.Newf(fault.ShareBusy, "the settings that %s records are changed by other processes again and again", repo)
}

// leaveUntold lets a share forget how far its ledger is, before the ledger is set aside
// and begins again: a crash behind that must not look as if the settings were set back. It
// may tell of a ledger that neither the settings nor the share have any more.
func (a *Activities) leaveUntold(ctx context.Context, repo *repository.Repository, s settings.Settings) error {
	return a.tellOf(ctx, repo, s, nil, standing.checkSettings, func(b backup.Anchor) backup.Anchor {
		b.Ledger = backup.LedgerHead{}
		return b
	})
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
	st, err := a.standing(ctx, repo, s)
	if err != nil {
		return out, err
	}
	checked := st.check(repo)
	behind := st
	behind.entity.Reset = false
	lost := behind.check(repo)
	if lost != nil && !in.Older {
		return out, lost
	}
	if lost != nil {
		out.Lost = st.share.Newest.Revision
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
	return out, a.tellShare(ctx, repo, now)
}

// restore activates the settings again, and lets the entity know the ledger up to
// where the share was told that it is, and no less than that.
func (a *Activities) restore(ctx context.Context, repo *repository.Repository, s settings.Settings, st standing, in flow.AdoptSettingsInput, lost int64) error {
	entity := flow.SettingsWorkflowID(a.Instance.Name)
	var to backup.LedgerHead // zero when the entity knows the ledger as far
	if told := st.share.Newest; told != nil && told.Controller == st.entity.Controller && told.Ledger.Sequence > st.entity.Head.Sequence {
		to = told.Ledger
		if err := repo.Ledger().HoldsHead(ctx, to); err != nil { // before anything has changed
			return err
		}
	}
	what := fmt.Sprintf("the settings of revision %d, whose workflow was reset, were taken over", s.Revision)
	above := int64(0)
	if st.share.Newest != nil {
		above = st.share.Newest.Revision
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
	_, err = flow.AdvanceLedger.Send(ctx, a.Client, entity, flow.LedgerAdvance{Share: s.Share.Place(), From: st.entity.Head, To: to})
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
