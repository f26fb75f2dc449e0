// Package drilling answers for the activity that reads certificates of drills from the share, for
// callers who cannot reach it. Whether one is to be believed it finds out by a list of keys on the
// host of the worker, and never by what lies on the share. Start reading at [Activities].
package drilling
