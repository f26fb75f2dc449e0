// Package residual looks for names of the source in what a restore writes into another cloud:
// domains, GUIDs, SIDs and regions that a [mapping.Site] says have others there. It finds them
// in text, in UTF-16LE, in base64, as binary SIDs, and in any of these inside another.
//
// It shares no code with what replaces names (package mapping), so that what one of them does
// not see the other one can. It has no values in what it reports. Start reading at [New].
package residual
