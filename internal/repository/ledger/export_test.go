package ledger

import "infrabackup/internal/backup"

// What tests outside of the package need of its inside.
const (
	MaxRefused   = maxRefused
	RefusedInfix = refusedInfix
	ClockStep    = clockStep
)

// HeadOf names the entry whose line is given.
func HeadOf(sequence int64, line []byte) backup.LedgerHead { return headOf(sequence, line) }

// StateOf is a state with the digests of earlier sums.
func StateOf(s State, earlier ...string) State {
	s.earlier = earlier
	return s
}

// ParseEntry reads an entry's file, and returns its number and the head that names it.
func (d *Dir) ParseEntry(data, allowedSigners []byte) (int64, backup.LedgerHead, error) {
	l, err := d.parseEntry(data, allowedSigners)
	return l.entry.Sequence, l.head, err
}
