package folder

import (
	"errors"
	"io/fs"

	"infrabackup/internal/fault"
)

// IsMissing reports that a file is not there, as an answer and not as a failure.
func IsMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsUnusable reports whether the error says that something else than a file of this
// product lies under a name: a folder, a link, a device, a file that is too long, or
// one that cannot be opened while its folder can. That is for the audit to find and
// no reason to end it.
func IsUnusable(err error) bool {
	switch fault.CodeOf(err) {
	case fault.BackupDamaged, fault.ShareUnsupported, fault.ShareAccessDenied:
		return true
	}
	return false
}

// UnlessHeld passes over what keeps something from being cleared away now: somebody has
// it open, or was faster. It is no reason to take no backup.
func UnlessHeld(err error) (cleared bool, _ error) {
	switch {
	case err == nil:
		return true, nil
	case IsMissing(err), errors.Is(err, fs.ErrExist):
		return false, nil
	}
	switch fault.CodeOf(err) {
	case fault.ShareBusy, fault.ShareAccessDenied:
		return false, nil
	}
	return false, err
}

// MissingIsDamage makes damage of a missing file.
func MissingIsDamage(err error) error {
	if IsMissing(err) && fault.CodeOf(err) == fault.SharePathNotFound {
		return fault.New(fault.BackupDamaged, "a file of the backup is missing", err)
	}
	return err
}

// NotAsWritten says that a file has another digest than the sums say.
func NotAsWritten(where string) error {
	return fault.Newf(fault.BackupDamaged, "%s does not hold what was written: its SHA-256 differs", where)
}
