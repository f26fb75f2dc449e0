// Package cluster runs a Temporal cluster as production has one: the server's own program on
// PostgreSQL, client certificates required, and tokens that tell who may write.
//
// What it starts are the files of deploy/temporal, and what it does before and after are the
// commands of deploy/TEMPORAL.md, in their order and to the letter, but for folders, ports and
// the address: a mistake there is one that its users would meet. It knows nothing of the
// product, and starts processes by what it is handed, as package lab does all of its own.
//
// It needs PostgreSQL and two programs that take minutes to build; [Missing] says what is not
// there. Start reading at [Start], then guide.go.
package cluster
