package provider

import (
	"context"
	"time"
)

// pulseEvery is how often it is looked whether something was done to an instance elsewhere, such
// as by the command line.
const pulseEvery = 3 * time.Second

// follow takes a pulse until ctx ends, and calls moved when it is another one: for the first too,
// since what was done before is not known, and when it could be taken again after it could not. An
// error is told once for as long as it lasts.
func follow[P comparable](ctx context.Context, pulse func(context.Context) (P, error), moved func(), failed func(error)) {
	ticker := time.NewTicker(pulseEvery)
	defer ticker.Stop()
	var last P
	known, told := false, false
	for {
		now, err := pulse(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !told:
			failed(err)
			known, told = false, true
		case err == nil:
			if !known || now != last {
				moved()
			}
			last, known, told = now, true, false
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
