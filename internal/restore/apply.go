package restore

import "context"

// Apply does a whole plan in one call: it opens the run, compares everything before the
// first write, and does batch after batch. A run that was ended before goes on; then the
// comparison was made already. Callers that have to survive a crash in between call the
// methods of [Run] themselves.
func Apply(ctx context.Context, r *Run) (Totals, error) {
	var totals Totals
	if err := r.Open(ctx); err != nil {
		return totals, err
	}
	begun, err := r.Begun(ctx)
	if err != nil {
		return totals, err
	}
	batches := r.Plan.Batches()
	if !begun {
		for _, b := range batches {
			if err := r.Compare(ctx, b); err != nil {
				return totals, err
			}
		}
	}
	for _, b := range batches {
		t, err := r.Do(ctx, b)
		if err != nil {
			return totals, err
		}
		totals.Add(t)
	}
	return totals, nil
}

// Settle finds out what became of a plan that was begun and will not go on, and writes
// nothing to the target.
func Settle(ctx context.Context, r *Run) (Totals, error) {
	var totals Totals
	if err := r.Open(ctx); err != nil {
		return totals, err
	}
	for _, b := range r.Plan.Batches() {
		t, err := r.Settle(ctx, b)
		if err != nil {
			return totals, err
		}
		totals.Add(t)
	}
	return totals, nil
}
