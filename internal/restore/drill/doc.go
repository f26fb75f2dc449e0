// Package drill says what a drill has proven: a backup was restored into a target that is
// there for that, the target was captured again, and what came out was compared with the
// backup. [Judge] tells differences that are explained from those that are not, and
// [Certificate] is what is signed of it.
//
// A difference is explained by the plan, which listed the item among what cannot come back or
// what was refused, by the table of expected differences (expected.txt), or by the target,
// which had the item before. Nothing else explains one. A drill that restored nothing has
// proven nothing and fails.
//
// The package does no I/O and has no clock. Start reading at [Judge].
package drill
