// Command infrabackup is what operators use: it enables backups, starts and watches
// them, verifies and opens them, and changes settings.
//
// Each command is a constructor in a file of its own; streams, arguments and
// environment are injected by run, so tests call it in-process. Commands talk to
// package control; those that open backups read the share themselves, so that the
// operator's key never leaves this process. Start reading at main.go, then app.go.
package main
