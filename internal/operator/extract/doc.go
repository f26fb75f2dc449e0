// Package extract takes things out of a backup that is open: whole parts, one item, the
// directory as LDIF. It writes below one folder only, through [os.Root], overwrites nothing,
// and reads no more of a part than it needs.
//
// It neither opens the backup nor decides whom to trust, which is what package operator is
// for, and prints nothing: what an operator should know besides is handed to [Notes]. Start
// reading at [Extraction.Run].
package extract
