// Package fault is the vocabulary of failures: one code for one cause, each with
// a remedy, whether retrying can mend it, the exit code of the command line and
// the HTTP status.
//
// Every layer makes faults with [New] and wraps them with %w; nothing below the
// Temporal boundary knows of Temporal's errors. A fault's text never holds a
// secret. Start reading at [Fault], then the table in codes.go.
package fault
