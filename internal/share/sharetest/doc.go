// Package sharetest runs the conformance cases of a [share.Store] as Go tests, for
// the tests of every adapter. Production code uses share/conformance instead.
package sharetest
