// Command infrabackup-worker runs the workflows and activities of one instance.
// It is the composition root: it reads the configuration, connects the parts and
// drains them when it is told to stop. It decides nothing about backups.
//
// It never holds what opens a backup, because Go can erase no memory. Two kinds of
// children of it do, and end: infrabackup-worker make-key lives for one key, makes the
// private half of a backup's key and wraps it to the operator's recipients (makekey.go,
// started by keychild.go); infrabackup-worker encrypt lives for one file, for which age
// draws keys, and encrypts it (encrypt.go, started by encryptchild.go). These arguments
// are for the worker's own use.
//
// It polls two task queues and opens no port. Start reading at main.go, then
// wire.go (which part gets which) and serve.go (start, drain, stop).
package main
