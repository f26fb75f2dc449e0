// Package exchange keeps count of one SMB connection for package guard:
// which requests are outstanding, how many credits the server has granted for more
// ([Window]), and the session's keys as far as it takes to read the header of an
// encrypted message and to sign an interim answer ([Keys]).
//
// It does no I/O and knows no library. Facts of the wire are from MS-SMB2; sections
// are named where they are used.
package exchange
