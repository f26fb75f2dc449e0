// Package pruneoptions reads what a client says of a removal of expired backups: whether it is only
// to be told what would go. Start reading at [Parse].
package pruneoptions
