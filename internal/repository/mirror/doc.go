// Package mirror copies an instance's backups and its ledger to another share, file for
// file: each is read back there and compared with the backup's sums, and a backup gets its
// name when all of it is good. It may end at any moment and is repeated.
//
// It changes nothing at the source and replaces nothing at the destination, and looks at no
// signature: whether what was copied is to be trusted is for package audit to say. Start
// reading at [Copy].
package mirror
