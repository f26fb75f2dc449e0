// Package rp is the HTTP API of the resource provider Microsoft.Backup.Admin, at the
// api-versions that clients of Azure Stack speak, so that they work unchanged; beside it are
// the few answers of a resource manager that such a client needs before its first request,
// and the product's own additions below /api/v1.
//
// It is a handler alone: listening, TLS and who a caller is are the business of others. Reads
// are answered from the board and never ask Temporal; writes begin an operation through
// control and answer at once. What the versions have in common is in location.go, backups.go
// and operations.go; what they spell differently is in package wire;
// which of them has what is data, in version.go and routes.go. No text of a caller decides
// where a Location points to, no secret is in any answer, and a key or certificate that could
// not be used is refused and never dropped. Start reading at [New], then routes.go.
package rp
