// Package repository is an instance's folder on the share: it knows which files make a
// backup, puts backups together in incoming/, publishes them with one rename, finds, lists,
// opens and removes them, and says who writes there. It works on any share.Store, so that
// the worker, the command line and a test read backups with the same code. It knows nothing
// of Temporal and holds no key.
//
// It stands on two packages: folder, which handles single files and which only the packages
// here may use, and ledger, the signed list of what was done to the backups. Four stand on
// it and know nothing of each other: anchor compares the share with the settings, audit looks whether all is as it should be, rekey
// changes who can open a backup, mirror copies everything to another share.
//
// Start reading at [Repository], then incoming.go and delete.go for the life of a backup,
// list.go and locate.go for how one is found, open.go, backup.go and reader.go for how it is
// read, sums.go and pending.go for what is signed of it and how it
// is read while its key is being replaced. claim.go says who writes here, anchor.go what the
// share is told of settings and ledger, staging.go what is cleared away.
package repository
