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
// The v1, v2 and v3 in the name of a history say which generation of this code recorded
// it, and are no numbers of [workflow.GetVersion]. v1 is the code before there was any
// guarded change. v2 came when the settings could be encrypted again, which lets their
// entity continue as new, v3 with changeSourceQueues, v4 with changeInlineLists, and v5 with changeCheckEnds. A new history has the number of
// the newest generation, and begins the next one when it comes with a new constant.
//
// Timeouts, retries, summaries and current details may change freely: they are
// not part of what a replay compares.

// Changes of what workflows do, in the order in which they came.
const (
	// changeSourceQueues sends the capture of a service to the workers that have its
	// source; before, any worker took it up.
	changeSourceQueues = "source-queues"
	// changeInlineLists lets short lists of items travel in results; before, they went over
	// the share, where an earlier version looks for them.
	changeInlineLists = "inline-lists"
	// changeCheckEnds waits for the check of the share when a backup is cancelled during it, and
	// removes what that has begun; before, it could go on behind the run and leave its folder.
	changeCheckEnds = "check-ends"
)
