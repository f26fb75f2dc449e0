package portal

import (
	"strings"

	"infrabackup/internal/fault"
)

// problem is what went wrong, as a page tells it.
type problem struct {
	Title, Code, Cause, Remedy string
	Unchanged                  bool // nothing was changed
}

// problemOf tells of a fault.
func problemOf(f *fault.Fault) *problem {
	return &problem{Title: title(f.Code), Code: string(f.Code), Cause: sentence(f.Message()), Remedy: remedyOf(f), Unchanged: true}
}

func title(code fault.Code) string {
	switch {
	case code == fault.BackupRunning:
		return "A backup is running already"
	case code == fault.ChangeRunning:
		return "A change of settings is running already"
	case code == fault.NotEnabled:
		return "Backups are not enabled"
	case code.Exit() == fault.ExitTemporal:
		return "The backup service does not answer"
	case code.Exit() == fault.ExitShare:
		return "The share does not work"
	case code.Exit() == fault.ExitDamaged:
		return "A backup is damaged"
	case code.Exit() == fault.ExitKeyDoesNotFit, code == fault.KeyInvalid:
		return "The key was refused"
	}
	return "This was refused"
}

// onPage are the remedies of faults whose own ones name commands.
var onPage = map[fault.Code]string{
	fault.BackupRunning:      "Wait until it has finished, or cancel it on the overview.",
	fault.NotEnabled:         "Enable backups first.",
	fault.AlreadyEnabled:     "Change what is to be different under Settings.",
	fault.SettingsChanged:    "Look at the settings as they are now, then make the change again.",
	fault.InstanceOccupied:   "Stop the other controller, or choose another share; taking over what another controller left is done on the command line.",
	fault.SettingsStopped:    "Find out who ended the settings workflow, then let it go on from the command line.",
	fault.SettingsGone:       "Find out who deleted the settings workflow, then take the share over again from the command line.",
	fault.SettingsReset:      "Find out who reset the settings workflow, then take the newest settings over from the command line.",
	fault.SettingsRolledBack: "Find out who set the settings back, then take the newest ones over from the command line.",
	fault.BackupNotFound:     "See the list of backups; it may have been removed by the retention.",
	fault.ItemNotFound:       "See what the backup holds.",
	fault.NoWorker:           "Start a worker for this instance, and look into its log.",
	fault.KeyDoesNotFit:      "Use the private key of one of the keys that are named here.",
	fault.BackupMissing:      "Find out who removed it from the share; a removal by the service would have left an entry in the ledger.",
	fault.RewrapUnfinished:   "Replace the keys again from the command line; it goes on where it ended.",
	fault.RewrapUnproven:     "Replace the keys where a private key is that opens the backup; when none of your operators did, find out who can write to the Temporal namespace.",
	fault.LedgerDamaged:      "Find out who wrote to the share; backups that are good by themselves still open.",
	fault.LedgerRolledBack:   "The share shows an older state: find out who restored it, or why.",
	fault.ProofRefused:       "Answer the newest challenge, with the key that it was created for.",
	fault.FormatUnknown:      "Use a version of the product that knows this format.",
	fault.PayloadOutdated:    "An earlier version wrote it; see the operations manual, Upgrading.",
	fault.RequestRefused:     "Use one version everywhere; when the request was not yours, find out who can write to the Temporal namespace.",
}

// remedyOf says what to do, without naming a command.
func remedyOf(f *fault.Fault) string {
	remedy := f.Remedy()
	if !strings.Contains(remedy, "infrabackup") && !strings.Contains(remedy, " --") {
		return remedy
	}
	if neutral := onPage[f.Code]; neutral != "" {
		return neutral
	}
	if strings.Contains(remedy, "`infrabackup") || strings.Contains(remedy, "`--") {
		return "See the operations manual for " + string(f.Code) + "."
	}
	return remedy
}

// fieldOf is the field that a fault is about, empty for the whole form.
func fieldOf(code fault.Code) string {
	switch code {
	case fault.ShareAuthFailed, fault.ShareAccountLocked, fault.ShareAccountInvalid, fault.ShareGuest:
		return "username"
	case fault.ShareNotEncrypted, fault.ShareDialect:
		return "transport"
	case fault.KeyInvalid, fault.KeyDoesNotFit:
		return "recipients"
	}
	if strings.HasPrefix(string(code), "SHARE_") {
		return "path"
	}
	return ""
}

// refuse ties an error to the field that it is about.
func (f *form) refuse(err error) {
	refused := fault.As(err)
	f.Errors = append(f.Errors, fieldError{Field: fieldOf(refused.Code), Message: sentence(refused.Message()), Remedy: remedyOf(refused)})
}
