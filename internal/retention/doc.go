// Package retention decides which backups are removed because of their age.
//
// It does no I/O, has no clock of its own and knows nothing of Temporal: what is there and
// two independent clocks are given in, and the answer is a [Plan] that says for every
// backup whether it goes, and why.
//
// # What goes
//
// A backup has expired when its end lies more than the days of the policy before now, by
// the slower of the two clocks, and as many days before the end of the newest good backup.
// Without a good backup nothing expires. Of what has expired stay
//
//   - the newest good backup, always;
//   - the newest KeepVerified verified ones; with fewer than that, everything good. A backup
//     that is partial, unverified or known to be damaged counts as none;
//   - what is not understood: an ID that appears twice, unknown times, an end before the
//     start, a negative sequence, no place in the ledger.
//
// Partial and damaged backups go by their age alone, and so are kept as long as they are
// newer than the newest good one.
//
// # Clocks that are set
//
// No clock that is set once makes a backup go that would stay by a clock that is right.
// Only what is known of a backup can hold it: its end by the clock of then, its place in
// the ledger, and what the clocks say now. So nothing at all is removed ([Hold])
//
//   - when the caller says why not, such as that keys are being replaced;
//   - when the two clocks differ by more than [Tolerance];
//   - when the newest backup ends later than now by more than that: now, or the clock that the
//     backup was made by, is wrong;
//   - when a backup ended, by its clock, more than that before one that precedes it in the ledger:
//     a clock was set back. One of the two has to be removed by hand, since it is not known
//     which is wrong.
//
// What is left are clocks that were set forward, or that were set back by less than the time
// in which there was no backup, and set right later. Both show as a time without backups
// that is at least as long as the error. A backup therefore expires only once it is older
// than the policy's days and the longest time without a backup since its end: so long it
// was seen ageing. With backups every 12 hours it goes 12 hours later than without
// that rule. Where a time without backups is longer than the days of the policy and than
// [Hole], and something has expired by its age but was not seen ageing, nothing is removed
// until that has been seen ageing, or an operator consents (Policy.AcrossHole): it
// was a long outage, or a clock that jumped forward.
//
// With that consent the operator vouches for the times: backups go by their age alone, and
// those without a place in the ledger go, too. Clocks that differ, and a ledger that contradicts
// the times, hold all the same.
//
// Two wrong clocks that agree, and that are set forward more than once within the days of the
// policy, are beyond what can be noticed.
//
// Start reading at [Make].
package retention
