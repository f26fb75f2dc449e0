package ledger

import (
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/seal"
)

// RetiredSigning is how long after its replacement a signing key may still make
// entries: a run goes on with the key that it began with. Later than that, an entry by
// it is somebody else's.
const RetiredSigning = 24 * time.Hour

// signing is what a chain knows of the keys that sign it, by their fingerprints.
type signing struct {
	seen    map[string]bool
	retired map[string]retirement
	offered []string // keys that are believed once they are introduced
}

// retirement is when a key was replaced, and by which entry.
type retirement struct {
	sequence int64
	at       time.Time
}

// signer reports whether the key that signed the entry was a current one, and takes in which
// keys the entry makes current and which it retires. A retired key does not say who follows it.
func (c *chain) signer(name string, e backup.LedgerEntry) bool {
	c.keys.seen[e.Signer] = true
	old, retired := c.keys.retired[e.Signer]
	switch {
	case retired && e.At.After(old.at.Add(RetiredSigning)):
		c.found.Add(fault.LedgerDamaged, name, "signed by a key that entry %d replaced", old.sequence)
		return false
	case retired:
	case e.Action == backup.LedgerTakenOver:
		c.retire(e, func(fingerprint string) bool { return fingerprint == e.Signer })
	case e.Action == backup.LedgerSigner:
		key := seal.AllowedSigners(e.Key)
		c.retire(e, func(fingerprint string) bool { return seal.Trusts(key, fingerprint) })
		c.introduce(e.Key)
	}
	return true
}

// retire retires all keys that signed so far but those that the entry makes current. A
// key that is retired already gets no new time.
func (c *chain) retire(e backup.LedgerEntry, isCurrent func(fingerprint string) bool) {
	for fingerprint := range c.keys.seen {
		_, already := c.keys.retired[fingerprint]
		switch {
		case isCurrent(fingerprint):
			delete(c.keys.retired, fingerprint)
		case !already:
			c.keys.retired[fingerprint] = retirement{e.Sequence, e.At}
		}
	}
}

// introduce lets the entries from here on be signed by a key that was offered.
func (c *chain) introduce(key string) {
	if !slices.Contains(c.keys.offered, key) || slices.Contains(c.ledger.introduced, key) {
		return
	}
	c.ledger.introduced = append(c.ledger.introduced, key)
	c.signers = WithSigners(c.signers, c.ledger.introduced)
}

// WithSigners adds keys, in the form of authorized_keys, to an allowed_signers file that can be
// read.
func WithSigners(signers []byte, keys []string) []byte {
	known, err := seal.ParseAllowedSigners(signers)
	if err != nil {
		return signers // trusts nobody
	}
	for _, key := range keys {
		if !slices.Contains(known, key) {
			known = append(known, key)
		}
	}
	return seal.AllowedSigners(known...)
}

// offers returns the keys that a list on the share has beyond the trusted ones; none
// when it lacks one of those or is not written as such lists are.
func offers(onShare, trusted []byte) []string {
	had, err := seal.ParseAllowedSigners(trusted)
	if err != nil {
		return nil
	}
	keys, err := seal.ParseAllowedSigners(onShare)
	if err != nil || string(seal.AllowedSigners(keys...)) != string(onShare) {
		return nil
	}
	for _, key := range had {
		if !slices.Contains(keys, key) {
			return nil
		}
	}
	return slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(had, key) })
}
