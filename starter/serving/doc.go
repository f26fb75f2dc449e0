// Package serving has the commands around the process that answers for the Backup Resource
// Provider: `serve`, and `token` for those who call it.
//
// It parses flags and prints; package provider does the work. Start reading at [Commands].
package serving
