// Package scan reads JSON (RFC 8259) that strangers send, without recursion and within
// limits, before anything else parses it.
//
// [Document] checks one document in memory: its grammar, how deep it is, how many
// values it has, and that none of the members on which programs decide stands there
// twice. [List] takes the answer of a list apart as it arrives, element by element, so
// that memory holds a few of them and never the whole. Both give slices of what was
// sent, byte for byte: nothing is decoded.
//
// The work is one pass over the bytes, with one bit of memory for each level. A byte
// order mark and blanks around a document are allowed, since some servers send them;
// whether bytes in strings are UTF-8 is not looked at.
//
// It knows nothing of HTTP and of resource managers beyond the names of members. Start
// reading at [Document], then the method value of the scanner in scanner.go and [List.Next].
package scan
