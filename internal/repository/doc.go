// Package repository is an instance's folder on the share: it knows which files
// make a backup, puts backups together in incoming/, publishes them with one
// rename, lists, opens, verifies and removes them.
//
// It works on any share.Store, so that the worker, the command line and a test read
// backups with the same code. It knows nothing of Temporal and holds no key. Start
// reading at [Repository], then incoming.go for the way in and verify.go for the
// way back.
package repository
