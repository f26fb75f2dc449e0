// Package alert says what an operator has to know of without having asked.
//
// An alert is no event but a state: it is open while its cause holds, and closes by itself
// when the cause is gone. [Causes] is the table of all causes, [Evaluate] says which of them
// hold for given [Facts], and [Changes] what was opened and closed between two evaluations.
//
// The package has no clock and does no I/O: every time is given in, and the same facts give
// the same alerts. What is not known raises nothing.
package alert
