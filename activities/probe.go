package activities

import (
	"context"
	"errors"
	"io/fs"
	"strconv"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
	"infrabackup/internal/share"
)

// ProbeShare does the whole check with a proposed revision, on a connection of its own, which
// it ends unless the next step can use it: that the share lies beside other instances' folders and in none, everything
// that a backup needs from it, that no other controller writes there (or, with Adopt, that
// what it left is sound), and that a backup key can be wrapped to the recipients.
func (a *Activities) ProbeShare(ctx context.Context, in flow.ProbeShareInput) (out flow.ProbeShareOutput, err error) {
	s, err := a.settings(ctx, in.Revision)
	if err != nil {
		return out, err
	}
	if _, _, err := a.makeKey(ctx, s); err != nil { // tried, and forgotten
		return out, err
	}
	now, err := a.settings(ctx, 0)
	if err != nil && fault.CodeOf(err) != fault.NotEnabled {
		return out, err
	}
	began := a.Now()
	store, err := a.OpenStore(ctx, s)
	if err != nil {
		return out, err
	}
	defer func() {
		if err != nil || !a.stores.Keep(s, store) {
			err = errors.Join(err, closed(store))
		}
	}()
	if now.Revision == 0 || now.Share.Place() != s.Share.Place() {
		if err := a.outside(ctx, store, s, now.Share); err != nil {
			return out, err
		}
	}
	space, err := a.probe(ctx, store, s, in, &out)
	if err != nil {
		return out, err
	}
	out.FreeBytes, out.TotalBytes, out.Took = space.Free, space.Total, a.Now().Sub(began)
	if described, ok := store.(sessioned); ok {
		out.Dialect, out.Cipher = described.Describe()
	}
	if now.Revision == 0 {
		return out, a.state(s, s, in, &out)
	}
	if err := a.compare(ctx, store, now, s, in, &out); err != nil {
		return out, err
	}
	return out, a.state(now, s, in, &out)
}

// state signs what was tried, with the current key.
func (a *Activities) state(now, s settings.Settings, in flow.ProbeShareInput, out *flow.ProbeShareOutput) error {
	key, err := seal.ParseSigningKey(now.Signing.PrivateKey.String)
	if err != nil {
		return err
	}
	probe := settings.Probe{Fingerprint: s.Fingerprint(), Adopt: in.Adopt, NewLedger: in.NewLedger, Copy: in.Copy, At: a.Now().UTC()}
	if out.Probe != nil {
		probe.Signers, probe.Ledger = out.Probe.Signers, out.Probe.Ledger
	}
	probe, err = probe.Sign(key)
	out.Probe = &probe
	return err
}

// found returns the keys that are to be trusted with a ledger that begins from its first entry.
func (a *Activities) found(ctx context.Context, repo *repository.Repository, in flow.ProbeShareInput) ([]string, error) {
	trusted, err := a.adoptionSigners(ctx, in.Signers)
	if err == nil && len(trusted) == 0 {
		trusted, err = repo.AllowedSigners(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return seal.ParseAllowedSigners(trusted)
}

func (a *Activities) probe(ctx context.Context, store share.Store, s settings.Settings, in flow.ProbeShareInput, out *flow.ProbeShareOutput) (share.Space, error) {
	repo := repository.New(store, a.Instance.Name)
	claimant := s.Controller
	if in.Adopt {
		claimant = ""
	}
	entered, space, err := repo.Try(ctx, "settings-"+strconv.FormatInt(in.Revision, 10), claimant)
	if err != nil {
		return share.Space{}, err
	}
	if in.Adopt && !in.NewLedger {
		trusted, err := a.adoptionSigners(ctx, in.Signers)
		if err != nil {
			return share.Space{}, err
		}
		adoption, err := audit.Adopt(ctx, repo, trusted)
		if err != nil {
			return share.Space{}, err
		}
		out.Adopted, out.Probe = adoption.Backups, &settings.Probe{Signers: adoption.Signers}
	}
	if in.Adopt && in.NewLedger {
		signers, err := a.found(ctx, repo, in)
		if err != nil {
			return share.Space{}, err
		}
		head, err := a.ledgerHead(ctx, s)
		if err != nil {
			return share.Space{}, err
		}
		out.Probe = &settings.Probe{Signers: signers, Ledger: head}
	}
	if !in.Adopt {
		if !entered {
			if err := repo.ClaimSeen(ctx, s.Controller); err != nil {
				return share.Space{}, err
			}
		}
		if s.Base > 0 {
			st, err := a.anchors(repo, s).Compare(ctx)
			if err == nil {
				err = st.Check()
			}
			if err != nil {
				return share.Space{}, err
			}
		}
	}
	return space, nil
}

// compare looks at the current share, when the proposal names another one. One that
// does not answer is often the reason for moving, so that is no failure unless it is to
// be copied.
func (a *Activities) compare(ctx context.Context, proposed share.Store, now, s settings.Settings, in flow.ProbeShareInput, out *flow.ProbeShareOutput) (err error) {
	out.Before = now.Share
	if now.Share.Place() == s.Share.Place() {
		if in.Copy {
			return fault.Newf(fault.SettingsInvalid, "the backups are on %s already, so there is nothing to copy", s.Share.Path)
		}
		return nil
	}
	same, held, err := a.held(ctx, proposed, now)
	switch code := fault.CodeOf(err); {
	case code == fault.SettingsReset, code == fault.SettingsRolledBack:
		return err
	case err == nil && same && in.Copy:
		return fault.Newf(fault.SettingsInvalid, "%s and %s are the same folder under two names, so there is nothing to copy", s.Share.Path, now.Share.Path)
	case err != nil && !in.Copy && ctx.Err() == nil:
		out.Held = -1
		return nil
	}
	out.Held = held
	return err
}

// held counts the backups on the current share that are not on the proposed one because
// that is the same.
func (a *Activities) held(ctx context.Context, proposed share.Store, now settings.Settings) (same bool, backups int, err error) {
	store, err := a.stores.Get(ctx, now)
	if err != nil {
		return false, 0, err
	}
	if same, err = repository.SameFolder(ctx, a.Instance.Name, proposed, store); same || err != nil {
		return same, 0, err
	}
	repo := repository.New(store, a.Instance.Name)
	st, err := a.anchors(repo, now).Compare(ctx)
	if err == nil {
		err = st.Check()
	}
	if err != nil {
		return false, 0, err
	}
	backups, err = repo.Count(ctx)
	return false, backups, err
}
