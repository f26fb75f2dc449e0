// Package scheduling has the commands around what goes on by itself: `schedule`, and `prune`.
//
// It parses flags and prints; package control does the work. Start reading at [Commands].
package scheduling
