// Package keyform reads public keys and certificates out of a form of the page: pasted as text,
// or chosen as a file. What was given is read or refused, and never dropped.
//
// It shows nothing, and keeps nothing. Start reading at [Read].
package keyform
