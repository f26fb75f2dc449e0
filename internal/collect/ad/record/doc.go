// Package record is what a captured directory object looks like, and what can be written
// of it: its one JSON encoding, LDIF with all that it holds, and LDIF that creates objects
// again in a domain that lost them. It also says what an object refers to: [Record.Edges]. It knows nothing of the directory's protocol, so that
// whoever only reads a backup links no client for it.
//
// Start reading at [Record]; [Decode] reads what others may have written, and
// [WriteImportLDIF] says what a server refuses.
package record
