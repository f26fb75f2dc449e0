// Package serving has the commands of the processes beside the workers: `serve` for the
// Backup Resource Provider and `token` for those who call it, `codec-server` for the Temporal
// Web UI, and `codec-key` for the key that they all share.
//
// It parses flags and prints; packages provider and codec do the work. Start reading at [Commands].
package serving
