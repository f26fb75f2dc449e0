// Package flow is the typed Temporal contract: the names, inputs and results of
// every workflow, activity, query and update, the task queues and the workflow
// IDs.
//
// The SDK checks neither argument types nor names when one side calls the other
// by name, so the generic handles here ([Activity], [Workflow], [Query],
// [Update]) are the only way in which workflows, activities and clients meet.
// The package holds no behaviour of the product. Start reading at handle.go, then
// backup.go.
package flow
