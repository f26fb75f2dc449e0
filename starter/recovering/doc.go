// Package recovering has the commands that restore with nothing but a backup, its key and
// a target: `recover plan`, `apply`, `undo`, `show` and `list`. They need no Temporal, no
// worker and no settings.
//
// It parses flags and prints; package operator/restoring does the work. Start reading at
// [Commands].
package recovering
