// Package e2e tests the product as a whole against real servers: a Temporal server,
// and where a test says so the lab's directory, CA and file server.
//
// It holds tests only. Tests in inprocess_test.go run worker and client inside the
// test, against a folder as the share, to look at every step closely; the others
// run the built binaries as an operator would. Start reading at harness_test.go.
package e2e
