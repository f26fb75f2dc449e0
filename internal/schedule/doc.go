// Package schedule decides when backups are due: what an operator may set, and what has
// to be remembered of what became of it.
//
// It does no I/O, has no clock of its own and knows nothing of Temporal: every time is
// given in, and the same input gives the same answer. All arithmetic is in UTC, so that
// daylight saving moves nothing.
//
// # Slots
//
// Backups are due at slots, which lie one frequency apart on a grid that the anchor fixes.
// The anchor is the moment at which the schedule was first switched on, or its frequency
// last changed, and the first slot is one frequency after it. Pausing and resuming leave
// the grid as it is. Slots that pass while the schedule is paused are neither caught up
// nor missed; those that nobody had claimed before it was paused stay missed. When the
// frequency changes while a slot is due, the new grid begins with one that is due at once.
//
// A slot is claimed once, whatever comes of it. One whose backup could not be started after
// all counts as skipped, and is not due again. After an outage only the newest slot is
// due; those before it are missed. How many backups are late is to be asked before a slot
// is claimed, because a backup that is started ends the count.
//
// # Clocks that are set
//
// A clock that is set back by no more than one frequency delays the next slot by as much,
// since no slot is claimed twice. Where it was set back further, the newest claimed slot
// lies in the future by more than one frequency ([State.ClockMoved]): the schedule then
// does not wait for that time to come again, but a slot is due at once, and claiming it
// begins a new grid there ([State.Realign]), which Realigned and RealignedFrom report.
// Slots that passed unclaimed before the clock was set back cannot be counted then. A clock
// that is set forward makes slots pass: one is caught up, and the others are late.
//
// Start reading at [State].
package schedule
