// Package repository is an instance's folder on the share: it knows which files
// make a backup, puts backups together in incoming/, publishes them with one
// rename, lists, opens, verifies and removes them. It replaces the key of finished
// backups, exchanges them for copies that are encrypted again, and copies them to
// another share; each of these may end at any moment and is repeated. What was done to
// the backups stands in the ledger beside them (package ledger), by which the folder is
// audited as a whole; single files and folders are handled by package folder.
//
// It works on any share.Store, so that the worker, the command line and a test read
// backups with the same code. It knows nothing of Temporal and holds no key. Start
// reading at [Repository], then incoming.go for the way in, verify.go and
// open_signed.go for the way back, and replace.go for how a finished backup is changed;
// look.go and compare.go for what an audit
// sees, verify_one.go for the same of one backup, twins.go for folders that have one ID
// and standing.go for what is asked before a key is replaced, controller.go and adopt.go
// for who writes here.
package repository
