// Package rekeying replaces the keys of finished backups, as the holder of their private
// keys: [Rekeyer.Rewrap] lets other keys open a backup, and [Rekeyer.Revoke] encrypts again
// what a stolen key could open.
//
// Private keys do not leave this process. What is to be in a backup is made here, and a
// worker, which the package knows as a [Service], checks it, signs it and puts it in place.
// Both can be started again after an interruption. Nothing is printed: what became of each
// backup is in the [Outcome]. Start reading at [New].
package rekeying
