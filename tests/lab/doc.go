// Package lab runs real servers for tests, for `make up` and for `make demo`: an
// Active Directory domain controller (Samba), an SMB 3.1.1 file server, an OpenSSL
// certification authority and a Temporal server with its Web UI, all on loopback
// addresses (or, see [Options], a Temporal cluster on PostgreSQL instead of the latter), filled deterministically from a seed and gone afterwards.
//
// Nothing of the product imports it. It needs root and Debian packages; [Missing]
// says what is not there. Start reading at [Start].
package lab
