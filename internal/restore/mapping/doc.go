// Package mapping says what things are called in the target of a restore: names of the site
// that are chosen before, and identities that the target gives while it is restored.
//
// It knows no service and does no I/O. Start reading at [Map].
package mapping
