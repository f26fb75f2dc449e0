package rekeying

import (
	"context"
	"slices"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/operator"
	"infrabackup/internal/repository"
	"infrabackup/internal/repository/audit"
	"infrabackup/internal/repository/ledger"
	"infrabackup/internal/seal"
	"infrabackup/internal/settings"
)

// Service is what rekeying needs of the service.
type Service interface {
	// Summary says how far the ledger reached.
	Summary(ctx context.Context) (settings.Summary, error)
	// KeyFileChallenges makes what only the backups' own keys answer.
	KeyFileChallenges(ctx context.Context, revision int64, ids []backup.ID) ([]flow.KeyFileChallenge, error)
	// Rewrap puts new key files in place.
	Rewrap(ctx context.Context, revision int64, keys []flow.WrappedKey, requestedBy string) ([]flow.ReplacedBackup, error)
	// Swap puts a backup in place that was encrypted again.
	Swap(ctx context.Context, revision int64, id backup.ID, staged, requestedBy string) (flow.ReplacedBackup, error)
}

// Options say who replaces keys, and by what.
type Options struct {
	Instance    string
	Settings    settings.Settings // with the keys that backups are to have
	Identities  []seal.Identity   // that open the backups now
	RequestedBy string
}

// Rekeyer replaces the keys of finished backups, as their holder.
type Rekeyer struct {
	Options
	service    Service
	place      *operator.LocalRepo
	diff       *audit.LedgerDiff
	ledger     *ledger.Ledger
	recipients []seal.Recipient
	owns       map[backup.ID]seal.Identity // of the backups that were opened to wrap their keys again
}

// New makes one. It reads nothing yet, see [Rekeyer.Read].
func New(service Service, o Options) (*Rekeyer, error) {
	r := &Rekeyer{Options: o, service: service}
	for _, s := range o.Settings.Recipients {
		recipient, err := seal.ParseRecipient(s.Text)
		if err != nil {
			return nil, err
		}
		r.recipients = append(r.recipients, recipient)
	}
	return r, nil
}

// Read reads the ledger of the place where the backups are, and compares them with it. It
// comes before everything else.
func (r *Rekeyer) Read(ctx context.Context, place *operator.LocalRepo) error {
	diff, err := audit.Compare(ctx, place.Repo, place.Signers)
	if err != nil {
		return err
	}
	r.place, r.diff, r.ledger = place, diff, diff.Ledger
	return nil
}

// reliable makes sure that the ledger is whole and as new as the service remembers: a
// thief who cuts it must not hide which backups his key could open.
func (r *Rekeyer) reliable(ctx context.Context) error {
	summary, err := r.service.Summary(ctx)
	if err != nil {
		return err
	}
	return r.ledger.CheckIntact(summary.Ledger)
}

// Rekeyed is what became of one backup.
type Rekeyed struct {
	BackupID backup.ID `json:"backupId"`
	Path     string    `json:"path"`
	Result   string    `json:"result"`
	Written  int64     `json:"writtenBytes"`
	Code     string    `json:"code,omitempty"`
	Message  string    `json:"message,omitempty"`
}

// Results of replacing a backup's key.
const (
	Rewrapped   = "rewrapped"
	Reencrypted = "reencrypted"
	Cleared     = "cleared"   // it has the current keys, and nothing lies beside it any more
	Already     = "already"   // it has the current keys
	NotOpened   = "notOpened" // the given key does not fit
	Failed      = "failed"
)

// Outcome is what became of the backups.
type Outcome struct {
	Backups []Rekeyed
	// Unreadable are folders that were passed over.
	Unreadable []backup.Finding
	// Exposed reports whether a revoked key could open any of them.
	Exposed bool
}

// isCurrent reports whether a backup has the current keys, by the ledger.
func (r *Rekeyer) isCurrent(known ledger.State) bool {
	return sameRecipients(known.Recipients, r.Settings.PublicRecipients())
}

// unlocked is a backup with its own key.
type unlocked struct {
	backup  *repository.Backup
	keyFile []byte
	own     seal.Identity
}

func (r *Rekeyer) unlock(ctx context.Context, id backup.ID) (unlocked, error) {
	b, err := r.place.Repo.Open(ctx, backup.Ref{ID: id})
	if err != nil {
		return unlocked{}, err
	}
	keyFile, err := b.KeyFile(ctx)
	if err != nil {
		return unlocked{}, err
	}
	own, err := seal.OpenBackupKey(keyFile, r.Identities)
	return unlocked{b, keyFile, own}, err
}

func (d *Rekeyed) fail(err error) {
	f := fault.As(err)
	d.Result, d.Code, d.Message = Failed, string(f.Code), f.Message()
	if f.Code == fault.KeyDoesNotFit {
		d.Result = NotOpened
	}
}

func sameRecipients(a, b []backup.Recipient) bool {
	if len(a) != len(b) {
		return false
	}
	for _, one := range a {
		if !slices.Contains(b, one) {
			return false
		}
	}
	return true
}
