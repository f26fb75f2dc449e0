// Package diagnosis has what workers report of themselves, their sources and the share: the
// result of the workflow of that name, which package flow lists.
//
// It tries nothing itself. Start reading at [Report].
package diagnosis
