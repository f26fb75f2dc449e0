// Package directorytest makes answers of a directory for tests, with a general BER library and, for
// what that would refuse to make, by hand. It shares nothing with what reads them.
package directorytest
