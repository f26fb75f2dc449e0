package board

import (
	"context"
	"errors"
	"sync"
	"time"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// fact is one thing that was asked for, or not.
type fact[T any] struct {
	asked bool
	value T
	err   error
}

// ok reports whether it was read.
func (f fact[T]) ok() bool { return f.asked && f.err == nil }

// late gives what was not answered in time its own words: the source only knows that it was
// to stop.
func late(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && (fault.CodeOf(err) == fault.Cancelled || errors.Is(err, ctx.Err())) {
		return fault.Newf(fault.NoWorker, "there was no answer in time")
	}
	return err
}

// ask asks for a fact in the background. An answer with a code of those that are given means
// that there is none, which is an answer.
func ask[T any](ctx context.Context, group *sync.WaitGroup, into *fact[T], f func(context.Context) (T, error), none ...fault.Code) {
	into.asked = true
	group.Go(func() {
		into.value, into.err = f(ctx)
		into.err = late(ctx, into.err)
		for _, code := range none {
			if fault.CodeOf(into.err) == code {
				var zero T
				into.value, into.err = zero, nil
			}
		}
	})
}

// reading is what one reading of the source has found.
type reading struct {
	began  time.Time
	writes int64 // changes that were applied before it began

	notEnabled bool
	summary    fact[settings.Summary]
	history    fact[settings.History]
	list       fact[Listing]
	running    fact[string]
	changing   fact[*Change]
	upkeep     fact[UpkeepFacts]
	missing    fact[[]backup.Service]
	standing   fact[struct{}]
	drills     fact[[]drill.Listed]
}

// read asks the source, also where it stands and for drills. Where the settings cannot be read, what
// needs them is not asked for: it would only wait for the same.
func (r *reading) read(ctx context.Context, b *Board, stand, drills bool) {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	source := b.source
	var group sync.WaitGroup
	defer group.Wait()
	r.summary.asked = true
	r.summary.value, r.summary.err = source.Summary(ctx)
	r.summary.err = late(ctx, r.summary.err)
	code := fault.CodeOf(r.summary.err)
	if code == fault.TemporalUnreachable {
		return
	}
	ask(ctx, &group, &r.running, source.Running, fault.BackupNotFound, fault.NotEnabled)
	ask(ctx, &group, &r.changing, source.Changing, fault.NotEnabled)
	if code == fault.NotEnabled {
		r.notEnabled, r.summary.err = true, nil
		ask(ctx, &group, &r.history, source.History, fault.NotEnabled)
		return
	}
	if code != "" {
		return
	}
	ask(ctx, &group, &r.history, source.History)
	ask(ctx, &group, &r.list, func(ctx context.Context) (Listing, error) { return source.List(ctx, b.options.Limit) })
	ask(ctx, &group, &r.upkeep, source.Upkeep, fault.NotEnabled)
	ask(ctx, &group, &r.missing, source.Missing)
	if stand {
		ask(ctx, &group, &r.standing, func(ctx context.Context) (struct{}, error) { return struct{}{}, source.Standing(ctx) })
	}
	if drills {
		ask(ctx, &group, &r.drills, func(ctx context.Context) ([]drill.Listed, error) {
			ctx, cancel := context.WithTimeout(ctx, drillsTimeout)
			defer cancel()
			all, err := source.Drills(ctx)
			return all, late(ctx, err)
		})
	}
}

// faults are why facts could not be read. What the look at settings and ledger has found is none, nor
// is it that drills could not be read: nothing follows from them but what a page shows.
func (r *reading) faults() []*fault.Fault {
	var all []*fault.Fault
	for _, err := range []error{r.summary.err, r.running.err, r.changing.err, r.history.err, r.list.err, r.upkeep.err, r.missing.err} {
		if err != nil {
			all = append(all, fault.As(err))
		}
	}
	if err := r.standing.err; err != nil && !setBack(err) {
		all = append(all, fault.As(err))
	}
	return all
}

// setBack reports whether an error says that settings or ledger are not as far as they were.
func setBack(err error) bool {
	switch cause, _ := alert.OfFault(fault.CodeOf(err)); cause {
	case alert.SettingsSetBack, alert.ShareSetBack, alert.LedgerDamaged, alert.ShareOccupied:
		return true
	}
	return false
}

// settle publishes what a reading has found, and reports whether that was everything.
func (b *Board) settle(r reading) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	faults := r.faults()
	for len(b.applied) > 0 && b.applied[0].number <= r.writes {
		b.applied = append(b.applied[:0], b.applied[1:]...) // it began after that
	}
	b.learn(r, faults)
	b.publish(true, func(s *Snapshot) {
		r.take(s)
		s.Fault = nil
		if len(faults) > 0 {
			s.Fault = faults[0]
		} else {
			s.AsOf = r.began
		}
		for _, w := range b.applied {
			w.change(s)
		}
	})
	// From now on what opens has opened now.
	b.known.complete = b.known.complete || len(faults) == 0
	return len(faults) == 0
}

