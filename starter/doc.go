// Command infrabackup is what operators use: it enables backups, starts and watches
// them, verifies and opens them, and changes settings.
//
// Each command is a constructor in a file cmd_*.go, named after the command; a group that only
// holds others has one, too, and that of the codec key holds all of its small ones. What several
// of them need is in the other files: client.go connects to the service, localrepo.go opens a
// repository, prompt.go asks, output.go and notes.go say what came of it. Streams, arguments
// and environment are injected by run, so tests call it in-process.
//
// There are flags, prompts and printing here, and nothing else. Commands talk to package
// control; those that open backups read the share themselves, through package operator, so that
// the operator's key never leaves this process. Tables and progress are package ui's, answers to
// what is typed wrong package args'. Start reading at main.go, then app.go.
package main
