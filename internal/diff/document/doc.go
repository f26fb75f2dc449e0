// Package document compares the documents of resource managers and vaults, by a table for each
// service that says what does not count and how lists are to be taken.
//
// The tables follow Microsoft's definitions, and what the stand-in and other tools have shown
// of real stamps: what a provider sets by itself, what follows from another document, what
// changes while nothing is changed. Every line has a reason, under which differences that do
// not count are counted, so that a table that takes in too much is seen.
//
// The package also says which documents are the same object under another ID (keys.go). It
// knows no part and no catalog. Start reading at [Comparer.Compare], then the tables from
// common.go on.
package document
