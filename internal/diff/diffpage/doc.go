// Package diffpage cuts what a comparison found to what can be carried and shown: [Bound] to a number
// of bytes, with every total whole, and [Of] to a page.
//
// It asks nothing and finds nothing: what is secret was hidden before. Start reading at [Of].
package diffpage
