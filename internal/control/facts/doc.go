// Package facts reads through a controller what is known of an instance, for a board that goes on
// reading and for a command that reads once. Both get the same from it.
//
// It decides nothing: package board puts together what was read, and package alert says what is
// wrong. Start reading at [Source].
package facts
