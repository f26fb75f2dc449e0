package apierror

import (
	"regexp"

	"infrabackup/internal/fault"
)

// commandWords are what only a command line knows.
var commandWords = regexp.MustCompile("`|(^|\\s)--[a-z]|\\binfrabackup\\b|\\b[A-Z][a-z]+-Smb\\w+|\\bsmb encrypt\\b|INFRABACKUP_")

// remedies are those whose usual wording is for a command line.
var remedies = map[fault.Code]string{
	fault.Internal:            "Look into the service's log for the request id, and at the operation's history; report it if it repeats.",
	fault.Usage:               "Correct the request and send it again.",
	fault.BackupRunning:       "Wait until the running backup has ended, or cancel it.",
	fault.NotEnabled:          "Set path, user name, password and encryption key of the backup location first.",
	fault.AlreadyEnabled:      "Look at the backup location: it is set already.",
	fault.SettingsChanged:     "Read the backup location again, then make the change again.",
	fault.InstanceOccupied:    "Stop the other controller, or let an operator on the service's host take its backups over. For another cloud choose another instance.",
	fault.SettingsStopped:     "Find out who ended the settings workflow; an operator on the service's host can take the newest settings over.",
	fault.SettingsGone:        "Find out who deleted the settings workflow; an operator on the service's host can take over what lies on the share.",
	fault.SettingsReset:       "Find out who reset the settings workflow; an operator on the service's host can take the newest settings over.",
	fault.SettingsRolledBack:  "Find out who set the settings back; an operator on the service's host can take the newest ones over.",
	fault.RequestRefused:      "Let this service and the workers have the same version; when the request was not yours, find out who can write to the Temporal namespace.",
	fault.TargetNotConfigured: "Add the target to the configuration of targets.",
	fault.TargetProduction:    "Choose another target, or agree to this one by the ID that is named here.",
	fault.MapInvalid:          "Correct the map at the place that is named, or let an operator write a new one.",
	fault.MapForeign:          "Write a map for this backup and this target.",
	fault.MapIncomplete:       "Add the names that are listed to the map.",
	fault.PlanConsent:         "Read the steps that cannot be undone, and agree to each of them by name.",
	fault.BackupNotFound:      "Choose one of the backups that the list of the location shows.",
	fault.ItemNotFound:        "Choose one of the items that the backup holds.",
	fault.NoWorker:            "Start a worker for this instance, and look into its log.",
	fault.TemporalUnreachable: "Check that the Temporal server runs, and that this service is let into its namespace.",
	fault.CodecKey:            "Give this service the codec key file that the workers use.",
	fault.PayloadOutdated:     "An earlier version wrote it: the operations guide describes the conversion under Upgrading. A run that began before the upgrade is to be started again.",
	fault.ShareNotEncrypted:   "Require SMB encryption on the file server or on the share.",
	fault.ShareFull:           "Free space on the share or raise the quota, then start a backup again.",
	fault.ShareCredits:        "Let the file server grant each connection more credits: 16 at least, 512 for full speed.",
	fault.ShareNames:          "Let the file server keep names as they are written, with upper and lower case.",
	fault.KeyDoesNotFit:       "Use the private key of a recipient that the backup or, for a proof, the settings name.",
	fault.KeyInvalid:          "Give the public half of an RSA certificate of 2048 bits or more (.cer), or, at api-version 2016-05-01, a key of 32 bytes or more; both in base64.",
	fault.BackupMissing:       "Find out who removed it from the share; a backup that is deleted on request leaves an entry in the ledger.",
	fault.RewrapUnfinished:    "Begin the replacement of keys again; it goes on where it was ended.",
	fault.RewrapUnproven:      "Replace the key where a private key is that opens the backup; when none of your operators did, find out who can write to the Temporal namespace.",
	fault.LedgerDamaged:       "Find out who wrote to the share; backups that are good by themselves still open. When you know the reason, let an operator on the service's host begin a new ledger.",
	fault.LedgerRolledBack:    "The share shows an older state: find out who restored it, or why. If it is meant, let an operator on the service's host begin a new ledger.",
	fault.ProofRefused:        "Answer the newest challenge, with the key that it was created for.",
	fault.FormatUnknown:       "Use a version of the service that knows this format.",
}

// Remedy says what to do about a fault, without a word of the command line.
func Remedy(f *fault.Fault) string {
	if f.Advice != "" && !commandWords.MatchString(f.Advice) {
		return f.Advice
	}
	if text, ok := remedies[f.Code]; ok {
		return text
	}
	return f.Code.Remedy()
}
