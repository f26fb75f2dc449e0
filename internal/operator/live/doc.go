// Package live captures what a cloud holds now, for a comparison or for the proof of a restore:
// with the collectors of a backup, into memory, compressed, and never onto a disk. What it
// holds has secrets in it.
//
// It knows no backup and no key, and does not decide what a difference means. Start reading at
// [Take].
package live
