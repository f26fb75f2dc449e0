// Package directory talks to an LDAP server over TLS, and believes nothing of what comes: a
// message, its parts and their number are bounded before anything is taken apart, memory is
// taken as bytes come, and a server that falls silent ends the connection (wire.go).
//
// A search counts only when its end is proved: each page must bring the paging control, the
// last one with an empty cookie. No referral is followed; the server's certificate must come
// from the given authorities, and the login is tried once.
//
// What a restore changes goes the same way, through a [Writer] of its own.
//
// It knows LDAP and no more of Active Directory than how that refuses. Errors are faults with
// SOURCE_ codes. Start reading at [Dial] and [Conn.Run].
package directory
