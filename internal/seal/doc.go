// Package seal is the cryptography of a backup: age encryption (age-encryption.org
// v1) to the operator's recipients, the key pair that each backup has of its own,
// and SSHSIG signatures over its sums.
//
// The service can seal and cannot open: it holds recipients, and forgets a backup's
// identity as soon as it is wrapped. It is the only package that knows age, and it
// does no I/O of its own. Start reading at [Recipient], then [BackupKey].
package seal
