package main

import (
	"infrabackup/internal/backup"
	"infrabackup/internal/printable"
)

// signedWarning is said where a share is to be used without encryption on the wire.
const signedWarning = "Warning: --transport signed sends data in clear over the network; the backups themselves stay encrypted."

// checkInstance refuses what cannot be an instance's name.
func (a *app) checkInstance() error {
	if backup.ValidateInstanceName(a.instance) != nil {
		return usage("--instance %s is not a name: use 1 to 63 of a-z, 0-9 and '-', not starting or ending with '-'", printable.Quote(a.instance))
	}
	return nil
}

// checkProofDays refuses a time that a key cannot be asked to be proven in.
func checkProofDays(days int) error {
	if days < 1 {
		return usage("--prove-every %d is less than a day", days)
	}
	return nil
}
