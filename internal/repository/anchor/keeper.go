package anchor

import (
	"context"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
)

// maxTries bounds how often others may come first.
const maxTries = 8

// Settings answers for the settings, which lie where whoever can write to the share cannot
// change them.
type Settings interface {
	// Position is how far they are, with the ledger of the share that is compared.
	Position(ctx context.Context) (Position, error)
	// Signers is the content of allowed_signers: the keys whose anchors count.
	Signers(ctx context.Context) ([]byte, error)
	// SigningKey is the active one.
	SigningKey(ctx context.Context) (*seal.SigningKey, error)
}

// Keeper compares one share with the settings, and keeps what it was told up to date.
type Keeper struct {
	repo     *repository.Repository
	settings Settings
	now      func() time.Time
}

// NewKeeper returns a keeper. Nothing is read or written.
func NewKeeper(repo *repository.Repository, settings Settings, now func() time.Time) *Keeper {
	return &Keeper{repo: repo, settings: settings, now: now}
}

// Compare reads how far settings and share are, and judges nothing yet. The share is read
// first, see [Comparison.Check].
func (k *Keeper) Compare(ctx context.Context) (Comparison, error) {
	signers, err := k.settings.Signers(ctx)
	if err != nil {
		return Comparison{}, err
	}
	share, err := k.repo.ReadAnchors(ctx, signers)
	if err != nil {
		return Comparison{}, err
	}
	if share.ClaimsMore() {
		// Settings that were set back to before a change of the signing key do not know the
		// key that signs now. Their own key has introduced it in the ledger.
		introduced, err := k.repo.Ledger().Introduced(ctx, signers)
		if err != nil {
			return Comparison{}, err
		}
		if len(introduced) > 0 {
			if share, err = k.repo.ReadAnchors(ctx, ledger.WithSigners(signers, introduced)); err != nil {
				return Comparison{}, err
			}
		}
	}
	return k.compareSeen(ctx, &share)
}

// compareSeen is Compare with what was seen of the share, nil to look.
func (k *Keeper) compareSeen(ctx context.Context, seen *repository.Anchors) (Comparison, error) {
	if seen == nil {
		return k.Compare(ctx)
	}
	out := Comparison{Share: *seen, place: k.repo.String()}
	var err error
	out.Settings, err = k.settings.Position(ctx)
	return out, err
}

// Check makes sure, before any work is done, that the settings were not set back, and that
// the ledger which they know is on the share.
func (k *Keeper) Check(ctx context.Context) (Comparison, error) {
	c, err := k.Compare(ctx)
	if err != nil {
		return c, err
	}
	if err := c.Check(); err != nil {
		return c, err
	}
	c.HeadLine, err = k.repo.Ledger().HeadEntry(ctx, c.Settings.Head)
	return c, err
}

// CheckAgain is Check right behind another one: what the share told then is not read a second
// time. The settings are asked again.
func (k *Keeper) CheckAgain(ctx context.Context, before Comparison) (Comparison, error) {
	c, err := k.compareSeen(ctx, &before.Share)
	if err == nil {
		err = c.Check()
	}
	if err != nil || c.Settings.Head != before.Settings.Head {
		return k.Check(ctx)
	}
	c.HeadLine = before.HeadLine
	return c, nil
}

// Tell tells the share how far settings and ledger are, unless it was told. It comes after the
// settings know: what a crash in between leaves untold is caught up with by whoever comes
// next. A share that was never told anything is told here.
//
// Seen is what was seen of the share a moment ago, nil to look. Should others have told it more
// since, the next number is taken, or is not the newest, and all is read again.
func (k *Keeper) Tell(ctx context.Context, seen *repository.Anchors) error {
	return k.tell(ctx, seen, Comparison.Check, func(b backup.Anchor) backup.Anchor { return b })
}

// Withdraw lets the share forget how far its ledger is, before the ledger is set aside and
// begins again: a crash behind that must not look as if the settings were set back. It may
// tell of a ledger that neither the settings nor the share have any more.
func (k *Keeper) Withdraw(ctx context.Context) error {
	return k.tell(ctx, nil, Comparison.checkSettings, func(b backup.Anchor) backup.Anchor {
		b.Ledger = backup.LedgerHead{}
		return b
	})
}

// tell is Tell of something else than the whole, behind another check.
func (k *Keeper) tell(ctx context.Context, seen *repository.Anchors, check func(Comparison) error, of func(backup.Anchor) backup.Anchor) error {
	for range maxTries {
		c, err := k.compareSeen(ctx, seen)
		seen = nil
		if err != nil || c.Settings.Revision == 0 {
			return err
		}
		if err := check(c); err != nil {
			return err
		}
		told := of(c.anchor())
		if c.Share.Newest != nil && c.Share.Newest.Says(told) {
			return nil
		}
		key, err := k.settings.SigningKey(ctx)
		if err != nil {
			return err
		}
		told.At = k.now()
		if placed, err := k.repo.WriteAnchor(ctx, told, key); err != nil || placed {
			return err
		}
	}
	return fault.Newf(fault.ShareBusy, "the settings that %s records are changed by other processes again and again", k.repo)
}
