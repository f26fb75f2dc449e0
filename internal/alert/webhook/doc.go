// Package webhook tells a receiver over HTTPS when alerts open, close and are acknowledged.
//
// Each notification is a POST of a JSON document, see [Event], with the header
//
//	X-Infrabackup-Signature: t=UNIX,v1=HEX
//
// in which UNIX is the time of the attempt in seconds and HEX the HMAC-SHA256, keyed with the
// shared secret, of UNIX, a full stop and the body. A receiver compares it in constant time,
// refuses what is older than some minutes, and drops an id that it has seen already: a
// notification is delivered at least once, which can be twice.
//
// Any answer from 200 to 299 is a delivery. Everything else is tried again with growing delays;
// redirections are not followed. What waits is bounded: when the receiver is away for so long
// that the queue is full, the oldest notifications are dropped and counted. Start reading at
// [Sender].
package webhook
