package anchor

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/repository"
)

// Position is how far the settings are, and the ledger of one share as they know it.
type Position struct {
	Revision    int64  // the active one, 0 when none is
	Fingerprint string // of that revision
	Controller  string
	Head        backup.LedgerHead
	Reset       bool // they were set back to an earlier state, as is known for sure
}

// Comparison is how far the settings and a share are.
type Comparison struct {
	Share    repository.Anchors
	Settings Position
	HeadLine []byte // line of the ledger's newest entry that the settings know, from [Keeper.Check] only

	place string // the share, for messages
}

// Check says in which way the settings were set back. An anchor of another controller is
// none of this one's: that it may write here is for controller.json and the ledger to say.
func (c Comparison) Check() error {
	if err := c.checkSettings(); err != nil {
		return err
	}
	return c.checkLedger()
}

// checkSettings is Check of the settings alone.
func (c Comparison) checkSettings() error {
	if c.Settings.Reset {
		return fault.Newf(fault.SettingsReset, "the settings workflow was reset to an earlier event; revision %d is active there", c.Settings.Revision)
	}
	told, now := c.Share.Newest, c.Settings
	switch {
	case told == nil || told.Controller != now.Controller:
	case told.Revision > now.Revision:
		return fault.Newf(fault.SettingsRolledBack, "revision %d of the settings is active, and %s records revision %d", now.Revision, c.place, told.Revision)
	case told.Revision == now.Revision && told.Settings != now.Fingerprint:
		return fault.Newf(fault.SettingsRolledBack, "revision %d of the settings that is active is another one than %s records", now.Revision, c.place)
	}
	return nil
}

// checkLedger is Check of the head of the ledger alone.
func (c Comparison) checkLedger() error {
	told, now := c.Share.Newest, c.Settings
	switch {
	case told == nil || told.Controller != now.Controller:
	case told.Ledger.Sequence > now.Head.Sequence:
		return fault.Newf(fault.SettingsRolledBack, "the settings know the ledger up to entry %d, and %s records entry %d", now.Head.Sequence, c.place, told.Ledger.Sequence)
	case told.Ledger.Sequence == now.Head.Sequence && told.Ledger != now.Head:
		return fault.Newf(fault.SettingsRolledBack, "entry %d of the ledger is another one than %s records", now.Head.Sequence, c.place)
	}
	return nil
}

// anchor is what the share is to be told.
func (c Comparison) anchor() backup.Anchor {
	return backup.Anchor{
		Generation: c.Share.Generation + 1, Controller: c.Settings.Controller, Revision: c.Settings.Revision,
		Settings: c.Settings.Fingerprint, Ledger: c.Settings.Head,
	}
}
