// Package identifier takes SIDs apart, as bytes and as text in small letters. It knows no directory, and not
// what a SID becomes in another domain. Start reading at [Split].
package identifier
