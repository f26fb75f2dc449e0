package activities

import (
	"context"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/anchor"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// shareWriter changes the backups on the share that some settings name, and enters that
// into its ledger.
type shareWriter struct {
	*ledger.Writer
	activities *Activities
	repo       *repository.Repository
	settings   settings.Settings // whose share and signing key are used
	key        *seal.SigningKey
	heads      *headStore
}

// writer opens the ledger of the share that s names. Trusted are the signing keys of s
// and of the active settings, which may have changed since a run began.
func (a *Activities) writer(ctx context.Context, repo *repository.Repository, s settings.Settings) (*shareWriter, error) {
	key, err := seal.ParseSigningKey(s.Signing.PrivateKey.String)
	if err != nil {
		return nil, err
	}
	now, err := a.settings(ctx, 0)
	if fault.CodeOf(err) == fault.NotEnabled {
		now, err = s, nil // the first settings are being tried
	}
	if err != nil {
		return nil, err
	}
	heads := &headStore{activities: a, repo: repo, settings: s}
	w := ledger.NewWriter(repo, heads, ledger.WriterOptions{
		Controller: s.Controller, Key: key, Now: a.Now, Trusted: allowed(now.Signing.Publics(), s.Signing.Publics()),
		Current: allowed(a.current(now), []string{s.Signing.Public}),
	})
	return &shareWriter{Writer: w, activities: a, repo: repo, settings: s, key: key, heads: heads}, nil
}

// sawAnchors says how far share and settings are, as was just read.
func (w *shareWriter) sawAnchors(c anchor.Comparison) {
	w.SawHead(c.Settings.Head, c.HeadLine)
	w.heads.seen = &c.Share
}

// current are the keys that make entries now. The former one may have made an entry
// that nobody told the entity of.
func (a *Activities) current(now settings.Settings) []string {
	keys := []string{now.Signing.Public}
	if n := len(now.Signing.Former); n > 0 && a.Now().Sub(now.ChangedAt) < ledger.RetiredSigning {
		keys = append(keys, now.Signing.Former[n-1])
	}
	return keys
}

// trusted is the content of allowed_signers: the current keys, and those of s.
func (a *Activities) trusted(ctx context.Context, s settings.Settings) ([]byte, error) {
	now, err := a.settings(ctx, 0)
	if err != nil {
		return nil, err
	}
	return allowed(now.Signing.Publics(), s.Signing.Publics()), nil
}

// allowed lists keys, each once.
func allowed(lists ...[]string) []byte {
	var all []string
	for _, public := range slices.Concat(lists...) {
		if !slices.Contains(all, public) {
			all = append(all, public)
		}
	}
	return seal.AllowedSigners(all...)
}

// headStore remembers the head of a share's ledger in the settings entity. It implements
// [ledger.HeadStore].
type headStore struct {
	activities *Activities
	repo       *repository.Repository
	settings   settings.Settings   // that name the share
	seen       *repository.Anchors // what the share was told a moment ago, nil to look
}

// Head implements [ledger.HeadStore].
func (h *headStore) Head(ctx context.Context) (backup.LedgerHead, error) {
	return h.activities.ledgerHead(ctx, h.settings)
}

// Advance implements [ledger.HeadStore].
func (h *headStore) Advance(ctx context.Context, from, to backup.LedgerHead) error {
	return h.move(ctx, flow.LedgerAdvance{From: from, To: to})
}

// Restart implements [ledger.HeadStore].
func (h *headStore) Restart(ctx context.Context, from, to backup.LedgerHead, by string) error {
	return h.move(ctx, flow.LedgerAdvance{From: from, To: to, Anew: true, By: by})
}

func (h *headStore) move(ctx context.Context, in flow.LedgerAdvance) error {
	in.Share = h.settings.Share.Place()
	_, err := flow.AdvanceLedger.Send(ctx, h.activities.Client, flow.SettingsWorkflowID(h.activities.Instance.Name), in)
	return h.activities.entityFault(ctx, "the head of the ledger cannot be recorded", err)
}

// Announce implements [ledger.HeadStore].
func (h *headStore) Announce(ctx context.Context) error {
	seen := h.seen
	h.seen = nil
	return h.activities.anchors(h.repo, h.settings).Tell(ctx, seen)
}

// Withdraw implements [ledger.HeadStore].
func (h *headStore) Withdraw(ctx context.Context) error {
	return h.activities.anchors(h.repo, h.settings).Withdraw(ctx)
}

// ledgerHead asks the entity for the head of the ledger on the share of s.
func (a *Activities) ledgerHead(ctx context.Context, s settings.Settings) (backup.LedgerHead, error) {
	head, err := flow.GetLedger.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.LedgerQuestion{Share: s.Share.Place()})
	return head, a.entityFault(ctx, "the head of the ledger cannot be read", err)
}

// open makes the ledger of a share that becomes the current one. With adopt, another
// controller's ledger is continued and its folder taken over, after it was checked;
// else the ledger begins from its first entry unless this controller was here before. Backups that the
// ledger does not know become entries.
func (w *shareWriter) open(ctx context.Context, in flow.SettleChangeInput) error {
	head, err := w.Head(ctx)
	if err != nil {
		return err
	}
	by := w.settings.ChangedBy
	signers := func(ctx context.Context) ([]byte, error) { return w.activities.adoptionSigners(ctx, in.Signers) }
	switch {
	case in.Adopt && in.NewLedger:
		return audit.Restart(ctx, w.repo, w.Writer, head, in.Probe.Ledger, signers, by)
	case in.Adopt:
		return audit.TakeOver(ctx, w.repo, w.Writer, head, signers, by)
	}
	if err := w.Claim(ctx); err != nil || head != (backup.LedgerHead{}) {
		return err
	}
	return w.Append(ctx, backup.LedgerEntry{Action: backup.LedgerBegun, By: by})
}

// adoptionSigners are the keys that are trusted on a share which is to be taken over:
// the operator's copy, else the keys that this controller knows itself. Only a
// controller that knows none trusts the share's own list, which whoever can write
// there could have changed.
func (a *Activities) adoptionSigners(ctx context.Context, given []byte) ([]byte, error) {
	if len(given) > 0 {
		return given, nil
	}
	now, err := a.settings(ctx, 0)
	if fault.CodeOf(err) == fault.NotEnabled {
		return nil, nil
	}
	return allowed(now.Signing.Publics()), err
}
