// Package runs reads what Temporal keeps of an instance's runs: which there were, and the
// history of each without its payloads.
//
// It opens nothing that is encrypted and changes nothing. Start reading at [Reader].
package runs
