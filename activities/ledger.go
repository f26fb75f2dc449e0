package activities

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/repository"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// maxAppends bounds how often an entry is tried while others come first.
const maxAppends = 32

// book enters what is done to the backups of one share into its ledger. The entries
// lie on the share, the head is kept by the settings entity: whoever can change the
// one cannot change the other.
type book struct {
	activities *Activities
	repo       *repository.Repository
	settings   settings.Settings // whose share and signing key are used
	key        *seal.SigningKey
	signers    []byte // allowed_signers as it has to be now: all keys whose signatures count
	current    []byte // those of them that make entries now; a retired key makes none

	mu      sync.Mutex        // one entry after the other
	claimed bool              // by this book, that is, within this activity
	last    backup.LedgerHead // as far as this book knows, zero to ask
	batch   bool              // tell the entity of many entries at once, with [book.tell]
	told    backup.LedgerHead // the head that the entity knows, within a batch

	looked backup.LedgerHead  // the entry up to which it is known who is gone: see [book.covers]
	ledger *repository.Ledger // that says so, nil when nobody can be gone there
}

// book opens the ledger of the share that s names. Trusted are the signing keys of s
// and of the settings in force, which may have changed since a run began.
func (a *Activities) book(ctx context.Context, repo *repository.Repository, s settings.Settings) (*book, error) {
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
	return &book{
		activities: a, repo: repo, settings: s, key: key, signers: allowed(now.Signing.Publics(), s.Signing.Publics()),
		current: allowed(a.current(now), []string{s.Signing.Public}),
	}, nil
}

// current are the keys that make entries now. The former one may have made an entry
// that nobody told the entity of.
func (a *Activities) current(now settings.Settings) []string {
	keys := []string{now.Signing.Public}
	if n := len(now.Signing.Former); n > 0 && a.Now().Sub(now.ChangedAt) < repository.RetiredSigning {
		keys = append(keys, now.Signing.Former[n-1])
	}
	return keys
}

// trusted is the content of allowed_signers: the keys in force, and those of s.
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

// claim makes sure that no other controller writes to the instance's folder.
func (b *book) claim(ctx context.Context) error {
	err := b.repo.Claim(ctx, b.settings.Controller)
	b.claimed = err == nil
	return err
}

func (b *book) head(ctx context.Context) (backup.LedgerHead, error) {
	return b.activities.ledgerHead(ctx, b.settings)
}

// ledgerHead asks the entity for the head of the ledger on the share of s.
func (a *Activities) ledgerHead(ctx context.Context, s settings.Settings) (backup.LedgerHead, error) {
	head, err := flow.GetLedger.Ask(ctx, a.Client, flow.SettingsWorkflowID(a.Instance.Name), flow.LedgerQuestion{Share: s.Share.Place()})
	return head, a.entityFault(ctx, "the head of the ledger cannot be read", err)
}

// whole makes sure that a ledger can be relied on, see [repository.Ledger.CheckIntact].
func (b *book) whole(ctx context.Context, ledger *repository.Ledger) error {
	head, err := b.head(ctx)
	if err != nil {
		return err
	}
	return ledger.CheckIntact(head)
}

// advance tells the entity the new head. SETTINGS_CHANGED when another entry came
// first.
func (b *book) advance(ctx context.Context, from, to backup.LedgerHead) error {
	return b.move(ctx, flow.LedgerAdvance{From: from, To: to})
}

func (b *book) move(ctx context.Context, in flow.LedgerAdvance) error {
	in.Share = b.settings.Share.Place()
	_, err := flow.AdvanceLedger.Send(ctx, b.activities.Client, flow.SettingsWorkflowID(b.activities.Instance.Name), in)
	return b.activities.entityFault(ctx, "the head of the ledger cannot be told", err)
}

