// Package comparing compares two backups that an operator can open, on a share or in a folder.
//
// It opens both with the operator's keys, hands them to package diff, which knows neither shares
// nor keys, and writes nothing: what was found is returned. Start reading at [Run].
package comparing
