// Package smb is the [share.Store] on the operator's file server, over SMB 3 with
// github.com/hirochachacha/go-smb2 v1.1.0.
//
// That library trusts its server too much: it falls back to SMB 2, accepts guest
// sessions and plain text, and malformed frames end the whole process. It spends more
// credits than the server has granted, after which servers end the connection, and
// refuses the interim answers that servers send unsigned for whatever takes a while. So
// every connection goes through package guard, a net.Conn that looks at each frame before
// the library or the network gets it, counts the credits, and holds requests back until
// there are enough. Signatures are required on
// every transport, by the library and by the guard. The library is used as follows, and not
// otherwise: a fresh Dialer for each connection; never more than one login attempt
// with a refused password; up to eight control connections for names, folders and
// small files, where errors are normal, each used by one call at a time, and others
// that carry data only; WriteAt and ReadAt of at most 1 MiB,
// concurrently, never its Read, Write or anything that ends in io.Copy (its
// server-side copy corrupts files above 16 MiB); every call under recover; and a
// connection that stalls, panics or outlives its caller's context is closed, since
// the library has no other way to end a call.
//
// Known limits: NTLMv2 only (the library's Kerberos hook is closed), no DFS, no
// AES-256, and servers that allow large requests have to grant the credits for one of
// them, 16 (SHARE_CREDITS).
//
// Start reading at [Open], then package guard, keys.go, connection.go, pool.go, upload.go.
package smb
