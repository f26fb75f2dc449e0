// Package distance puts a server as far away as another datacenter is: a TCP proxy that
// holds back what passes for half a round trip in each direction, and counts it.
//
// It counts requests of SMB, which is what a share that is far away makes expensive: a
// client that waits for each answer pays one round trip a request, whatever it carries.
// Of requests that are on their way together it pays one, so those are counted as turns.
// Encrypted requests count, too, since only their frames are looked at
// (MS-SMB2 section 2.1, RFC 1001 section 4.3.1).
//
// It is no model of a network: nothing is lost, and bandwidth is that of this machine.
// Start reading at [Open].
package distance