// enter adds an entry to the ledger. It may be repeated: an entry that an earlier
// attempt had made is found, unless others followed, and then it stands twice, which
// says the same.
func (b *book) enter(ctx context.Context, e backup.LedgerEntry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.claimed {
		if err := b.claim(ctx); err != nil {
			return err
		}
	}
	e.Controller, e.At = b.settings.Controller, b.activities.Now().UTC()
	for range maxAppends {
		own, err := b.append(ctx, e)
		if err != nil {
			return err
		}
		if own && !b.batch {
			return b.activities.tellShare(ctx, b.repo, b.settings)
		}
		if own {
			return nil
		}
	}
	return fault.Newf(fault.ShareBusy, "the ledger of %s grows faster than an entry can be made", b.repo)
}

// append tries once; own is false when another entry came first.
func (b *book) append(ctx context.Context, e backup.LedgerEntry) (own bool, err error) {
	head := b.last
	if head == (backup.LedgerHead{}) {
		if head, err = b.head(ctx); err != nil {
			return false, err
		}
		b.told = head
	}
	if err := b.covers(ctx, head, e); err != nil {
		return false, err
	}
	next, own, err := b.repo.AppendLedger(ctx, head, e, b.key, b.current)
	if err != nil {
		return false, err
	}
	if own && head == b.looked {
		b.looked = next
	}
	if next != head && !b.batch {
		err = b.advance(ctx, head, next)
	}
	if fault.CodeOf(err) == fault.SettingsChanged {
		b.last = backup.LedgerHead{}
		return false, nil
	}
	b.last = next
	return own, err
}

// tell lets the entity know the head after a batch of entries. What a crash keeps it
// from learning is found by whoever makes the next entry. When another run has made
// entries behind these, the entity knows already.
func (b *book) tell(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == b.told {
		return nil
	}
	err := b.advance(ctx, b.told, b.last)
	if fault.CodeOf(err) == fault.SettingsChanged {
		var now backup.LedgerHead
		if now, err = b.head(ctx); err == nil && now.Sequence < b.last.Sequence {
			err = fault.Newf(fault.SettingsChanged, "the head of the ledger went back to entry %d", now.Sequence)
		}
	}
	if err != nil {
		return err
	}
	return b.activities.tellShare(ctx, b.repo, b.settings)
}

// open makes the ledger of a share that comes in force. With adopt, another
// controller's ledger is continued and its folder taken over, after it was checked;
// else the ledger begins anew unless this controller was here before. Backups that the
// ledger does not know become entries.
func (b *book) open(ctx context.Context, in flow.SettleChangeInput) error {
	head, err := b.head(ctx)
	if err != nil {
		return err
	}
	by := b.settings.ChangedBy
	switch {
	case in.Adopt && in.NewLedger:
		return b.renew(ctx, head, in, by)
	case in.Adopt:
		trusted, err := b.activities.adoptionSigners(ctx, in.Signers)
		if err != nil {
			return err
		}
		adoption, err := b.repo.Adopt(ctx, trusted)
		if err != nil {
			return err
		}
		if head == (backup.LedgerHead{}) && adoption.Head != head {
			if err := b.advance(ctx, head, adoption.Head); err != nil {
				return err
			}
		}
		if err := b.repo.TakeOver(ctx, b.settings.Controller); err != nil {
			return err
		}
		b.signers = append(b.signers, seal.AllowedSigners(adoption.Signers...)...)
		if adoption.Head != (backup.LedgerHead{}) {
			if err := b.enter(ctx, backup.LedgerEntry{Action: backup.LedgerTakenOver, By: by}); err != nil {
				return err
			}
		}
		return b.adopt(ctx, adoption.Unlisted, by)
	}
	if err := b.claim(ctx); err != nil || head != (backup.LedgerHead{}) {
		return err
	}
	return b.enter(ctx, backup.LedgerEntry{Action: backup.LedgerBegun, By: by})
}

