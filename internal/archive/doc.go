// Package archive is the inside of a part: a deterministic tar stream in seekable
// zstd, and the catalog that says where each item lies.
//
// The same items give the same bytes. Frames of about 1 MiB are independent, so one
// item is read without reading the part, and stock `zstd -d | tar x` opens the
// whole. It neither encrypts nor knows where the bytes go. Everything that it reads
// is taken for hostile: memory, counts and paths are bounded. Start reading at
// [Writer], then [Walk] and [Reader].
package archive
