// Package localfile reads and writes an operator's own files, on the machine where they work:
// private keys, lists of trusted keys, answers. It reads nothing that somebody else could
// have written, overwrites nothing, and writes nothing to where backups lie, since whoever
// may read the share could read it there.
//
// Messages name a file by the flag or field that it was given with. Start reading at [Read]
// and [Create].
package localfile
