// Package collecttest holds collectors to the contract of [collect.Collector]:
// [Run] is the conformance suite, [Recorder] a sink that remembers its calls and
// can fail. Start reading at [Run].
//
// It is for tests only.
package collecttest
