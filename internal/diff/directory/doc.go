// Package directory compares objects of a directory attribute by attribute, and the files of
// its group policies.
//
// Values are sets, and links are told apart by the objectGUID of their target, so that a
// renamed user is not a change of every group. Security descriptors and DNS records are read.
// Bookkeeping, counters and back links do not count (attributes.go says which, and why).
//
// What changes only because something further up did, the name of an object below a renamed
// unit or a permission that is inherited, does not count either, once [Settle] has seen the
// change that explains it. Without one it does.
//
// It knows no part and no catalog. Start reading at [Comparer.Compare], then [Settle].
package directory
