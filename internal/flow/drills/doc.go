// Package drills is what the contract of package flow says of the certificates of drills: what a
// caller who cannot reach the share asks of them, and what a worker answers.
//
// It has no behavior but the check of what was asked. Start reading at [Input].
package drills
