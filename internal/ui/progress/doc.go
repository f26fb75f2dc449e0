// Package progress shows how far work is: the services of a run, or the reading of a backup. On
// a terminal lines move, with a bar where it is known how much there is to do; anywhere else a
// run writes a line when something changes, and a reading nothing.
//
// It is told what is so and asks nobody. Start reading at [Run.See]; line.go lays a line out.
package progress
