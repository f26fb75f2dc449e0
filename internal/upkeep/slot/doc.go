// Package slot starts the backup for a slot of the schedule, at most once, unless something
// is in the way.
package slot
