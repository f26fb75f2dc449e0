// Package pending holds the rule by which no short capture looks whole: whatever an answer
// names is captured, fails the capture, or is named as a gap.
//
// It is kept apart from the code that reads lists and decides about them, and does no
// I/O. Start reading at [Set].
package pending
