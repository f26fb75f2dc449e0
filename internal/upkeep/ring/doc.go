// Package ring lets Temporal start the upkeep of an instance again and again, and tells whether
// it does.
//
// It decides nothing: what is due is found out by each run of upkeep. Start reading at [Set].
package ring
