// Package board keeps what is known of an instance in memory, so that reading it costs
// nobody a workflow.
package board
