// Package compact remembers much in little memory: what has been seen of a source with
// millions of objects, of each of which a digest and a few bytes are needed at any time,
// and the name perhaps once, at the end.
//
// [Table] holds values of a fixed size by keys of a fixed size, and tells exactly how much
// memory it takes. [Texts] holds texts in their order, compressed by block. [Index] is
// both: values by texts that can be had back, one after the other.
//
// It does no I/O and counts nothing against a limit: who uses it does. Nothing of it is
// safe for concurrent use. Start reading at [Table].
package compact
