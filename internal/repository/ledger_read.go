package repository

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/foreign"
)

const (
	// entriesAtOnce is how many entries are in memory while a ledger is read.
	entriesAtOnce = 256
	// clockStep is how far the time of an entry may lie before that of the one before
	// it: clocks are set, and controllers move to other hosts.
	clockStep = 24 * time.Hour
)

// Ledger is what a ledger says, without the entries themselves.
type Ledger struct {
	// Entries is how many entries are there, damaged ones among them.
	Entries int
	// Findings are what is wrong with the ledger: LEDGER_DAMAGED all of them.
	Findings []backup.Finding
	// Foreign is what else lies in ledger/ and could not be taken for an entry.
	Foreign backup.Foreign

	head       backup.LedgerHead
	states     map[backup.ID]*LedgerState
	introduced []string          // of the keys that were offered, those that became trusted
	watch      backup.LedgerHead // asked for; SHA256 is that of the entry on the share, empty when there is none
}

// LedgerState is what the ledger says of one backup now.
type LedgerState struct {
	Sequence   int64               // of the newest entry about it
	Action     backup.LedgerAction // of that entry
	Folder     string              // its name in backups/
	SumsSHA256 string              // of its SHA256SUMS; empty when it is gone
	Recipients []backup.Recipient  // to whom its key.age is wrapped
	// Exposed are the fingerprints of all keys that its backup key was ever wrapped to,
	// oldest first: whoever has one of them may know the backup key.
	Exposed []string

	earlier []string // digests of its former SHA256SUMS
}

// Gone reports whether the backup was removed, on request or by retention.
func (s LedgerState) Gone() bool { return s.SumsSHA256 == "" }

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
func (l *Ledger) State(id backup.ID) (LedgerState, bool) {
	s, ok := l.states[id]
	if !ok {
		return LedgerState{}, false
	}
	return *s, true
}

// ReadLedger reads all entries and checks the chain: that none is missing, that each is
// written as entries are, follows the one before it and is signed by one of the allowed
// signers that was in force, and that nothing lies in
// ledger/ that could be taken for one. What is wrong is a finding; entries
// with one are not believed. A missing ledger is an empty one. LIMIT_EXCEEDED when
// there are more files than a ledger has.
func (r *Repository) ReadLedger(ctx context.Context, allowedSigners []byte) (*Ledger, error) {
	return r.readLedger(ctx, allowedSigners, nil, backup.LedgerHead{})
}

// readLedger also believes the offered keys, each from where a key that is believed
// introduces it, and finds out the digest of the entry that watch names.
func (r *Repository) readLedger(ctx context.Context, allowedSigners []byte, offered []string, watch backup.LedgerHead) (*Ledger, error) {
	c := &chain{
		owner: r, signers: allowedSigners,
		keys: signing{seen: map[string]bool{}, retired: map[string]retirement{}, offered: offered},
		ledger: &Ledger{
			states: map[backup.ID]*LedgerState{}, watch: backup.LedgerHead{Sequence: watch.Sequence},
		},
	}
	places, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(places) > 0 && len(allowedSigners) == 0 {
		c.found.add(fault.LedgerDamaged, r.at(backup.LedgerDir), "no entry can be believed: no signing key is known")
		places = nil
	}
	for len(places) > 0 {
		n := min(entriesAtOnce, len(places))
		if err := c.read(ctx, places[:n]); err != nil {
			return nil, err
		}
		places = places[n:]
	}
	c.ledger.Findings = c.found.list
	return c.ledger, nil
}

// chain checks entries, one after the other.
type chain struct {
	owner   *Repository
	signers []byte
	keys    signing
	ledger  *Ledger
	found   findings

	last     int64  // sequence of the entry before
	previous string // digest of the entry before, empty when it is not to be relied on
	at       time.Time
}