// renew sets the ledger aside, takes the folder over and begins a new ledger with the
// backups that are there and signed. It may be repeated: the probe names the head of the
// ledger that goes, so that a later attempt does not set the new one aside.
func (b *book) renew(ctx context.Context, head backup.LedgerHead, in flow.SettleChangeInput, by string) error {
	begun, err := b.renewed(ctx, head, in.Probe.Ledger)
	if err == nil && !begun {
		err = b.begin(ctx, head, by)
	}
	if err != nil {
		return err
	}
	if err := b.repo.TakeOver(ctx, b.settings.Controller); err != nil {
		return err
	}
	trusted, err := b.activities.adoptionSigners(ctx, in.Signers)
	if err != nil {
		return err
	}
	adoption, err := b.repo.Adopt(ctx, trusted)
	if err != nil {
		return err
	}
	b.signers = append(b.signers, seal.AllowedSigners(adoption.Signers...)...)
	return b.adopt(ctx, adoption.Unlisted, by)
}

// renewed reports whether an earlier attempt has begun the new ledger behind the one
// whose head was old. SETTINGS_CHANGED when the old one has grown since it was tried.
func (b *book) renewed(ctx context.Context, head, old backup.LedgerHead) (bool, error) {
	if head == old {
		return false, nil
	}
	retired, err := b.repo.LedgerRetired(ctx, old)
	if err == nil && !retired && old != (backup.LedgerHead{}) {
		err = fault.Newf(fault.SettingsChanged, "the ledger of %s was to be set aside at entry %d, and has %d by now", b.repo, old.Sequence, head.Sequence)
	}
	return err == nil, err
}

// begin sets the ledger that ends with head aside and begins a new one. The entity's head
// is that of the old ledger until the new one has its first entry.
func (b *book) begin(ctx context.Context, head backup.LedgerHead, by string) error {
	begun := backup.LedgerEntry{
		Action: backup.LedgerBegun, By: by, Controller: b.settings.Controller, At: b.activities.Now().UTC(),
	}
	if err := b.activities.leaveUntold(ctx, b.repo, b.settings); err != nil {
		return err
	}
	if err := b.repo.RetireLedger(ctx, head); err != nil {
		return err
	}
	if err := b.repo.TakeOver(ctx, b.settings.Controller); err != nil {
		return err
	}
	next, _, err := b.repo.AppendLedger(ctx, backup.LedgerHead{}, begun, b.key, b.current)
	if err != nil {
		return err
	}
	return b.move(ctx, flow.LedgerAdvance{From: head, To: next, Anew: true, By: by})
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

// adopt enters backups that lie on the share and are not in its ledger.
func (b *book) adopt(ctx context.Context, unlisted []repository.Unlisted, by string) error {
	for _, u := range unlisted {
		err := b.enter(ctx, backup.LedgerEntry{
			Action: backup.LedgerAdopted, BackupID: u.BackupID, Folder: u.Folder, SumsSHA256: u.SumsSHA256, Recipients: u.Recipients, By: by,
		})
		if err != nil {
			return fmt.Errorf("adopt backup %s: %w", u.BackupID, err)
		}
	}
	return nil
}

// adoptRest enters the backups that were copied to a share whose ledger does not know
// them, and makes sure that ledger and backups agree.
func (b *book) adoptRest(ctx context.Context, by string) error {
	adoption, err := b.repo.Adopt(ctx, b.signers)
	if err != nil {
		return err
	}
	if err := b.adopt(ctx, adoption.Unlisted, by); err != nil {
		return err
	}
	head, err := b.head(ctx)
	if err != nil {
		return err
	}
	audit, _, err := b.repo.Audit(ctx, repository.AuditOptions{AllowedSigners: b.signers, Head: &head})
	if err != nil {
		return err
	}
	if !audit.Good() {
		return fault.Newf(fault.BackupDamaged, "%s is not sound after the copy: %s", b.repo, firstOf(audit))
	}
	return nil
}

func firstOf(audit backup.Audit) string {
	findings := audit.Findings
	for _, v := range audit.Backups {
		findings = append(findings, v.Findings...)
	}
	return findings[0].File + ": " + findings[0].Message
}
