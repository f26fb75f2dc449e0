// Command mutants breaks the product on purpose, one break at a time, and makes sure
// that the tests notice:
//
//	mutants [--tree DIR] [--only TEXT]
//
// Each break is a row of table.go: a piece of code that stands once in a file, what
// stands there instead, and the tests that protect what it breaks. A row whose code is
// not there any more is an error, and so is a break that does not compile. Work happens
// in a copy of the tree. Start reading at table.go.
package main
