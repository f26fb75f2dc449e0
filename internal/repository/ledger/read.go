package ledger

import (
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository/folder"
	"infrabackup/internal/repository/foreign"
)

const (
	// entriesAtOnce is how many entries are in memory while a ledger is read.
	entriesAtOnce = 256
	// clockStep is how far the time of an entry may lie before that of the one before
	// it: clocks are set, and controllers move to other hosts.
	clockStep = 24 * time.Hour
)

// Read reads all entries and checks the chain: that none is missing, that each is
// written as entries are, follows the one before it and is signed by one of the allowed
// signers that was current, and that nothing lies in
// ledger/ that could be taken for one. What is wrong is a finding; entries
// with one are not believed. A missing ledger is an empty one. LIMIT_EXCEEDED when
// there are more files than a ledger has.
func (d *Dir) Read(ctx context.Context, allowedSigners []byte) (*Ledger, error) {
	return d.read(ctx, allowedSigners, nil, backup.LedgerHead{})
}

// read also believes the offered keys, each from where a key that is believed
// introduces it, and finds out the digest of the entry that watch names.
func (d *Dir) read(ctx context.Context, allowedSigners []byte, offered []string, watch backup.LedgerHead) (*Ledger, error) {
	c := &chain{
		dir: d, signers: allowedSigners,
		keys: signing{seen: map[string]bool{}, retired: map[string]retirement{}, offered: offered},
		ledger: &Ledger{
			states: map[backup.ID]*State{}, watch: backup.LedgerHead{Sequence: watch.Sequence},
		},
	}
	places, err := c.list(ctx)
	if err != nil {
		return nil, err
	}
	if len(places) > 0 && len(allowedSigners) == 0 {
		c.found.Add(fault.LedgerDamaged, d.path(), "no entry can be believed: no signing key is known")
		places = nil
	}
	for len(places) > 0 {
		n := min(entriesAtOnce, len(places))
		if err := c.read(ctx, places[:n]); err != nil {
			return nil, err
		}
		places = places[n:]
	}
	c.ledger.Findings = c.found.List
	return c.ledger, nil
}

// chain checks entries, one after the other.
type chain struct {
	dir     *Dir
	signers []byte
	keys    signing
	ledger  *Ledger
	found   folder.Findings

	last     int64  // sequence of the entry before
	previous string // digest of the entry before, empty when it is not to be relied on
	at       time.Time
}

// list returns the sequences of the entries that are there, in order.
func (c *chain) list(ctx context.Context) ([]int64, error) {
	entries, strangers, err := c.dir.files.Scan(ctx, c.dir.path())
	if folder.IsMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.ledger.strangers = strangers
	var places []int64
	for _, entry := range entries {
		name := c.dir.files.At(backup.LedgerDir, entry.Name)
		sequence, err := backup.ParseLedgerFile(entry.Name)
		switch {
		case err == nil && !entry.IsDir:
			places = append(places, sequence)
		case isLeftover(entry.Name) && !entry.IsDir:
		case strings.Contains(entry.Name, refusedInfix):
			c.found.Add(fault.LedgerDamaged, name, "another writer put this in the place of an entry; it was set aside")
		case foreign.Ledger.Resembles(entry.Name, entry.IsDir):
			c.found.Add(fault.LedgerDamaged, name, "this is not an entry of the ledger")
		default:
			c.ledger.Foreign.Add(name)
		}
	}
	return places, nil
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
	group.SetLimit(folder.ParallelReads)
	for i, sequence := range places {
		group.Go(func() error {
			data, err := c.dir.readEntry(ctx, c.dir.EntryPath(sequence))
			if folder.IsMissing(err) {
				files[i].gone = true
				return nil
			}
			if err != nil {
				return err
			}
			files[i].data = data
			files[i].link, files[i].err = c.dir.parseEntry(data, c.signers)
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
	name := c.dir.EntryPath(sequence)
	if sequence > c.last+1 {
		message := "the entry is missing"
		if sequence > c.last+2 {
			message += ", and with it all up to " + backup.LedgerFile(sequence-1)
		}
		c.found.Add(fault.LedgerDamaged, c.dir.EntryPath(c.last+1), "%s", message)
		c.previous = ""
	}
	line, _ := Split(f.data)
	head := headOf(sequence, line)
	c.last, c.ledger.head = sequence, head
	c.ledger.Entries++
	if sequence == c.ledger.watch.Sequence {
		c.ledger.watch.SHA256 = head.SHA256
	}
	if f.err != nil && len(c.ledger.introduced) > 0 {
		// The key may have been introduced since the file was read.
		f.link, f.err = c.dir.parseEntry(f.data, c.signers)
	}
	e := f.link.entry
	switch {
	case f.err != nil:
		c.found.Add(fault.LedgerDamaged, name, "the entry cannot be believed: %v", f.err)
	case e.Sequence != sequence:
		c.found.Add(fault.LedgerDamaged, name, "this is entry %d", e.Sequence)
	default:
		c.follow(name, e)
		c.previous = head.SHA256
		if c.signer(name, e) {
			c.at = e.At
			c.ledger.take(e)
		}
		return
	}
	// Whether the next one follows cannot be said.
	c.previous, c.at = "", time.Time{}
}

// follow checks that the entry fits behind the one before.
func (c *chain) follow(name string, e backup.LedgerEntry) {
	if c.previous != "" && e.Previous != c.previous {
		c.found.Add(fault.LedgerDamaged, name, "the entry does not follow the one before it: one of the two is of another chain")
	}
	if e.At.Before(c.at.Add(-clockStep)) {
		c.found.Add(fault.LedgerDamaged, name, "the entry is of %s, the one before it of %s", e.At.Format(time.RFC3339), c.at.Format(time.RFC3339))
	}
}
