// Package wire holds the product's HTTP API against what was written elsewhere: Microsoft's
// definitions and examples of Microsoft.Backup.Admin, two clients that were generated from
// them, and the polling rules of PowerShell's client. Behind the API are a board and a control
// of the tests, so that every outcome can be had.
//
// Every exchange of every test here is checked; deviations that are meant are data, in
// exceptions_test.go. Nothing of internal/rp but its handler is used, so that its own ideas of
// names and forms cannot bend the checks. Start reading at harness_test.go.
package wire
