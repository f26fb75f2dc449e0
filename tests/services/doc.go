// Package services tests the collectors of a stamp's six services against the
// stand-in stamp: that they hold everything it holds, that faults lead to a complete
// capture or to a failure with a code, and that dangling references are found. Start
// reading at world_test.go.
//
// No real Azure Stack Hub was at hand: the stand-in is checked against Microsoft's API
// definitions by tests/lab/stamp/conformance, and that is as far as it goes.
package services
