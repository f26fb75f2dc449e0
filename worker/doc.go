// Command infrabackup-worker runs the workflows and activities of one instance.
// It is the composition root: it reads the configuration, connects the parts and
// drains them when it is told to stop. It decides nothing about backups.
//
// It never holds the private half of a backup's key: infrabackup-worker make-key, a
// child of it that lives for one key, makes that and wraps it to the operator's
// recipients (makekey.go), and keychild.go starts it. The argument is for the worker's
// own use.
//
// It polls two task queues and opens no port. Start reading at main.go, then
// wire.go (which part gets which) and serve.go (start, drain, stop).
package main
