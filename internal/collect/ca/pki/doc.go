// Package pki finds out what the files of a CA are, by their names and content
// ([Inspect]), and reads certificates ([Certificate]), private keys ([PrivateKey]) and
// CRLs ([ParseCRL]) in all forms that openssl takes. Where package x509 refuses what
// openssl takes, such as a negative serial number, a reader of its own makes what the checks
// of a CA need; where neither can check a signature, that is said ([IsUnsupported]), since it
// is not the same as a wrong one.
//
// It is given names and bytes and returns values. It opens nothing, keeps no secret half
// of a key, and decides nothing: whose certificate it is, and what is wrong with it, is said
// in package ca. All of it is bounded, and everything that parses is fuzzed.
//
// Start reading at [Inspect], then lenient.go.
package pki
