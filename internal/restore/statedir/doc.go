// Package statedir keeps plans and journals of restores in a folder on a disk, encrypted
// for the operator who made the plan.
//
// A plan is one file: its key, wrapped to the operator's public keys, and the plan,
// encrypted to that key. Applying it makes a folder of its own, named by the plan's ID:
//
//	plan          the plan, as it was given
//	before/N.age  what batch N was about to change, written before it was sent
//	outcome/N.age what became of batch N
//	lock          held while the restore runs
//
// So undoing needs this folder and the private key, and no backup. Every file is written
// beside its place, synced and renamed. The package knows neither services nor targets.
// Start reading at [WritePlan] and [Create].
package statedir
