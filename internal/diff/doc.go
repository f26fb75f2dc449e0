// Package diff finds out what changed between two backups, or between any two sources of items.
//
// Digests decide first: an item of the same service, kind and ID with the same SHA-256 is
// equal, and no part is opened for it. What is left is read through the index of its part, in
// the order in which it lies there, and compared by what it means (the packages below). Each
// difference that does not count is counted under its reason.
//
// An item without its like on the other side may be the same object under another ID: found
// again by what identifies it (package document) or, of files, by the content, it was moved.
// What lies below something that was moved moved with it.
//
// In memory are 72 bytes for each item of both sides, a few hundred for each that differs, and
// one batch of contents; for the view of access besides some 200 for each security principal.
// The package does no I/O, has no clock, and knows neither shares nor keys: a [Source] gives it
// items, a backup on a share as well as a fresh capture. A comparison is the same from the
// other side, but that added is removed there; only counters of a CA have a direction (package
// authority).
//
// Start reading at [Compare], then [Source].
package diff