// learn keeps what is no part of a snapshot.
func (b *Board) learn(r reading, faults []*fault.Fault) {
	k := &b.known
	k.read = true
	k.failures = nil
	for _, f := range faults {
		k.failures = append(k.failures, alert.Failure{Code: f.Code, Message: f.Message()})
	}
	if r.summary.ok() {
		k.notEnabled = r.notEnabled
	}
	if r.notEnabled {
		*k = known{read: true, notEnabled: true, failures: k.failures, complete: k.complete}
	}
	if r.list.ok() {
		k.listedAt, k.unreadable, k.expected = r.began, r.list.value.Unreadable, r.list.value.Expected
	}
	if r.upkeep.ok() {
		k.upkeptAt = r.began
		switch held := r.upkeep.value.Hold != ""; {
		case !held:
			k.heldSince = time.Time{}
		case k.heldSince.IsZero():
			k.heldSince = r.began
		}
	}
	if r.standing.asked && (r.standing.err == nil || setBack(r.standing.err)) {
		k.stoodAt, k.standing = r.began, nil
		if r.standing.err != nil {
			k.standing = fault.As(r.standing.err)
		}
	}
}

// take puts into a snapshot what was read.
func (r *reading) take(s *Snapshot) {
	if r.summary.ok() {
		s.Enabled, s.Settings = !r.notEnabled, r.summary.value
	}
	if r.summary.ok() && !r.notEnabled { // else it is what the configuration says
		s.Instance = r.summary.value.Instance
	}
	if r.notEnabled {
		s.Settings, s.Backups, s.More, s.Capacity, s.Unserved = settings.Summary{}, nil, false, Capacity{}, nil
		s.Upkeep, s.Schedule, s.Drills, s.DrillsAt, s.DrillsFault = UpkeepFacts{}, schedule.State{}, nil, time.Time{}, nil
	}
	if r.history.ok() {
		s.History = r.history.value
	}
	if r.list.ok() {
		listed := r.list.value
		s.More, s.Capacity = listed.More, listed.Capacity
		s.Backups = make([]Backup, 0, len(listed.Backups))
		for _, overview := range listed.Backups {
			s.Backups = append(s.Backups, Backup{Overview: overview})
		}
	}
	// Progress that was put in has no run yet: when none runs, that has come to its end.
	if run := r.running.value; r.running.ok() && (s.RunID != run || run == "") {
		s.RunID, s.Running = run, nil
	}
	if r.changing.ok() {
		s.Change = r.changing.value
	}
	if r.upkeep.ok() {
		s.Upkeep, s.Schedule = r.upkeep.value, r.upkeep.value.Schedule
	}
	if r.drills.ok() {
		s.Drills, s.DrillsAt, s.DrillsFault = r.drills.value, r.began, nil
	} else if r.drills.asked {
		s.DrillsFault = fault.As(r.drills.err)
	}
	if r.missing.ok() {
		s.Unserved = r.missing.value
	}
}
