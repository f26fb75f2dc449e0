// Package workflows holds the deterministic code: what happens in which order,
// and what follows from success, failure, cancellation and crash.
//
// It reaches the world through the activities of package flow only, takes no
// configuration, and is replayed against recorded histories by its tests. Each
// workflow is a thin exported function around an unexported state struct. Start
// reading at backup.go; options.go has all timeouts and retries, version.go the
// rules for changing any of it.
package workflows
