// Package edge says what documents of a stamp refer to: which other items they need, and
// which items need them. The table has one row for each place in a document where a
// reference can stand; what lies in what follows from IDs alone and needs no row.
//
// Collectors note needs in the catalog, and the check of a backup looks for them. A
// restore orders and completes its selection by the same edges, a comparison and a map of
// names find by them what has to be replaced. So the package is pure: it is given an ID and
// a document and returns edges. It knows no collector, asks nothing and links no client of
// a stamp.
//
// # What an edge says
//
// Its direction: [Need], the document needs the target; or [Back], the target needs the
// document, which only repeats what the target's own document says. A back reference is
// computed by the stamp and never written, and it may lead to what the account cannot see.
//
// Its strength: [Hard], the document cannot be written before the target is there; or
// [Soft], it can be written without and completed once both are there. Hard needs have no
// cycle.
//
// Whether it is an [Edge.Origin]: the document was made from the target, or names it as a
// place where it may be used, and stays whole when the target is gone. A snapshot outlives
// its disk. A missing origin is no fault of a backup, so the catalog does not have it,
// but without it the document cannot be made again.
//
// An ID such as …/loadBalancers/x/backendAddressPools/y stands for a part of the document
// …/loadBalancers/x: the edge leads there, and [Edge.Part] keeps the whole ID, for [Names]
// to look whether the part is in it.
//
// Start reading at [Of], then [Row] and the tables in compute.go, network.go and core.go.
// What IDs in documents are no edges, and why, is in exceptions.go.
package edge
