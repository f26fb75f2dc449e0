// Package proving shows that somebody still holds the private keys that open backups, before
// the day they are needed: it writes the service's challenges into files, which are opened
// where the keys are, or opens them itself with keys that are at hand.
//
// The service checks the answers. Start reading at [Prover].
package proving
