// Package blocksum keeps a CRC-32C for every MiB of a file, so that what a server gives
// back can be compared block by block while the file is still being written.
//
// A CRC finds what breaks by accident on its way: in the spool, in memory, on the wire, on
// the share. It proves nothing against somebody who means harm; for that there is the
// SHA-256 of the whole file, which the signed sums hold. One pass makes both ([Hasher]).
// What is known of a file so far is a [Table]: one side adds to it, others wait for it to
// grow, and a [Checker] compares a stream with it.
//
// It knows nothing of spools, shares or encryption. Start reading at [Table].
package blocksum
