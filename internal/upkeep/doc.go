// Package upkeep puts together what is known of the backups of an instance, and says which
// of them are to be verified and which have expired.
//
// What counts is what the ledger says, since that is signed: when a backup was finished,
// where it stands among the others, and when it was last changed. Whoever can only write
// to the share cannot make a backup older than it is, and have it removed for that. What
// became of its services is read from its manifest, which a verification compares with
// what was signed.
//
// What a verification came to is judged here alone, see [Judge]. A verdict is about a backup as
// the ledger's newest entry about it left it, and is compared by that entry's sequence: the clocks
// of the hosts that wrote the one and the other have no say.
//
// It does no I/O and has no clock: package slot below it starts a backup that is due, and
// package ring lets Temporal start upkeep. Start reading at [Gather].
package upkeep
