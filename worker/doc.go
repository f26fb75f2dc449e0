// Command infrabackup-worker runs the workflows and activities of one instance.
// It is the composition root: it reads the configuration, connects the parts and
// drains them when it is told to stop. It decides nothing about backups.
//
// It polls two task queues and opens no port. Start reading at main.go, then
// wire.go (which part gets which) and serve.go (start, drain, stop).
package main
