package alert

import "time"

// The codes.
const (
	ShareConnection      Code = "SHARE_CONNECTION"
	SharePath            Code = "SHARE_PATH"
	ShareAccount         Code = "SHARE_ACCOUNT"
	ShareAccess          Code = "SHARE_ACCESS"
	ShareFull            Code = "SHARE_FULL"
	ShareAlmostFull      Code = "SHARE_ALMOST_FULL"
	ShareFailed          Code = "SHARE_FAILED"
	ShareSetBack         Code = "SHARE_SET_BACK"
	ShareOccupied        Code = "SHARE_OCCUPIED"
	LedgerDamaged        Code = "LEDGER_DAMAGED"
	NotEnabled           Code = "NOT_ENABLED"
	SettingsSetBack      Code = "SETTINGS_SET_BACK"
	SettingsUnreadable   Code = "SETTINGS_UNREADABLE"
	ChangeRefused        Code = "CHANGE_REFUSED"
	NoGoodBackup         Code = "NO_GOOD_BACKUP"
	BackupFailed         Code = "BACKUP_FAILED"
	BackupPartial        Code = "BACKUP_PARTIAL"
	BackupTooOld         Code = "BACKUP_TOO_OLD"
	BackupStalled        Code = "BACKUP_STALLED"
	BackupMissing        Code = "BACKUP_MISSING"
	BackupDamaged        Code = "BACKUP_DAMAGED"
	NewestDamaged        Code = "NEWEST_DAMAGED"
	NewestUnverified     Code = "NEWEST_UNVERIFIED"
	VerificationOverdue  Code = "VERIFICATION_OVERDUE"
	ReplacementOpen      Code = "KEY_REPLACEMENT_UNFINISHED"
	ScheduleMissed       Code = "SCHEDULE_MISSED"
	ScheduleSkipped      Code = "SCHEDULE_SKIPPED"
	ScheduleOff          Code = "SCHEDULE_OFF"
	ScheduleLost         Code = "SCHEDULE_LOST"
	UpdateUnclear        Code = "UPDATE_UNCLEAR"
	BelowRecommended     Code = "BELOW_RECOMMENDED"
	ClockMoved           Code = "CLOCK_MOVED"
	RetentionHolds       Code = "RETENTION_HOLDS"
	DeletionFailed       Code = "DELETION_FAILED"
	CertificateExpires   Code = "CERTIFICATE_EXPIRES"
	CertificateExpired   Code = "CERTIFICATE_EXPIRED"
	KeyUnproven          Code = "KEY_UNPROVEN"
	NoWorker             Code = "NO_WORKER"
	ServiceWithoutWorker Code = "SERVICE_WITHOUT_WORKER"
	WorkerDisk           Code = "WORKER_DISK"
	TemporalUnreachable  Code = "TEMPORAL_UNREACHABLE"
	ForeignRequest       Code = "FOREIGN_REQUEST"
	ReadFailed           Code = "READ_FAILED"
)

// row is a cause with what finds it in the facts; nil where it holds when something has failed
// with a fault of this cause, see [Facts.Failures].
type row struct {
	Cause
	raise func(*Facts) []instance
}

// instance is one occurrence of a cause.
type instance struct {
	object, message string
	since           time.Time
}

