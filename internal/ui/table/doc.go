// Package table shows what the product knows as tables for people: a backup, a list of them, a
// verdict, an audit, settings and their history, a diagnosis. Scripts read JSON instead, so
// that only people see these.
//
// Each function writes rows to a [text/tabwriter.Writer]; whoever made that flushes it, and
// learns there what went wrong. Start reading at [Line].
package table
