// Package diffs is what the contract of package flow says of comparisons of two backups: what a
// caller asks for who cannot reach the share, and what a worker answers, which is bounded so that a
// result of Temporal holds it.
//
// It has no behavior but the check of what was asked. Start reading at [Input].
package diffs
