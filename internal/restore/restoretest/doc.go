// Package restoretest holds every restorer to the contract of [restore.Restorer], and has a
// journal in memory for tests.
//
// Start reading at [Run].
package restoretest
