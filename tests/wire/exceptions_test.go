package wire_test

import (
	"regexp"

	"infrabackup/tests/lab/stamp/conformance"
)

// exceptions are all deviations from the definitions that are meant. That a 202 has no body
// (T3) is the one that no body can show; harness_test.go has it.
var exceptions = []struct {
	versions, operation, where, what *regexp.Regexp
	why                              string
}{
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`^Backup`),
		regexp.MustCompile(`/externalStoreDefault/(password|encryptionKeyBase64|encryptionCertBase64|encryptionCertThumbprint|availableCapacity|nextBackupTime|lastBackupTime)$|/backupInfo/(stampVersion|oemVersion|encryptionCertThumbprint)$|^/nextLink$`),
		regexp.MustCompile(`^got null, want string`), "T2: where there is no text the wire has null",
	},
	{
		regexp.MustCompile(`.`), regexp.MustCompile(`.`), regexp.MustCompile(`^/error/target$`), regexp.MustCompile(`^got null, want string`), "T2, of errors, which no definition before 2021-09-01 has",
	},
	{
		regexp.MustCompile(`2018|2021`), regexp.MustCompile(`^(Backups_|BackupLocations_CreateBackup$)`), regexp.MustCompile(`/backupInfo$`),
		regexp.MustCompile(`^additional properties '(backupId|completelyUploaded|isAutomaticBackup)'(, '(backupId|completelyUploaded|isAutomaticBackup)'){2} not allowed$`), "T4: three members that the wire has",
	},
	{
		regexp.MustCompile(`2021`), regexp.MustCompile(`^BackupLocations_`), regexp.MustCompile(`/properties$`), regexp.MustCompile(`^additional properties 'provisioningState' not allowed$`),
		"2021-09-01 has it, and is held against 2018-09-01",
	},
	{
		regexp.MustCompile(`2021`), regexp.MustCompile(`^BackupLocations_`), regexp.MustCompile(`/externalStoreDefault$`), regexp.MustCompile(`^additional properties 'blobStorage(Key|Url)', 'blobStorage(Key|Url)' not allowed$`),
		"2021-09-01 has them, and is held against 2018-09-01",
	},
}

func excepted(version string, p conformance.Problem) bool {
	for _, e := range exceptions {
		if e.versions.MatchString(version) && e.operation.MatchString(p.Operation) && e.where.MatchString(p.Where) && e.what.MatchString(p.What) {
			return true
		}
	}
	return false
}
