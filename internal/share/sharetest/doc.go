// Package sharetest runs the conformance cases of a [share.Store] as Go tests, for
// the tests of every adapter. Production code uses share/conformance instead. [Crashing]
// is the store that crashes, for the tests of whatever writes to a share.
package sharetest
