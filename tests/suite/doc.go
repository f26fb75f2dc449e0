// Command suite runs the project's tests in three tiers and keeps what they took:
//
//	suite quick   unit tests without servers
//	suite test    everything that protects a promise, in a lab that runs already
//	suite soak    the same, long and again and again, and the fuzz tests, as long as SOAK says
//	suite times   the slowest tests of the last run
//
// It starts "go test -json" for groups of packages, some of them side by side because
// they mostly wait, prints a line for each package, the whole output of what failed, and
// at last a line that counts. Start reading at plan.go.
package main
