// Package flow is the typed Temporal contract: the names, inputs and results of
// every workflow, activity, query, update and signal, the task queues and the workflow
// IDs.
//
// The SDK checks neither argument types nor names when one side calls the other
// by name, so the generic handles here ([Activity], [Workflow], [Query],
// [Update]) are the only way in which workflows, activities and clients meet.
//
// Whoever can write to the namespace is a stranger. Each value therefore travels as a
// letter (sealed.go) that package temporal encrypts for its namespace, workflow ID and
// activity, with a stamp that says which member of the contract it is, in which
// direction, for which run, and which question it answers. The handles check all of that
// and refuse the rest: nothing that is in clear, of elsewhere, or used before reaches the
// product's code, and no answer of a stranger is believed. A run waits for the go-ahead of
// the client that started it ([Begin]); an update counts once, under its own ID; a run
// that was reset does nothing any more. A new handle has to be listed in [Contract].
//
// The package holds no behaviour of the product. Start reading at handle.go, then
// backup.go; admit.go decides what a run may do.
package flow
