// Command lab runs the lab of package tests/lab from the command line: around a
// command, in the foreground for trying things out, or as the demonstration.
//
// It is for developers and for a first look; nothing of it is installed with the
// product. Start reading at main.go.
package main
