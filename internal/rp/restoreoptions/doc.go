// Package restoreoptions reads the body of a restore of Microsoft.Backup.Admin (RestoreOptions of
// 2018-09-01): a role, and a certificate with its private key as a PFX.
//
// It looks at the outer form of the PFX only, and opens nothing. Start reading at [Parse].
package restoreoptions
