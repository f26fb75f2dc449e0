package ledger

import (
	"slices"
	"strings"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
)

// Ledger is what a ledger says, without the entries themselves.
type Ledger struct {
	// Entries is how many entries are there, damaged ones among them.
	Entries int
	// Findings are what is wrong with the ledger: LEDGER_DAMAGED all of them.
	Findings []backup.Finding
	// Foreign is what else lies in ledger/ and could not be taken for an entry.
	Foreign backup.Foreign

	strangers  []string // in ledger/
	head       backup.LedgerHead
	states     map[backup.ID]*State
	introduced []string          // of the keys that were offered, those that became trusted
	watch      backup.LedgerHead // asked for; SHA256 is that of the entry on the share, empty when there is none
}

// State is what the ledger says of one backup now.
type State struct {
	Sequence   int64               // of the newest entry about it
	Action     backup.LedgerAction // of that entry
	ChangedAt  time.Time           // of that entry
	Made       int64               // sequence of the entry that says that it is there: created or adopted
	MadeAt     time.Time           // of that entry
	Folder     string              // its name in backups/
	SumsSHA256 string              // of its SHA256SUMS; empty when it is gone
	Recipients []backup.Recipient  // to whom its key.age is wrapped
	// Exposed are the fingerprints of all keys that its backup key was ever wrapped to,
	// oldest first: whoever has one of them may know the backup key.
	Exposed []string

	earlier []string // digests of its former SHA256SUMS
}

// Gone reports whether the backup was removed, on request or by retention.
func (s State) Gone() bool { return s.SumsSHA256 == "" }

// WasEarlier reports whether the backup had a SHA256SUMS with that digest before the
// present one.
func (s State) WasEarlier(sums string) bool { return slices.Contains(s.earlier, sums) }

// Strangers are the names in ledger/ that no store can open, links and devices, which are not
// judged here: see [folder.Folder.ForeignEntries].
func (l *Ledger) Strangers() []string { return l.strangers }

// Head names the newest entry on the share, whole or not.
func (l *Ledger) Head() backup.LedgerHead { return l.head }

// CheckIntact makes sure that the ledger can be relied on: nothing is wrong with it, and it
// reaches the head that was kept elsewhere, see [Ledger.CheckHead]. Whoever cuts it could
// otherwise hide what it says. LEDGER_DAMAGED and LEDGER_ROLLED_BACK.
func (l *Ledger) CheckIntact(head backup.LedgerHead) error {
	if len(l.Findings) > 0 {
		f := l.Findings[0]
		return fault.Newf(fault.LedgerDamaged, "the ledger cannot be relied on: %s: %s", f.File, f.Message)
	}
	return l.CheckHead(head)
}

// CheckHead compares the ledger with the head that was kept elsewhere. Entries beyond that
// are those whose writer did not live to tell, and have been checked like others.
// LEDGER_ROLLED_BACK when the ledger ends before, LEDGER_DAMAGED when the entry that the
// head names is another one, as far as its digest is known: of the newest, and of the one
// that was watched for. The zero head is that of any ledger.
func (l *Ledger) CheckHead(head backup.LedgerHead) error {
	if head.Sequence > l.head.Sequence {
		return fault.Newf(fault.LedgerRolledBack, "the ledger on the share ends with entry %d, and had %d", l.head.Sequence, head.Sequence)
	}
	for _, known := range []backup.LedgerHead{l.head, l.watch} {
		if head.Sequence > 0 && known.Sequence == head.Sequence && known.SHA256 != head.SHA256 {
			return fault.Newf(fault.LedgerDamaged, "entry %d is not the one that was written", head.Sequence)
		}
	}
	return nil
}

// State returns what the ledger says of a backup, and whether it knows it.
func (l *Ledger) State(id backup.ID) (State, bool) {
	s, ok := l.states[id]
	if !ok {
		return State{}, false
	}
	return *s, true
}

// take takes in what an entry says of a backup.
func (l *Ledger) take(e backup.LedgerEntry) {
	if e.BackupID == "" {
		return
	}
	s := l.states[e.BackupID]
	if s == nil {
		s = &State{}
		l.states[e.BackupID] = s
	}
	if s.SumsSHA256 != "" && s.SumsSHA256 != e.SumsSHA256 {
		s.earlier = append(s.earlier, s.SumsSHA256)
	}
	if e.Action == backup.LedgerReencrypted {
		s.Exposed = nil // the backup key is a new one
	}
	for _, recipient := range e.Recipients {
		if !slices.Contains(s.Exposed, recipient.Fingerprint) {
			s.Exposed = append(s.Exposed, recipient.Fingerprint)
		}
	}
	if e.Action == backup.LedgerCreated || e.Action == backup.LedgerAdopted {
		s.Made, s.MadeAt = e.Sequence, e.At
	}
	s.Sequence, s.Action, s.ChangedAt = e.Sequence, e.Action, e.At
	s.Folder, s.SumsSHA256, s.Recipients = e.Folder, e.SumsSHA256, e.Recipients
}

// Introduced are the keys, of those that were offered, that a key which is believed
// introduces.
func (l *Ledger) Introduced() []string { return l.introduced }

// Empty reports whether the ledger tells of no backup.
func (l *Ledger) Empty() bool { return len(l.states) == 0 }

// Known returns the backups that the ledger tells of, newest first.
func (l *Ledger) Known() []backup.ID {
	ids := make([]backup.ID, 0, len(l.states))
	for id := range l.states {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b backup.ID) int { return strings.Compare(l.states[b].Folder, l.states[a].Folder) })
	return ids
}
