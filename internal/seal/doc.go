// Package seal keeps backups secret and shows who made them: age encryption to the
// operator's recipients by way of a key made for each backup, and SSH signatures.
//
// It is the only package that imports age, and a parser of PFX files. It does no I/O of
// its own, knows nothing of the share or of Temporal, and no value of it prints a private
// key. FORMAT.md of internal/backup specifies the files and the derivations. Start reading at
// [BackupKey], then [Recipient] and [Identity], then sign.go.
package seal
