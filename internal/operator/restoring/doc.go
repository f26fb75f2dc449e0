// Package restoring restores from a backup that is open, on the operator's own machine: no
// Temporal, no worker and no settings are needed. It puts together what package restore
// needs, a backup as its source, the restorers of a target and a journal on a disk, and
// does what an operator asks for: plan, apply, undo.
//
// It asks nobody and prints nothing. Start reading at [Target], then [Plan] and [Apply].
package restoring
