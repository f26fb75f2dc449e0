// Package compat holds a finished backup of every format version that was ever
// released, with its operator's key. They must always verify and open.
//
// A folder in testdata never changes. A new version adds one: go test ./tests/e2e -run
// StockTools -freeze ../compat/testdata/vN. Start reading at compat_test.go.
package compat
