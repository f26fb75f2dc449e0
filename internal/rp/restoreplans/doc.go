// Package restoreplans answers for the plans of restores below /api/v1: it reads what callers send
// and query, and hands it on. Private keys and passwords in a body are cleared as soon as they were
// used; what is wrong with one is tied to its member and repeats nothing of it.
//
// It is a part of package rp, which knows who calls. Start reading at [Call].
package restoreplans
