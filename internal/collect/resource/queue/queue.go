package queue

import (
	"context"
	"iter"
	"sync"

	"infrabackup/internal/azure"
)

const (
	// readAhead is how many lists, or first pages, are read at once.
	readAhead = 4
	// maxDone is how many more may have been read, or be waiting, behind the one whose
	// turn it is. Some take much longer than others, and would hold up all.
	maxDone = 2 * readAhead
)

// InOrder does jobs, a few at once, and hands on what came of them in the order of the
// jobs. The first error of jobs or use ends it; ctx has ended for the jobs then, and
// none goes on when it returns.
func InOrder[Job, Result any](ctx context.Context, jobs iter.Seq2[Job, error], do func(context.Context, Job) Result, use func(Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	type place struct {
		result chan Result
		turn   *azure.Turn
	}
	queue := make(chan place, maxDone)
	crew := &crew{work: make(chan func())}
	var jobErr error
	crew.running.Go(func() {
		defer close(crew.work)
		defer close(queue)
		for job, err := range jobs {
			if err != nil {
				jobErr = err
				return
			}
			// What waits for its turn holds so much and no more.
			ahead, turn := azure.Ahead(ctx)
			result := make(chan Result, 1)
			select {
			case queue <- place{result, turn}:
			case <-ctx.Done():
				return
			}
			crew.do(func() { result <- do(ahead, job) })
		}
	})
	defer func() {
		cancel()
		for p := range queue { // until the last job was given out
			p.turn.Come()
		}
		crew.running.Wait()
	}()
	for p := range queue {
		p.turn.Come()
		if err := use(<-p.result); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return jobErr
}

// Jobs are the elements of a slice, for [InOrder].
func Jobs[Job any](all []Job) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

// crew is up to readAhead goroutines that work until there is no more. A request needs
// a deep stack: growing a new one for each costs more than the request's own work.
type crew struct {
	work    chan func()
	running sync.WaitGroup
	size    int
}

// do has one of the crew do something. It is used from one goroutine.
func (c *crew) do(one func()) {
	if c.size < readAhead {
		select {
		case c.work <- one: // to one that is free
			return
		default:
		}
		c.size++
		c.running.Go(func() {
			one()
			for next := range c.work {
				next()
			}
		})
		return
	}
	c.work <- one
}
