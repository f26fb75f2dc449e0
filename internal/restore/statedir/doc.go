// Package statedir keeps plans and journals of restores, encrypted for the operator who made
// the plan: in a folder on a disk, or in one on the share with the backups. Which it is, only a
// [Store] knows.
//
// A plan is one file: its key, wrapped to the operator's public keys, and the plan,
// encrypted to that key. Applying it makes a folder of its own, named by the plan's ID:
//
//	plan          the plan, as it was given
//	before/N.age  what batch N was about to change, written before it was sent
//	outcome/N.age what became of batch N
//
// On a disk a file "lock" beside them is held while the restore runs. Undoing needs this
// folder and the private key, and no backup. The package knows neither services nor targets.
// Start reading at [WritePlan] and [Create], then [Store].
package statedir
