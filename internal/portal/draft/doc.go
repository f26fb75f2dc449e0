// Package draft keeps what a person has given so far in a form of several steps, and has not sent
// yet: in memory only, and passwords for a short time.
//
// A draft has an ID, which is in the addresses of its steps, so that two windows of one person
// that begin a form have a draft each. Where both go on with the same one, a step that was drawn
// before the other window changed it is refused, see [ErrChanged]. Nobody reads a draft of
// another person, whatever ID they know.
//
// Start reading at [Store].
package draft
