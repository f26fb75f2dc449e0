// Command infrabackup-worker runs the workflows and activities of one instance, or of several.
// It is the composition root: it reads the configuration, connects the parts and
// drains them when it is told to stop. It decides nothing about backups.
//
// It never holds what opens a backup, because Go can erase no memory. Children of it do,
// and end: infrabackup-worker make-key and infrabackup-worker encrypt, which are for the
// worker's own use (internal/privsep). All of these processes restrict themselves alike
// (confine_linux.go).
//
// It polls two task queues and opens no port. Start reading at main.go, then
// wire.go (which part gets which) and serve.go (start, drain, stop); fleet.go serves several.
package main
