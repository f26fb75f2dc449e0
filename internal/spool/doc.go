// Package spool is the folder on a worker's disk where captured parts wait for
// their upload. What lies there is always ciphertext: encryption happens before
// the first byte is written.
//
// One spool belongs to one worker of one instance, and one backup at a time uses
// it. It knows nothing of the share, of Temporal or of encryption. Start reading
// at [Spool].
package spool
