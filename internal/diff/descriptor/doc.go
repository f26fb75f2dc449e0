// Package descriptor reads security descriptors (MS-DTYP 2.4.6) and compares them by who may do
// what: entries of a list as sets within each run of the same kind, and without the two control
// bits that say only where owner and group came from.
//
// Entries that were inherited are told apart from an object's own: they follow from another
// object, and whether that explains them is for the caller to find out.
//
// Descriptors come from outside. Nothing that a length or an offset says is believed before it
// was compared with the bytes that are there. Start reading at [Parse], then [Compare].
package descriptor
