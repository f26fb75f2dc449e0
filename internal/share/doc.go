// Package share is the port to the external store: [Store], the few file
// operations that a backup needs, with the guarantees that a backup relies on.
//
// It knows neither backups nor encryption; package repository does. Adapters are
// share/smb (the product's one share) and share/dir (a mounted or copied folder,
// for reading and tests). share/conformance holds every adapter to the contract
// and is what `infrabackup doctor` runs against the operator's real share;
// share/sharetest runs it as a Go test. [ParseUNC] and [CheckPath] are what all
// adapters accept as names. Start reading at [Store].
package share
