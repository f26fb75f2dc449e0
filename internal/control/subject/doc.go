// Package subject makes sure that an answer of a worker is about what was asked for. Errors are
// ANSWER_REFUSED. Start reading at [About].
package subject
