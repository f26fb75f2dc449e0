// Package jsondoc looks into the JSON documents of a stamp without decoding them into
// types: members whose letters' case providers do not agree about, how much a document
// says, and whether one says all that another does.
//
// Its callers bound depth and size. It asks nothing and links no client, so that commands
// that only read a backup can use it. Start reading at [Member].
package jsondoc
