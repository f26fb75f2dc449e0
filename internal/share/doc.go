// Package share is the port to the external store: [Store], the few file
// operations that a backup needs, with the guarantees that a backup relies on.
//
// It knows neither backups nor encryption; package repository does. Adapters are
// share/smb (the product's one share) and share/dir (a mounted or copied folder,
// for reading and tests). share/sharetest holds every adapter to the contract and
// is what `infrabackup doctor` runs against the operator's real share. Start
// reading at [Store].
package share
