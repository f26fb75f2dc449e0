// Package operator is what an operator does on a machine of their own, beside what workers
// do: it opens the folder of an instance, on a mounted or copied share or on the share
// itself, and finds out which backup is meant and whose signatures count.
//
// The packages below it go on from there: extract takes things out of a backup, rekeying
// replaces the keys of all, and localfile reads and writes the operator's own files. They
// ask nobody and print nothing: what there is to say is returned, or handed to a function of
// the caller's. So the command line, a portal and a restore can do the same. Start reading
// at [LocalRepo].
package operator
