// Package arch holds the project to its structure: who may import whom, that every
// package and every exported identifier is documented, how long files get, and what
// may stand at the top level and in the text of files.
//
// It holds tests only. Each rule is a plain function that is also shown to be able to
// fail. Start reading at imports_test.go.
package arch
