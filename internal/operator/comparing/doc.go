// Package comparing compares a backup that an operator can open, on a share or in a folder, with
// another one or with what a cloud holds now.
//
// It opens backups with the operator's keys and hands them to package diff, which knows neither
// shares nor keys. What was found is returned, and written as a page where that is asked for.
// Start reading at [Run].
package comparing
