// Package diagnosing has the commands that find out what is wrong: `doctor`, which tries what a
// backup depends on, `support`, which packs what people who help an operator have to see, and
// `version`.
//
// It says what is asked of a controller, and prints; packages diagnosis and support do the
// rest. Start reading at [Commands].
package diagnosing