// list returns the sequences of the entries that are there, in order.
func (c *chain) list(ctx context.Context) ([]int64, error) {
	entries, err := c.owner.store.List(ctx, c.owner.at(backup.LedgerDir))
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var places []int64
	for _, entry := range entries {
		name := c.owner.at(backup.LedgerDir, entry.Name)
		sequence, err := backup.ParseLedgerFile(entry.Name)
		switch {
		case err == nil && !entry.IsDir:
			places = append(places, sequence)
		case isLeftover(entry.Name) && !entry.IsDir:
		case strings.Contains(entry.Name, refusedMark):
			c.found.add(fault.LedgerDamaged, name, "somebody put this in the place of an entry; it was set aside")
		case foreign.Ledger.Resembles(entry.Name, entry.IsDir):
			c.found.add(fault.LedgerDamaged, name, "this is not an entry of the ledger")
		default:
			c.ledger.Foreign.Add(name)
		}
	}
	return places, nil
}

// isLeftover reports whether the name is that of a file that an append did not live to
// give its name.
func isLeftover(name string) bool {
	entry, _, ok := strings.Cut(name, partMark)
	_, err := backup.ParseLedgerFile(entry)
	return ok && err == nil
}

// fetched is an entry's file as the share gave it.
type fetched struct {
	data []byte
	gone bool // since it was listed
	link link
	err  error // what is wrong with it
}

// read reads some entries at once and then checks them in order.
func (c *chain) read(ctx context.Context, places []int64) error {
	files := make([]fetched, len(places))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, sequence := range places {
		group.Go(func() error {
			data, err := c.owner.readEntry(ctx, c.owner.entryPath(sequence))
			if missing(err) {
				files[i].gone = true
				return nil
			}
			if err != nil {
				return err
			}
			files[i].data = data
			files[i].link, files[i].err = c.owner.parseEntry(data, c.signers)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, sequence := range places {
		if !files[i].gone {
			c.check(sequence, files[i])
		}
	}
	return nil
}

// check enters what one entry says, and what is wrong with it.
func (c *chain) check(sequence int64, f fetched) {
	name := c.owner.entryPath(sequence)
	if sequence > c.last+1 {
		message := "the entry is missing"
		if sequence > c.last+2 {
			message += ", and with it all up to " + backup.LedgerFile(sequence-1)
		}
		c.found.add(fault.LedgerDamaged, c.owner.entryPath(c.last+1), "%s", message)
		c.previous = ""
	}
	line, _ := splitEntry(f.data)
	head := headOf(sequence, line)
	c.last, c.ledger.head = sequence, head
	c.ledger.Entries++
	if sequence == c.ledger.watch.Sequence {
		c.ledger.watch.SHA256 = head.SHA256
	}
	if f.err != nil && len(c.ledger.introduced) > 0 {
		// The key may have been introduced since the file was read.
		f.link, f.err = c.owner.parseEntry(f.data, c.signers)
	}
	e := f.link.entry
	switch {
	case f.err != nil:
		c.found.add(fault.LedgerDamaged, name, "the entry cannot be believed: %v", f.err)
	case e.Sequence != sequence:
		c.found.add(fault.LedgerDamaged, name, "this is entry %d", e.Sequence)
	default:
		c.follow(name, e)
		c.previous = head.SHA256
		if c.signer(name, e) {
			c.at = e.At
			c.ledger.enter(e)
		}
		return
	}
	// Whether the next one follows cannot be said.
	c.previous, c.at = "", time.Time{}
}

// follow checks that the entry fits behind the one before.
func (c *chain) follow(name string, e backup.LedgerEntry) {
	if c.previous != "" && e.Previous != c.previous {
		c.found.add(fault.LedgerDamaged, name, "the entry does not follow the one before it: one of the two is of another chain")
	}
	if e.At.Before(c.at.Add(-clockStep)) {
		c.found.add(fault.LedgerDamaged, name, "the entry is of %s, the one before it of %s", e.At.Format(time.RFC3339), c.at.Format(time.RFC3339))
	}
}

// enter takes in what an entry says of a backup.
func (l *Ledger) enter(e backup.LedgerEntry) {
	if e.BackupID == "" {
		return
	}
	s := l.states[e.BackupID]
	if s == nil {
		s = &LedgerState{}
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
	s.Sequence, s.Action, s.Folder, s.SumsSHA256, s.Recipients = e.Sequence, e.Action, e.Folder, e.SumsSHA256, e.Recipients
}
