package ledger

import (
	"context"
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// maxAppends bounds how often an entry is tried while others come first.
const maxAppends = 32

// HeadStore remembers the newest entry of one share's ledger where whoever can write to
// the share cannot change it. All calls may be repeated.
type HeadStore interface {
	// Head returns the newest entry that is remembered, the zero head when none is.
	Head(ctx context.Context) (backup.LedgerHead, error)
	// Advance remembers to instead of from. It is success when to is remembered already, and
	// SETTINGS_CHANGED when another entry than these two is: somebody else came first.
	Advance(ctx context.Context, from, to backup.LedgerHead) error
	// Restart remembers to, the first entry of a ledger that begins from its first entry, instead of from,
	// the last one of the ledger before. By is who asked for that.
	Restart(ctx context.Context, from, to backup.LedgerHead, by string) error
	// Announce tells the share how far the ledger is, after entries were made and are
	// remembered. What a crash keeps from being told is told by whoever comes next.
	Announce(ctx context.Context) error
	// Withdraw lets the share forget how far the ledger is, before that is archived: a crash
	// behind that must not look as if the head had been set back.
	Withdraw(ctx context.Context) error
}

// Instance is what a Writer asks of the folder that its ledger lies in.
type Instance interface {
	// Ledger is the ledger of the instance.
	Ledger() *Dir
	// Claim makes sure that no other controller writes to the folder, TakeOver that none does
	// from now on.
	Claim(ctx context.Context, controller string) error
	TakeOver(ctx context.Context, controller string) error
	// Folder returns the name of a backup's folder; BACKUP_NOT_FOUND when there is none.
	Folder(ctx context.Context, id backup.ID) (string, error)
}

// WriterOptions say who writes.
type WriterOptions struct {
	Controller string           // GUID, that entries name
	Key        *seal.SigningKey // signs them
	Trusted    []byte           // allowed_signers as it has to be now: all keys whose signatures count
	Current    []byte           // those of them that make entries now; a retired key makes none
	Now        func() time.Time // for the time of entries
}

// Writer enters what is done to the backups of one share into its ledger. The entries
// lie on the share, the head is remembered by a [HeadStore]: whoever can change the one
// cannot change the other.
type Writer struct {
	instance Instance
	dir      *Dir
	heads    HeadStore
	opts     WriterOptions

	mu      sync.Mutex        // one entry after the other
	claimed bool              // by this writer
	last    backup.LedgerHead // as far as this writer knows, zero to ask
	batch   bool              // the head store learns of many entries at once, from SyncHead
	synced  backup.LedgerHead // the head that it knows, within a batch

	seen   backup.LedgerHead // the entry up to which it is known who is gone: see covers
	ledger *Ledger           // that says so, nil when nobody can be gone there
}

// NewWriter returns a writer of an instance's ledger. Nothing is read or written.
func NewWriter(instance Instance, heads HeadStore, opts WriterOptions) *Writer {
	return &Writer{instance: instance, dir: instance.Ledger(), heads: heads, opts: opts}
}

// Trusted is the content of allowed_signers as it has to be now.
func (w *Writer) Trusted() []byte { return w.opts.Trusted }

// Trust adds keys, in the form of authorized_keys, to those that are trusted.
func (w *Writer) Trust(keys ...string) {
	w.opts.Trusted = WithSigners(w.opts.Trusted, keys)
}

// Own are the keys that make entries now, in the form of authorized_keys.
func (w *Writer) Own() ([]string, error) { return seal.ParseAllowedSigners(w.opts.Current) }

// Batch lets the head store learn of many entries at once, when [Writer.SyncHead] is called.
func (w *Writer) Batch() { w.batch = true }

// Saw says that the ledger was read up to head, so that what is removed according to it is
// known that far; nil when nothing can have been removed by then that is to be entered.
func (w *Writer) Saw(l *Ledger, head backup.LedgerHead) { w.ledger, w.seen = l, head }

// SawHead says that an entry is on the share, and what its line is, as [Dir.HeadEntry] has
// just returned it.
func (w *Writer) SawHead(head backup.LedgerHead, line []byte) {
	w.dir.knownHead, w.dir.knownLine = head, line
}

// Claim makes sure that no other controller writes to the instance's folder.
func (w *Writer) Claim(ctx context.Context) error {
	err := w.instance.Claim(ctx, w.opts.Controller)
	w.claimed = err == nil
	return err
}

// TakeOver makes this controller the one that writes to the instance's folder, whoever did
// before.
func (w *Writer) TakeOver(ctx context.Context) error {
	return w.instance.TakeOver(ctx, w.opts.Controller)
}

// Head returns the newest entry as it is remembered.
func (w *Writer) Head(ctx context.Context) (backup.LedgerHead, error) { return w.heads.Head(ctx) }

// Advance has a head remembered that this writer has not made. SETTINGS_CHANGED when
// another entry came first.
func (w *Writer) Advance(ctx context.Context, from, to backup.LedgerHead) error {
	return w.heads.Advance(ctx, from, to)
}

// CheckIntact makes sure that a ledger can be relied on, see [Ledger.CheckIntact].
func (w *Writer) CheckIntact(ctx context.Context, l *Ledger) error {
	head, err := w.heads.Head(ctx)
	if err != nil {
		return err
	}
	return l.CheckIntact(head)
}

// Append adds an entry to the ledger; its controller and time are filled in. It may be
// repeated: an entry that an earlier attempt had made is found, unless others followed, and
// then it stands twice, which says the same.
func (w *Writer) Append(ctx context.Context, e backup.LedgerEntry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.claimed {
		if err := w.Claim(ctx); err != nil {
			return err
		}
	}
	e.Controller, e.At = w.opts.Controller, w.opts.Now().UTC()
	for range maxAppends {
		own, err := w.append(ctx, e)
		if err != nil {
			return err
		}
		if own && !w.batch {
			return w.heads.Announce(ctx)
		}
		if own {
			return nil
		}
	}
	return fault.Newf(fault.ShareBusy, "the ledger of %s grows faster than an entry can be written", w.dir.files)
}

// append tries once; own is false when another entry came first.
func (w *Writer) append(ctx context.Context, e backup.LedgerEntry) (own bool, err error) {
	head := w.last
	if head == (backup.LedgerHead{}) {
		if head, err = w.heads.Head(ctx); err != nil {
			return false, err
		}
		w.synced = head
	}
	if err := w.covers(ctx, head, e); err != nil {
		return false, err
	}
	next, own, err := w.dir.Append(ctx, head, e, w.opts.Key, w.opts.Current)
	if err != nil {
		return false, err
	}
	if own && head == w.seen {
		w.seen = next
	}
	if next != head && !w.batch {
		err = w.heads.Advance(ctx, head, next)
	}
	if fault.CodeOf(err) == fault.SettingsChanged {
		w.last = backup.LedgerHead{}
		return false, nil
	}
	w.last = next
	return own, err
}

// SyncHead lets the head store know the head after a batch of entries. What a crash keeps
// it from learning is found by whoever makes the next entry. When another writer has made
// entries behind these, it knows already.
func (w *Writer) SyncHead(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == w.synced {
		return nil
	}
	err := w.heads.Advance(ctx, w.synced, w.last)
	if fault.CodeOf(err) == fault.SettingsChanged {
		var now backup.LedgerHead
		if now, err = w.heads.Head(ctx); err == nil && now.Sequence < w.last.Sequence {
			err = fault.Newf(fault.SettingsChanged, "the head of the ledger went back to entry %d", now.Sequence)
		}
	}
	if err != nil {
		return err
	}
	return w.heads.Announce(ctx)
}

// covers makes sure that an entry which says that a backup is there does not come behind
// one that says it was removed. Its writer may have looked before that was entered, so
// what came since is read, up to head at least.
func (w *Writer) covers(ctx context.Context, head backup.LedgerHead, e backup.LedgerEntry) error {
	if e.BackupID == "" || e.SumsSHA256 == "" {
		return nil
	}
	if head != w.seen {
		l, err := w.dir.Read(ctx, w.opts.Trusted)
		if err != nil {
			return err
		}
		// A backup that was just made is entered into a damaged ledger, too.
		if e.Action != backup.LedgerCreated {
			if err := w.CheckIntact(ctx, l); err != nil {
				return err
			}
		}
		w.Saw(l, head)
	}
	if w.ledger == nil {
		return nil
	}
	_, err := NotGone(ctx, w.instance, w.ledger, e.BackupID)
	return err
}

// NotGone refuses to go on with a backup that the ledger says was removed, and returns
// what it says of any other. Whoever puts the folder of a removed backup back must not
// have it entered again: it would be a backup like every other from then on.
// BACKUP_NOT_FOUND when it is gone as it is to be, BACKUP_ROLLED_BACK when it is back.
func NotGone(ctx context.Context, instance Instance, l *Ledger, id backup.ID) (State, error) {
	s, known := l.State(id)
	if !known || !s.Gone() {
		return s, nil
	}
	if _, err := instance.Folder(ctx, id); fault.CodeOf(err) == fault.BackupNotFound {
		return s, err
	}
	return s, fault.Newf(fault.BackupRolledBack, "backup %s is back: entry %d of the ledger records that it was %s", id, s.Sequence, s.Action)
}
