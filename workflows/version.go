package workflows

// How to change a workflow. A run that began with an older version of this code
// is finished by the newer one, so a change of what it does, in which order, must
// be guarded:
//
//  1. Add a constant below, never remove or renumber one: changeX = "x".
//  2. Branch on workflow.GetVersion(ctx, changeX, workflow.DefaultVersion, 1).
//  3. Record a history with the new code (go test ./workflows -run TestReplay
//     -update) beside the old ones in testdata, which stay.
//
// Time-outs, retries, summaries and current details may change freely: they are
// not part of what a replay compares.

// Changes of what workflows do, in the order in which they came.
const (
	// changeSourceQueues sends the capture of a service to the workers that have its
	// source; before, any worker took it up.
	changeSourceQueues = "source-queues"
)
