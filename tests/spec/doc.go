// Package spec holds Microsoft's API definitions as they were published, and our own
// text of those that are missing, so that programs can carry them. README.md says
// where they come from. It interprets nothing: tests/lab/stamp/conformance holds
// answers to them, tests/lab/stamp/definition reads what a client may write.
package spec
