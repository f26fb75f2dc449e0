// Package drilling runs drills on an operator's own machine: it restores a backup into a target
// that is there for drills, captures that again, compares, takes the restore back, and signs
// what came of it. The folder of certificates is read and written here.
//
// What a drill has proven is decided in package restore/drill. Start reading at [Run].
package drilling
