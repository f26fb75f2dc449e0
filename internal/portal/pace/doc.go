// Package pace measures how fast the services of a running backup move, from one snapshot of a
// board to the next.
//
// Start reading at [Pace].
package pace
