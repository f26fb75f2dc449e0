// Package conformance holds a [share.Store] to the port's contract by using it:
// every case writes, reads, renames and removes for real, and looks at the result.
//
// It imports no testing package, so that `infrabackup doctor` can run it against
// the operator's own share; share/sharetest runs the same cases as Go tests. It
// leaves nothing behind and needs about 20 MB of free space. Of a share that is used, [Try]
// finds out with far fewer requests what matters of its server. Start reading at [Run].
package conformance
