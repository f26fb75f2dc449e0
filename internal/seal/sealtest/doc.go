// Package sealtest has one of every kind of key material that people give where a public key
// is expected: what is taken, and what is given by mistake. Tests of whatever takes keys go
// through all of it.
//
// Start reading at [Materials].
package sealtest
