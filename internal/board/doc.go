// Package board keeps what is known of an instance in memory, so that reading it costs
// nobody a workflow.
//
// A [Board] reads through a [Source] and publishes immutable snapshots, see [Snapshot]. Each
// reading asks for all facts; those that cannot be read are kept from before, and the snapshot
// says so. One reading is under way at a time: one a minute while somebody looks or has
// subscribed, one every ten minutes otherwise, at the end of each backup, and when asked for
// with [Board.Refresh], as when something was done to the instance. While a backup runs, one watch of it feeds all readers.
//
// Who has written something puts what it knows in with [Board.Apply], and reads it back at once.
//
// Alerts are evaluated on each snapshot, and at least once a minute. After a start those that are
// open count as opened, because nobody knows whether they were told before.
package board
