// Package support packs what people who help an operator have to see into one archive: what
// is known of an instance, and the logs of its programs. No secret belongs into it, and no
// content of a backup.
//
// It fetches nothing itself: each file of the archive comes from a function that is handed
// over, and one that fails costs the others nothing. Start reading at [Write].
package support
