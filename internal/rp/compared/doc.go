// Package compared answers for comparisons of backups below /api/v1: it reads what callers send and
// query, and hands it on. Private keys and passwords in a body are cleared as soon as they were used.
//
// It is a part of package rp, which knows who calls. Start reading at [Call].
package compared
