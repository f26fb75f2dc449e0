// Package args answers what was typed wrong on a command line: a command or flag that does not
// exist, an argument too many or too few, a value that is empty or too long. Each mistake gets
// one line, which names the word that was not understood, what was probably meant, and what
// there is.
//
// It knows how commands are laid out and, but for what other programs call them, none of
// them. Start reading at [Unknown] and
// [CheckFlags].
package args
