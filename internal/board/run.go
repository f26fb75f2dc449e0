package board

import (
	"context"
	"reflect"
	"sync"
	"time"

	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
)

// loop is the state of a board that runs.
type loop struct {
	*Board
	group   sync.WaitGroup
	reads   chan reading // of the one that is under way
	watches chan error   // how the watch has ended

	reading  bool
	began    time.Time // when the newest reading began, zero before the first
	failed   bool      // the newest reading, in part
	watching string    // run that is watched
	rewatch  time.Time // when a watch that has failed may be begun again
	tick     time.Time // when alerts are evaluated next
}

// Run reads until ctx ends, and returns nil then. When it returns, all that it started has
// ended. A board runs once.
func (b *Board) Run(ctx context.Context) error {
	if !b.started.CompareAndSwap(false, true) {
		return errRuns
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{Board: b, reads: make(chan reading, 1), watches: make(chan error, 1)}
	defer b.finish()
	defer l.group.Wait()
	defer cancel()
	l.tick = b.options.Now().Add(evaluateEvery)
	for ctx.Err() == nil {
		now := b.options.Now()
		due := l.due(now)
		if !l.reading && !due.After(now) {
			l.read(ctx, now)
		}
		l.watch(ctx, now)
		if !now.Before(l.tick) {
			b.evaluate()
			l.tick = now.Add(evaluateEvery)
		}
		next := l.tick
		if !l.reading && due.Before(next) {
			next = due
		}
		select {
		case <-ctx.Done():
		case <-b.wake:
		case r := <-l.reads:
			l.reading = false
			if ctx.Err() == nil {
				l.failed = !b.settle(r)
			}
		case err := <-l.watches:
			l.watched(err)
		case <-b.options.After(next.Sub(now)):
		}
	}
	return nil
}

// due is when the next reading begins.
func (l *loop) due(now time.Time) time.Time {
	if l.began.IsZero() {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	looked := now.UnixNano()-l.looked.Load() <= int64(LookedFor) || len(l.subscribers) > 0
	switch {
	case l.asked:
		return l.began.Add(readApart)
	case l.failed:
		return l.began.Add(retryAfter)
	case looked:
		return l.began.Add(ReadEvery)
	}
	return l.began.Add(ReadUnseen)
}

// read begins a reading.
func (l *loop) read(ctx context.Context, now time.Time) {
	l.reading, l.began = true, now
	l.mu.Lock()
	l.asked = false
	r := reading{began: now, writes: l.writes}
	stand := l.known.stoodAt.IsZero() || now.Sub(l.known.stoodAt) >= standEvery
	l.mu.Unlock()
	l.group.Go(func() {
		r.read(ctx, l.Board, stand, stand)
		l.reads <- r
	})
}

// watch begins to watch the run that is there, unless one is watched.
func (l *loop) watch(ctx context.Context, now time.Time) {
	run := l.current.Load().RunID
	if run == "" || l.watching != "" || now.Before(l.rewatch) {
		return
	}
	l.watching = run
	l.group.Go(func() {
		l.watches <- l.source.Watch(ctx, run, func(p flow.Progress) { l.progress(run, p) })
	})
}

// watched is told how the watch has ended. When the run has ended, what it left is read; else it is
// watched again after a while.
func (l *loop) watched(err error) {
	run := l.watching
	l.watching = ""
	if err != nil {
		l.rewatch = l.options.Now().Add(retryAfter)
	}
	if err != nil && fault.CodeOf(err) != fault.BackupNotFound {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = true
	if l.current.Load().RunID == run {
		l.publish(true, func(s *Snapshot) { s.RunID, s.Running = "", nil })
	}
}

// progress takes what the watch tells of a run.
func (b *Board) progress(run string, p flow.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.current.Load()
	if now.RunID != run || p.BackupID == "" || now.Running != nil && reflect.DeepEqual(*now.Running, p) {
		return
	}
	if now.Running != nil && advanced(*now.Running, p) {
		b.known.progressAt = b.options.Now()
	}
	b.publish(true, func(s *Snapshot) { s.Running = &p })
}

// advanced reports whether a run has got further: another attempt at the same is no progress.
func advanced(before, after flow.Progress) bool {
	if before.BackupID != after.BackupID || before.Status != after.Status || len(before.Services) != len(after.Services) {
		return true
	}
	for i, a := range after.Services {
		b := before.Services[i]
		if a.Service != b.Service || a.Phase != b.Phase || a.Items != b.Items || a.Bytes != b.Bytes {
			return true
		}
	}
	return false
}

// evaluate makes a snapshot when something follows from the time that has passed.
func (b *Board) evaluate() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish(false, func(*Snapshot) {})
}
