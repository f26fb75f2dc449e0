// Package sysvol brings files of group policies back into SYSVOL of the target's controller.
//
// A file has the content of the backup, or is refused; what came after the backup stays. Contents
// are not changed: into a domain with other names, one that has a name or SID of the source is
// refused by the restore. Access control lists are in no backup: a new file inherits, and group
// policy management sets it from the policy's own. Files are overwritten where they lie; when that
// is ended in the middle, the step is refused as RESTORE_CONFLICT, and a new plan writes the file
// whole. What was there is in the journal.
//
// The package knows neither LDAP nor SMB: the share comes through [Share]. Start reading at
// [Files.Wants].
package sysvol
