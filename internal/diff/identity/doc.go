// Package identity says which security principals and directory objects of one side of a
// comparison are those of the other, when a restore gave them new SIDs and GUIDs.
//
// The map comes from outside, from whatever made the new objects; nothing is guessed here.
// An empty map leaves everything as it is. Start reading at [Map].
package identity