// rows is the table, in the order in which alerts of the same severity are shown.
var rows = []row{
	{Cause{NoGoodBackup, Critical, "There is no good backup",
		"No backup is on the share from which everything could be restored.",
		"Mend what other alerts name, then take a backup."}, noGoodBackup},
	{Cause{NotEnabled, Critical, "Backups are not enabled",
		"No settings are active, so nothing of this instance is backed up.",
		"Enable backups: give a share, an account and a public key."}, notEnabled},
	{Cause{NewestDamaged, Critical, "The newest backup is damaged",
		"The verification of the newest backup found that it is not what was written. A restore today would have to use an older one.",
		"Take a new backup now, then find out what happened on the file server. Keep the damaged one until that is known."}, newestDamaged},
	{Cause{BackupTooOld, Critical, "The newest good backup is too old",
		"More time has passed since the newest good backup than two frequencies of the schedule, or than 25 hours without one. A restore today would lose all that has changed since.",
		"Take a backup now, and look at what kept the last ones from succeeding."}, backupTooOld},
	{Cause{SettingsSetBack, Critical, "The settings were set back or ended",
		"The workflow that keeps the settings was reset, ended or removed, or the share lists newer settings than the active ones. Backups do not run until that is decided.",
		"Find out who did it, then take the newest settings over, or enable backups again with what is on the share."}, nil},
	{Cause{SettingsUnreadable, Critical, "The settings cannot be decrypted",
		"What Temporal keeps cannot be decrypted with the codec keys at hand, or has the form of an earlier version. Nothing can be started or shown.",
		"Give this process the codec key file that the workers use; after an upgrade, convert what the earlier version wrote."}, nil},
	{Cause{ShareSetBack, Critical, "The share shows an older state",
		"Entries of the ledger, or backups, are not as far as they were: the share was restored to an earlier state, or something was put back.",
		"Find out who restored the share, and why. If it was meant, take the share over with a new ledger."}, nil},
	{Cause{LedgerDamaged, Critical, "The ledger is damaged",
		"The signed record of what was done to the backups does not fit together. Backups that are good by themselves can still be restored.",
		"Find out who wrote to the share. When the reason is known, take the share over with a new ledger."}, nil},
	{Cause{BackupMissing, Critical, "A backup is gone from the share",
		"The ledger records a backup that is no longer on the share, and no deletion of it.",
		"Find out who removed it, and restore its folder from a copy of the share where there is one. Delete backups only through this product."}, backupMissing},
	{Cause{ShareOccupied, Critical, "Another controller writes to the share",
		"The instance's folder on the share belongs to another controller. Two controllers that write there would damage each other's backups.",
		"Stop the other controller, or take its backups over on purpose, or choose another instance name or share."}, nil},
	{Cause{ShareConnection, Critical, "The share cannot be reached",
		"The file server's name cannot be resolved, it does not answer, or it offers no connection that is safe enough.",
		"Check that the file server runs, that its name resolves and port 445 is open from each worker host, and that it offers SMB 3 with encryption."}, nil},
	{Cause{SharePath, Critical, "The share's path is not there",
		"The file server answers, but it has no such share, or the folder in it is missing.",
		"Create the share and its folder, or correct the path in the settings."}, nil},
	{Cause{ShareAccount, Critical, "The file server refuses the account",
		"The user name or the password is wrong, or the account is locked, disabled or expired, or may not use NTLM.",
		"Mend the account on the file server or in its directory, then correct user name and password in the settings."}, nil},
	{Cause{ShareAccess, Critical, "The share cannot be read or written",
		"The account is known, but it may not read, write or delete on the share, or the share is read-only.",
		"Grant the account read, write and delete on the share and its folder, in the share's and in the file system's permissions."}, nil},
	{Cause{ShareFull, Critical, "The share is full",
		"A backup could not be written because there was no free space, or a quota or a limit of the file system was reached.",
		"Free space on the share or raise its quota; shorten the retention or delete the oldest backups. Then take a backup."}, nil},
	{Cause{ShareFailed, Critical, "The share fails",
		"The file server answered with a failure that is none of the usual ones, or what it returns is not what was written.",
		"Look into the file server's log and at its disks, then try again. If it repeats, move to another file server."}, nil},
	{Cause{TemporalUnreachable, Critical, "Temporal cannot be reached",
		"The Temporal server does not answer, or refuses this client. Nothing can be started, and what is shown is old.",
		"Check that the Temporal server runs, its address and namespace, and the certificates for it."}, nil},
	{Cause{NoWorker, Critical, "No worker answers",
		"No worker of this instance takes up work, so no backup, no verification and no restore can run.",
		"Start the workers of this instance, and look into their logs."}, nil},
	{Cause{ForeignRequest, Critical, "A request of unknown origin was refused",
		"A request or an answer in Temporal was not made by this product, or was sent a second time. Nothing was done with it.",
		"Find out who can write to the Temporal namespace, and take that right away. Let all parts have the same version."}, nil},
	{Cause{BackupFailed, Warning, "The newest backup failed",
		"The newest attempt left no backup. Older backups are not touched by that.",
		"Mend the cause that the message names, then take a backup."}, backupFailed},
	{Cause{BackupPartial, Warning, "The newest backup is partial",
		"Some services could not be captured, so not everything can be restored from the newest backup.",
		"Mend the cause at each service that the message lists, then take a backup."}, backupPartial},
	{Cause{BackupStalled, Warning, "The running backup is stalled",
		"The backup that runs has given no sign of progress for longer than is usual.",
		"Look at the worker host and at the service that it waits for; cancel the backup when it does not go on."}, backupStalled},
	{Cause{ScheduleLost, Warning, "The schedule was lost",
		"Backups are to start by themselves, but Temporal has no schedule that would start them, or it is paused there.",
		"Save the schedule again, and find out who removed or paused it in Temporal."}, scheduleLost},
	{Cause{ScheduleMissed, Warning, "Scheduled backups were missed",
		"The time for a backup passed and nothing was started, as when Temporal or all workers were away.",
		"Take a backup now, and see that Temporal and the workers run all the time. The alert closes when the next scheduled one starts."}, scheduleMissed},
	{Cause{ScheduleSkipped, Warning, "A scheduled backup was skipped",
		"The time for a backup came, but something was in the way, so none was started.",
		"Look at the reason in the message, and take a backup when it has passed. The alert closes when the next scheduled one starts."}, scheduleSkipped},
	{Cause{BackupDamaged, Warning, "A backup is damaged",
		"The verification of an older backup found that it is not what was written. Nothing should be restored from it.",
		"Find out what happened on the file server, then delete the damaged backup."}, backupDamaged},
	{Cause{NewestUnverified, Warning, "The newest backup was not verified",
		"A backup is to be verified within an hour of its end. This one was not, two hours after it.",
		"Verify it, and see that a worker is free to do so after each backup."}, newestUnverified},
	{Cause{VerificationOverdue, Warning, "Backups were not verified for 30 days",
		"Storage decays unnoticed: each backup is to be verified every 30 days, and some were not.",
		"Verify all backups, and see that workers have the time for it."}, verificationOverdue},
	{Cause{ReplacementOpen, Warning, "The replacement of keys is unfinished",
		"The keys of backups were being replaced when that was ended. Some backups may still open with the former keys only.",
		"Run the replacement again; it goes on where it ended. Keep the former private keys until then."}, nil},
	{Cause{ShareAlmostFull, Warning, "The share is almost full",
		"The share has less free space than two more backups need.",
		"Free space on the share, raise its quota or shorten the retention."}, shareAlmostFull},
	{Cause{RetentionHolds, Warning, "The retention removes nothing",
		"For more than a day no backup was removed for its age, because what is known about the backups contradicts itself. The share fills up.",
		"Look at the reason in the message and mend it; then the retention goes on by itself."}, retentionHolds},
	{Cause{DeletionFailed, Warning, "Backups could not be deleted",
		"Backups that the retention was to remove, or their remains, are still on the share and take space.",
		"See that the account may delete on the share and that no program holds the files; it is tried again by itself."}, deletionFailed},
	{Cause{ClockMoved, Warning, "A clock was set",
		"The clock of a host differs from what was recorded earlier, or from that of the Temporal server. Times of backups and their age cannot be relied on.",
		"Synchronise the clocks of the Temporal server, the workers and the file server."}, clockMoved},
	{Cause{ServiceWithoutWorker, Warning, "A service is captured by no worker",
		"A backup has to contain the service, but no worker has a source for it. The next backup will be partial.",
		"Start the worker that reads this service, or add the source to a worker's configuration, or take the service off the list."}, serviceWithoutWorker},
	{Cause{WorkerDisk, Warning, "A worker's disk is full or fails",
		"A worker could not keep what it had captured, so services were captured again or are missing.",
		"Free space in the worker's spool folder, and check its disk and the permissions."}, nil},
	{Cause{CertificateExpired, Warning, "A certificate has expired",
		"The certificate that backups are encrypted to has expired. Its private key still opens them.",
		"Set a new certificate. Keep the private key of the old one for as long as backups need it."}, certificateExpired},
	{Cause{KeyUnproven, Warning, "A private key was not proven for long",
		"For longer than is set, nothing has shown that the private half of the key still exists. Without it no backup can be opened.",
		"Let its holder answer a challenge. If the key is lost, set another one and take a backup at once."}, keyUnproven},
	{Cause{ReadFailed, Warning, "The state cannot be read",
		"What is known about this instance could not be read for a reason that is none of the usual ones, so what is shown is old.",
		"Look into the logs of this process and of the workers; report it if it repeats."}, nil},
	{Cause{CertificateExpires, Notice, "A certificate expires soon",
		"The certificate that backups are encrypted to expires within 30 days. Its private key will open them after that, too.",
		"Set a new certificate, and keep the private key of the old one."}, certificateExpires},
	{Cause{ChangeRefused, Notice, "A change of the settings was refused",
		"The newest change of the settings was tried and refused. The settings that were active before still are.",
		"Look at the reason in the message, correct the values and make the change again."}, changeRefused},
	{Cause{ScheduleOff, Notice, "Backups do not start by themselves",
		"The schedule is switched off, so there are only backups that an operator starts. At least two a day are recommended.",
		"Switch the schedule on."}, scheduleOff},
	{Cause{UpdateUnclear, Notice, "It is unclear whether the stamp is being updated",
		"The newest scheduled backup began without knowing that no update of the stamp runs: the stamp did not tell, or what it told cannot be, such as an update that began long ago and never ended. A backup that is taken during an update may be partial.",
		"See in the administrator's portal whether an update runs, and that the account may read updates. The alert closes when a scheduled backup begins with a plain answer."}, updateUnclear},
	{Cause{BelowRecommended, Notice, "The schedule is not what is recommended",
		"At least two backups a day, kept for at most seven days, are recommended.",
		"Set a frequency of 12 hours or less and a retention of seven days or less, or acknowledge that it is meant."}, belowRecommended},
}

// Causes returns the table of all causes, the worst first.
func Causes() []Cause {
	all := make([]Cause, 0, len(rows))
	for _, r := range rows {
		all = append(all, r.Cause)
	}
	return all
}

// Find returns the cause with a code; false when there is none.
func Find(code Code) (Cause, bool) {
	for _, r := range rows {
		if r.Code == code {
			return r.Cause, true
		}
	}
	return Cause{}, false
}
