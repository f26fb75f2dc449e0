// Package result is what a comparison of two backups finds, as its readers get it: a table, a
// page, and scripts, for which the fields of [Report] are an interface. deploy/OPERATIONS.md
// describes them; fields may be added, and none changes its meaning or goes.
//
// Lists are never null in JSON. Values of secrets are in no field. It imports nothing that
// compares. Start reading at [Report], then [Details], which is how findings are collected
// within bounds.
package result
