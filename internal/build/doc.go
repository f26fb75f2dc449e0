// Package build says which build of the product this program is: one answer for the
// command line, the worker, its reports and the manifests of its backups.
//
// It imports nothing of the product. Start reading at [Version].
package build
