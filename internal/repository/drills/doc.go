// Package drills reads the certificates of drills that lie beside the backups, in drills/ of an
// instance's folder. Operators lay them there; the product never writes there, and removes
// nothing. What a certificate says, and whether it is to be believed, is not decided here. Start
// reading at [In].
package drills
