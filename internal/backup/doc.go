// Package backup is the vocabulary that every other package shares: services,
// backup IDs, statuses, the manifest and the names that a backup has on the
// share.
//
// It does no I/O, knows nothing of Temporal, SMB or encryption, and imports
// nothing but the standard library. FORMAT.md beside this file specifies the
// files; start reading at [Manifest], then layout.go.
package backup
