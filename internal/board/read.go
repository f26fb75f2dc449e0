package board

import "context"

// Read reads a source once and returns what a board that begins then publishes first. What shows only
// while one watches, it does not tell: when an alert without a time of its own was opened, and that a
// running backup has stopped to make progress. Drills, from which no alert follows, are not asked for. Each acknowledgement of such an alert counts, therefore.
func Read(ctx context.Context, source Source, o Options) *Snapshot {
	b := New(source, o)
	r := reading{began: b.options.Now()}
	r.read(ctx, b, true, false)
	b.settle(r)
	return b.Snapshot()
}
