package alert

import "infrabackup/internal/fault"

// none stands where a fault concerns only the caller that gets it: nothing is wrong with the
// instance.
const none Code = ""

// ofFault says which cause holds when something has failed with a fault's code. It names every
// code, so that no new one is forgotten.
var ofFault = map[fault.Code]Code{
	fault.Internal:      ReadFailed,
	fault.Usage:         none,
	fault.ConfigInvalid: ReadFailed,
	fault.Cancelled:     none,
	fault.AlreadyExists: none,

	fault.BackupRunning:       none,
	fault.StampUpdating:       none, // told as why a backup was skipped
	fault.ChangeRunning:       none,
	fault.NotEnabled:          NotEnabled,
	fault.AlreadyEnabled:      none,
	fault.SettingsInvalid:     ChangeRefused,
	fault.RevisionGone:        none,
	fault.SettingsChanged:     none,
	fault.InstanceOccupied:    ShareOccupied,
	fault.SettingsUnprobed:    ForeignRequest,
	fault.SettingsStopped:     SettingsSetBack,
	fault.SettingsGone:        SettingsSetBack,
	fault.SettingsReset:       SettingsSetBack,
	fault.SettingsRolledBack:  SettingsSetBack,
	fault.RequestRefused:      ForeignRequest,
	fault.AnswerRefused:       ForeignRequest,
	fault.RewrapRunning:       none,
	fault.BackupNotFound:      none,
	fault.ItemNotFound:        none,
	fault.TemporalUnreachable: TemporalUnreachable,
	fault.NoWorker:            NoWorker,
	fault.CodecKey:            SettingsUnreadable,
	fault.PayloadRefused:      ForeignRequest,
	fault.PayloadOutdated:     SettingsUnreadable,

	fault.ShareInvalid:        SharePath,
	fault.ShareUnsupported:    SharePath,
	fault.ShareNameUnresolved: ShareConnection,
	fault.ShareUnreachable:    ShareConnection,
	fault.ShareDialect:        ShareConnection,
	fault.ShareNotEncrypted:   ShareConnection,
	fault.ShareGuest:          ShareAccount,
	fault.ShareAuthFailed:     ShareAccount,
	fault.ShareAccountLocked:  ShareAccount,
	fault.ShareAccountInvalid: ShareAccount,
	fault.ShareNTLMRefused:    ShareAccount,
	fault.ShareNotFound:       SharePath,
	fault.SharePathNotFound:   SharePath,
	fault.ShareAccessDenied:   ShareAccess,
	fault.ShareReadOnly:       ShareAccess,
	fault.ShareFull:           ShareFull,
	fault.ShareFileTooLarge:   ShareFull,
	fault.ShareBusy:           ShareFailed,
	fault.ShareProtocol:       ShareFailed,
	fault.ShareCorrupted:      ShareFailed,
	fault.ShareExists:         ShareFailed,
	fault.ShareCredits:        ShareFailed,
	fault.ShareNames:          ShareFailed,
	fault.ShareIO:             ShareFailed,

	// Whoever restores is told at once.
	fault.TargetNotConfigured: none,
	fault.TargetUnreachable:   none,
	fault.TargetAuthFailed:    none,
	fault.TargetAccessDenied:  none,
	fault.TargetRefused:       none,
	fault.TargetFailed:        none,
	fault.TargetThrottled:     none,
	fault.TargetForeign:       none,
	fault.TargetProduction:    none,
	fault.PlanInvalid:         none,
	fault.PlanStale:           none,
	fault.PlanDiffers:         none,
	fault.PlanExpired:         none,
	fault.PlanApplied:         none,
	fault.PlanConsent:         none,
	fault.MapInvalid:          none,
	fault.MapForeign:          none,
	fault.MapIncomplete:       none,
	fault.TargetNoDrill:       none,
	fault.DrillFailed:         none,
	fault.CertificateInvalid:  none,
	fault.CertificateForged:   none,
	fault.RestoreRunning:      none,
	fault.DiffRunning:         none,
	fault.RestoreConflict:     none,
	fault.RestoreIncomplete:   none,
	fault.JournalInvalid:      none,
	fault.JournalIO:           none,

	// A source that fails makes a partial or a failed backup, which lists it.
	fault.SourceNotConfigured: ServiceWithoutWorker,
	fault.SourceUnreachable:   BackupPartial,
	fault.SourceTLS:           BackupPartial,
	fault.SourceAuthFailed:    BackupPartial,
	fault.SourceAccessDenied:  BackupPartial,
	fault.SourceIncomplete:    BackupPartial,
	fault.SourceChanging:      BackupPartial,
	fault.SourceInvalid:       BackupPartial,
	fault.SourceInconsistent:  BackupPartial,
	fault.SourceRestored:      BackupPartial,
	fault.SourceThrottled:     BackupPartial,
	fault.SourceFailed:        BackupPartial,

	fault.SpoolFull:        WorkerDisk,
	fault.SpoolLost:        WorkerDisk,
	fault.SpoolUnavailable: NoWorker,
	fault.SpoolIO:          WorkerDisk,

	fault.KeyInvalid:       ChangeRefused,
	fault.KeyPassword:      none,
	fault.KeyDoesNotFit:    none,
	fault.KeyNotHeld:       none,
	fault.BackupDamaged:    BackupDamaged,
	fault.BackupForged:     BackupDamaged,
	fault.FormatUnknown:    BackupDamaged,
	fault.BackupMissing:    BackupMissing,
	fault.BackupUnlisted:   ShareSetBack,
	fault.BackupRolledBack: ShareSetBack,
	fault.BackupForeign:    BackupDamaged,
	fault.RewrapUnfinished: ReplacementOpen,
	fault.RewrapUnproven:   ForeignRequest,
	fault.LedgerDamaged:    LedgerDamaged,
	fault.LedgerRolledBack: ShareSetBack,
	fault.ProofRefused:     none,
	fault.BackupIncomplete: BackupPartial,
	fault.BackupFailed:     BackupFailed,
	fault.LimitExceeded:    BackupFailed,
}

// OfFault returns the cause that holds when something has failed with a fault's code; false
// when the fault concerns only its caller. A code that is not known is [ReadFailed].
func OfFault(code fault.Code) (Code, bool) {
	cause, known := ofFault[code]
	if !known {
		return ReadFailed, code != ""
	}
	return cause, cause != none
}
