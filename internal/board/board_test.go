package board

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/alert"
	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/restore/drill"
	"infrabackup/internal/schedule"
	"infrabackup/internal/settings"
)

// source is an instance that the tests set.
type source struct {
	mu       sync.Mutex
	summary  settings.Summary
	history  settings.History
	list     Listing
	running  string
	changing *Change
	upkeep   UpkeepFacts
	missing  []backup.Service
	drills   []drill.Listed
	fails    map[string]error // by the name of the method
	calls    map[string]int
	hold     map[string]chan struct{} // what the method waits for
	watched  chan flow.Progress       // closed when the run ends
}

func newSource() *source {
	good := overview("a", backup.Succeeded, time.Hour)
	return &source{
		summary: settings.Summary{Revision: 1, Instance: backup.Instance{Name: "local"}, ProofDays: 90},
		list:    Listing{ListOutput: flow.ListOutput{Backups: []backup.Overview{good}}, Capacity: Capacity{1 << 30, 1 << 40}},
		upkeep: UpkeepFacts{
			Schedule: schedule.State{Setting: schedule.Setting{Enabled: true, FrequencyHours: 12, RetentionDays: 7, KeepVerified: 1}},
			Ringing:  true, Verdicts: map[backup.ID]flow.Verdict{"a": {At: time.Now()}},
		},
		fails: map[string]error{}, calls: map[string]int{}, hold: map[string]chan struct{}{}, watched: make(chan flow.Progress),
	}
}

// overview is a backup that ended a while ago.
func overview(id backup.ID, status backup.Status, ago time.Duration) backup.Overview {
	at := time.Now().Add(-ago)
	out := backup.Overview{BackupID: id, Status: status, StartedAt: at.Add(-time.Minute), FinishedAt: at, TotalBytes: 1000}
	out.Services = []backup.ServiceResult{{Service: backup.AD, Status: backup.Succeeded}}
	if status != backup.Succeeded {
		out.Code = string(fault.BackupFailed)
		out.Services[0].Status, out.Services[0].Code = backup.Failed, string(fault.SourceUnreachable)
	}
	return out
}

// set changes what there is.
func (s *source) set(change func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *source) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[name]
}

// call reads a value as it is when the call begins.
func call[T any](ctx context.Context, s *source, name string, value func() T) (T, error) {
	s.mu.Lock()
	s.calls[name]++
	out, err, hold := value(), s.fails[name], s.hold[name]
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

func (s *source) Summary(ctx context.Context) (settings.Summary, error) {
	return call(ctx, s, "Summary", func() settings.Summary { return s.summary })
}

func (s *source) History(ctx context.Context) (settings.History, error) {
	return call(ctx, s, "History", func() settings.History { return s.history })
}

func (s *source) List(ctx context.Context, limit int) (Listing, error) {
	return call(ctx, s, "List", func() Listing { return s.list })
}

func (s *source) Running(ctx context.Context) (string, error) {
	run, err := call(ctx, s, "Running", func() string { return s.running })
	if err == nil && run == "" {
		return "", fault.Newf(fault.BackupNotFound, "none runs")
	}
	return run, err
}

func (s *source) Watch(ctx context.Context, run string, see func(flow.Progress)) error {
	if _, err := call(ctx, s, "Watch", func() string { return run }); err != nil {
		return err
	}
	for {
		select {
		case p, more := <-s.watched:
			if !more {
				return nil
			}
			see(p)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *source) Changing(ctx context.Context) (*Change, error) {
	return call(ctx, s, "Changing", func() *Change { return s.changing })
}

func (s *source) Upkeep(ctx context.Context) (UpkeepFacts, error) {
	return call(ctx, s, "Upkeep", func() UpkeepFacts { return s.upkeep.clone() })
}

func (s *source) Missing(ctx context.Context) ([]backup.Service, error) {
	return call(ctx, s, "Missing", func() []backup.Service { return s.missing })
}

func (s *source) Drills(ctx context.Context) ([]drill.Listed, error) {
	return call(ctx, s, "Drills", func() []drill.Listed { return s.drills })
}

func (s *source) Standing(ctx context.Context) error {
	_, err := call(ctx, s, "Standing", func() struct{} { return struct{}{} })
	return err
}

// run starts a board in a bubble of its own time, and ends it with the test. That all goroutines
// of it end, the bubble holds.
func run(t *testing.T, test func(t *testing.T, b *Board, s *source)) {
	runWith(t, Options{}, test)
}

func runWith(t *testing.T, o Options, test func(t *testing.T, b *Board, s *source)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		b := New(s, o)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(ctx) }()
		defer cancel()
		synctest.Wait()
		test(t, b, s)
		cancel()
		require.NoError(t, <-ended)
	})
}

// after lets time pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func codes(s *Snapshot) []alert.Code {
	out := []alert.Code{}
	for _, a := range s.Alerts {
		out = append(out, a.Code)
	}
	return out
}

func TestKnowsNothingAtFirst(t *testing.T) {
	b := New(newSource(), Options{})
	require.NotNil(t, b.Snapshot())
	require.NotNil(t, b.Snapshot().Alerts)
	b.Apply(func(s *Snapshot) { s.RunID = "x" })
	require.Empty(t, b.Snapshot().Alerts, "what is not known raises nothing")
	require.Equal(t, "x", b.Snapshot().RunID)
}

func TestReadsEverything(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		got := b.Snapshot()
		require.Nil(t, got.Fault)
		require.Equal(t, time.Now(), got.AsOf)
		require.True(t, got.Enabled)
		require.Equal(t, "local", got.Instance.Name)
		require.Equal(t, Capacity{1 << 30, 1 << 40}, got.Capacity)
		require.Len(t, got.Backups, 1)
		require.Equal(t, time.Now(), got.Backups[0].VerifiedAt)
		require.Equal(t, got.Backups[0].StartedAt.Add(TombstoneLifetime), got.Backups[0].Restorable)
		require.Empty(t, codes(got))
		require.ErrorIs(t, b.Run(t.Context()), errRuns)
	})
}

// TestIsReadOftenWhileSomebodyLooks counts the readings of hours.
func TestIsReadOftenWhileSomebodyLooks(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		after(time.Hour + time.Second)
		require.Equal(t, 7, s.count("List"), "every 10 minutes")
		require.Equal(t, 7, s.count("Standing"))
		before := s.count("List")
		b.Looked()
		synctest.Wait()
		require.Equal(t, before, s.count("List"), "it is a second old")
		after(time.Minute)
		require.Equal(t, before+1, s.count("List"))
		for range 59 {
			b.Looked()
			after(time.Minute)
		}
		require.InDelta(t, before+60, s.count("List"), 1)
		after(2 * time.Hour)
		require.InDelta(t, before+60+2+12, s.count("List"), 2)
		require.InDelta(t, 7+6+12, s.count("Standing"), 2, "no more often than every 10 minutes")

		before = s.count("List")
		ctx, cancel := context.WithCancel(t.Context())
		b.Subscribe(ctx)
		after(time.Hour)
		require.InDelta(t, before+60, s.count("List"), 1)
		cancel()
	})
}

func TestRefreshIsSingleFlight(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		hold := make(chan struct{})
		s.set(func(s *source) { s.hold["List"] = hold })
		after(readApart)
		for range 100 {
			b.Refresh()
		}
		synctest.Wait()
		require.Equal(t, 2, s.count("List"))
		for range 100 {
			b.Refresh()
		}
		synctest.Wait()
		require.Equal(t, 2, s.count("List"), "one at a time")
		close(hold)
		after(readApart)
		require.Equal(t, 3, s.count("List"), "one more for all that asked meanwhile")
		after(time.Minute)
		require.Equal(t, 3, s.count("List"))
	})
}

func TestFailedReadingKeepsWhatWasKnown(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		first := b.Snapshot()
		after(time.Minute)
		s.set(func(s *source) { s.fails["Summary"] = fault.Newf(fault.TemporalUnreachable, "away") })
		b.Refresh()
		synctest.Wait()
		got := b.Snapshot()
		require.ErrorIs(t, got.Fault, fault.TemporalUnreachable)
		require.Equal(t, first.AsOf, got.AsOf)
		require.Equal(t, first.Backups, got.Backups)
		require.Equal(t, first.Settings, got.Settings)
		require.Equal(t, []alert.Code{alert.TemporalUnreachable}, codes(got))
		require.Nil(t, first.Fault, "a snapshot is never changed")
		require.Equal(t, 1, s.count("List"), "what would only wait for the same is not asked for")
		opened := got.Alerts[0].Since
		require.Equal(t, time.Now(), opened)

		after(retryAfter)
		require.Equal(t, 3, s.count("Summary"), "tried again soon")
		require.Equal(t, opened, b.Snapshot().Alerts[0].Since)
		s.set(func(s *source) { delete(s.fails, "Summary") })
		after(retryAfter)
		require.Nil(t, b.Snapshot().Fault)
		require.Empty(t, b.Snapshot().Alerts)
		require.Equal(t, time.Now(), b.Snapshot().AsOf)
	})
}

// TestEachFactThatFailsIsKept: the others are read all the same.
func TestEachFactThatFailsIsKept(t *testing.T) {
	for name, kept := range map[string]func(*Snapshot) any{
		"History":  func(s *Snapshot) any { return s.History },
		"List":     func(s *Snapshot) any { return s.Backups[0].BackupID },
		"Running":  func(s *Snapshot) any { return s.RunID },
		"Changing": func(s *Snapshot) any { return s.Change },
		"Upkeep":   func(s *Snapshot) any { return s.Schedule },
		"Missing":  func(s *Snapshot) any { return s.Unserved },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, b *Board, s *source) {
				before := b.Snapshot()
				after(time.Minute)
				s.set(func(s *source) {
					s.history = settings.History{Dropped: 7}
					s.list.Backups = []backup.Overview{overview("b", backup.Succeeded, 0)}
					s.running, s.changing, s.missing = "run", &Change{ID: "c"}, []backup.Service{backup.CA}
					s.upkeep.Schedule.FrequencyHours = 4
					s.fails[name] = fault.Newf(fault.ShareUnreachable, "away")
				})
				b.Refresh()
				synctest.Wait()
				got := b.Snapshot()
				require.ErrorIs(t, got.Fault, fault.ShareUnreachable)
				require.Equal(t, before.AsOf, got.AsOf)
				require.Contains(t, codes(got), alert.ShareConnection)
				require.Equal(t, kept(before), kept(got))
				s.set(func(s *source) { delete(s.fails, name) })
				after(retryAfter)
				require.NotEqual(t, kept(before), kept(b.Snapshot()))
				close(s.watched)
			})
		})
	}
}

func TestNotEnabled(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		after(time.Minute)
		s.set(func(s *source) { s.fails["Summary"] = fault.Newf(fault.NotEnabled, "nothing") })
		b.Refresh()
		synctest.Wait()
		got := b.Snapshot()
		require.Nil(t, got.Fault)
		require.False(t, got.Enabled)
		require.Zero(t, got.Settings)
		require.Empty(t, got.Backups)
		require.Equal(t, []alert.Code{alert.NotEnabled}, codes(got))
	})
}

func TestSetBackIsNoFaultOfReading(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) { s.fails["Standing"] = fault.Newf(fault.LedgerRolledBack, "older") })
		after(standEvery)
		require.Nil(t, b.Snapshot().Fault)
		require.Equal(t, []alert.Code{alert.ShareSetBack}, codes(b.Snapshot()))
		b.Refresh()
		after(time.Second)
		require.Equal(t, []alert.Code{alert.ShareSetBack}, codes(b.Snapshot()), "until the next look")
		s.set(func(s *source) { s.fails["Standing"] = fault.Newf(fault.ShareUnreachable, "away") })
		after(standEvery)
		require.ErrorIs(t, b.Snapshot().Fault, fault.ShareUnreachable)
		require.Contains(t, codes(b.Snapshot()), alert.ShareSetBack, "nobody could look")
		s.set(func(s *source) { delete(s.fails, "Standing") })
		after(retryAfter)
		require.Empty(t, codes(b.Snapshot()))
	})
}

// TestWhatWasWrittenIsReadBack: a reading that began before a write does not undo it.
func TestWhatWasWrittenIsReadBack(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		hold := make(chan struct{})
		s.set(func(s *source) { s.hold["List"] = hold })
		after(readApart)
		b.Refresh()
		synctest.Wait()
		before := b.Snapshot()
		s.set(func(s *source) { s.summary.Username = "new" })
		b.Apply(func(s *Snapshot) { s.Settings.Username = "new" })
		require.Equal(t, "new", b.Snapshot().Settings.Username)
		require.Empty(t, before.Settings.Username)
		require.Equal(t, before.Number+1, b.Snapshot().Number)
		close(hold)
		synctest.Wait()
		require.Equal(t, "new", b.Snapshot().Settings.Username, "the older reading has ended")
		s.set(func(s *source) { s.summary.Username = "newer" })
		after(readApart)
		require.Equal(t, "newer", b.Snapshot().Settings.Username, "it was read again, and after the write")
		require.Empty(t, b.applied)
	})
}

func TestApplyIsBounded(t *testing.T) {
	b := New(newSource(), Options{})
	for range 10 * maxApplied {
		b.Apply(func(*Snapshot) {})
	}
	require.Len(t, b.applied, maxApplied)
}

// TestAppliedSnapshotsAreCopies tries to change an older snapshot through a newer one.
func TestAppliedSnapshotsAreCopies(t *testing.T) {
	b := New(newSource(), Options{})
	fill := func(s *Snapshot) {
		s.Backups = []Backup{{Thumbprint: "old"}}
		s.Unserved = []backup.Service{"old"}
		s.History.Records = []settings.Record{{What: "old"}}
		s.Settings.Recipients, s.Settings.Services = []settings.RecipientSummary{{ProvenBy: "old"}}, []backup.Service{"old"}
		s.Running, s.Change = &flow.Progress{BackupID: "old", Services: []flow.ServiceProgress{{Code: "old"}}}, &Change{ID: "old"}
		s.Upkeep = UpkeepFacts{Verdicts: map[backup.ID]flow.Verdict{"x": {Code: "old"}}, Undeleted: []string{"old"}, Acknowledged: []alert.Acknowledgement{{By: "old"}}}
	}
	b.Apply(fill)
	before, text := b.Snapshot(), ""
	text = fmt.Sprintf("%+v %+v %+v", before, before.Running, before.Change)
	b.Apply(func(s *Snapshot) {
		s.Backups[0].Thumbprint, s.Unserved[0], s.History.Records[0].What = "new", "new", "new"
		s.Settings.Recipients[0].ProvenBy, s.Settings.Services[0] = "new", "new"
		s.Running.Services[0].Code, s.Change.ID = "new", "new"
		s.Upkeep.Verdicts["x"] = flow.Verdict{Code: "new"}
		s.Upkeep.Undeleted[0], s.Upkeep.Acknowledged[0].By = "new", "new"
	})
	require.Equal(t, text, fmt.Sprintf("%+v %+v %+v", before, before.Running, before.Change))
}

func progress(bytes int64, step string) flow.Progress {
	return flow.Progress{
		BackupID: "r", Status: backup.Running, Step: step, StartedAt: time.Now(),
		Services: []flow.ServiceProgress{{Service: backup.AD, Phase: flow.PhaseCapture, Bytes: bytes}},
	}
}

// TestOneWatchFeedsAll: progress is published while a backup runs, and what it left is read when it
// ends.
func TestOneWatchFeedsAll(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		after(time.Minute)
		s.set(func(s *source) { s.running = "run" })
		b.Apply(func(s *Snapshot) { s.RunID = "run" })
		one, two := b.Subscribe(t.Context()), b.Subscribe(t.Context())
		after(time.Second)
		require.Equal(t, 1, s.count("Watch"))
		p := progress(1, "capture")
		s.watched <- p
		synctest.Wait()
		require.Equal(t, &p, (<-one).Running)
		require.Equal(t, &p, (<-two).Running)
		got := b.Snapshot()
		require.Equal(t, backup.ID("r"), got.Backups[0].BackupID, "also when no listing has it yet")
		require.Equal(t, backup.Running, got.Backups[0].Services[0].Status)
		require.Equal(t, "it is not finished", got.Backups[0].Why)
		number := got.Number
		s.watched <- p
		synctest.Wait()
		require.Equal(t, number, b.Snapshot().Number, "the same again is no news")
		b.Refresh()
		after(time.Second)
		require.Len(t, b.Snapshot().Backups, 2)
		require.Equal(t, &p, b.Snapshot().Running)

		p = progress(2, "capture")
		s.watched <- p
		synctest.Wait()
		require.Equal(t, &p, b.Snapshot().Running)
		lists := s.count("List")
		s.set(func(s *source) {
			s.running, s.list.Backups = "", append([]backup.Overview{overview("r", backup.Succeeded, 0)}, s.list.Backups...)
		})
		close(s.watched)
		after(time.Second)
		require.Equal(t, lists+1, s.count("List"))
		require.Nil(t, b.Snapshot().Running)
		require.Empty(t, b.Snapshot().RunID)
		require.True(t, b.Snapshot().Backups[0].Good())
		require.Equal(t, 1, s.count("Watch"))
	})
}

// TestWhatWasPutInEnds: a backup that a caller has put in, and that ended before its run was ever
// seen, does not run for ever.
func TestWhatWasPutInEnds(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		hold := make(chan struct{})
		s.set(func(s *source) { s.hold["List"] = hold })
		after(readApart)
		b.Refresh()
		synctest.Wait()
		p := progress(0, "")
		p.Status = ""
		b.Apply(func(s *Snapshot) { s.Running = &p })
		require.Equal(t, backup.ID("r"), b.Snapshot().Backups[0].BackupID)
		require.Equal(t, backup.Running, b.Snapshot().Backups[0].Status, "whatever is known of it")
		close(hold)
		synctest.Wait()
		require.Equal(t, &p, b.Snapshot().Running, "the reading began before it")
		s.set(func(s *source) {
			s.list.Backups = append([]backup.Overview{overview("r", backup.Failed, 0)}, s.list.Backups...)
		})
		after(readApart)
		require.Nil(t, b.Snapshot().Running)
		require.Equal(t, backup.Failed, b.Snapshot().Backups[0].Status)
		require.Zero(t, s.count("Watch"))
	})
}

// TestUpkeepIsAskedForOnce in each reading, and nothing else is asked for twice.
func TestUpkeepIsAskedForOnce(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		for _, name := range []string{"Summary", "History", "List", "Running", "Changing", "Upkeep", "Missing", "Standing", "Drills"} {
			require.Equal(t, 1, s.count(name), name)
		}
	})
}

// TestHeldForADay: what keeps the retention for some readings in a row is told after a day, and
// counts from the first again once it has passed.
func TestHeldForADay(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) {
			s.upkeep.Hold = "the clocks differ"
			s.list.Backups[0].StartedAt = time.Now().AddDate(1, 0, 0) // nothing else is wrong
		})
		after(alert.HoldWithin)
		require.Empty(t, codes(b.Snapshot()))
		s.set(func(s *source) { s.fails["Upkeep"] = fault.Newf(fault.TemporalUnreachable, "away") })
		after(2 * ReadUnseen)
		require.Contains(t, codes(b.Snapshot()), alert.RetentionHolds, "that it could not be read ends nothing")
		s.set(func(s *source) { delete(s.fails, "Upkeep"); s.upkeep.Hold = "" })
		after(ReadUnseen)
		require.Empty(t, codes(b.Snapshot()))
		s.set(func(s *source) { s.upkeep.Hold = "the ledger is not whole" })
		after(alert.HoldWithin)
		require.Empty(t, codes(b.Snapshot()))
		after(2 * ReadUnseen)
		require.Equal(t, []alert.Code{alert.RetentionHolds}, codes(b.Snapshot()))
	})
}

func TestFailedWatchIsBegunAgainLater(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) { s.running, s.fails["Watch"] = "run", errors.New("broken") })
		b.Refresh()
		after(10 * time.Second)
		require.Equal(t, 1, s.count("Watch"))
		require.Equal(t, "run", b.Snapshot().RunID)
		after(time.Hour)
		require.InDelta(t, 61, s.count("Watch"), 2, "each minute")
		require.Equal(t, 8, s.count("List"), "a watch that fails is no reason to read")
		s.set(func(s *source) { s.running, s.fails["Watch"] = "", fault.Newf(fault.BackupNotFound, "ended") })
		after(time.Minute + readApart)
		require.Empty(t, b.Snapshot().RunID, "it was read again at once")
	})
}

func TestStalledBackup(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) { s.running = "run" })
		b.Refresh()
		after(time.Second)
		s.watched <- progress(1, "")
		for i := range 20 {
			after(time.Minute)
			s.watched <- progress(int64(i)+2, "")
		}
		synctest.Wait()
		require.Empty(t, codes(b.Snapshot()))
		for i := range 17 {
			after(time.Minute)
			s.watched <- progress(21, fmt.Sprintf("waiting: attempt %d", i)) // which is no progress
		}
		synctest.Wait()
		require.Equal(t, []alert.Code{alert.BackupStalled}, codes(b.Snapshot()))
		s.watched <- progress(22, "")
		synctest.Wait()
		require.Empty(t, codes(b.Snapshot()))
		close(s.watched)
	})
}

func TestSlowReadersGetTheNewest(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		slow := b.Subscribe(t.Context())
		for i := range 10 {
			b.Apply(func(s *Snapshot) { s.RunID, s.Instance.Region = "", fmt.Sprint(i) })
		}
		require.Equal(t, "9", (<-slow).Instance.Region)
		select {
		case s := <-slow:
			t.Fatalf("%+v", s)
		default:
		}
	})
}

func TestSubscribersAreBoundedAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(newSource(), Options{})
		board, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.Run(board) }()
		ctx, cancel := context.WithCancel(t.Context())
		first := b.Subscribe(ctx)
		var others []<-chan *Snapshot
		for range MaxSubscribers - 1 {
			others = append(others, b.Subscribe(t.Context()))
		}
		_, open := <-b.Subscribe(t.Context())
		require.False(t, open, "there are enough")
		require.NotNil(t, <-first)
		cancel()
		for range first { // until it is closed
		}
		require.NotNil(t, <-b.Subscribe(t.Context()), "there is space again")
		stop()
		require.NoError(t, <-ended)
		for _, reader := range others {
			for range reader {
			}
		}
		_, open = <-b.Subscribe(t.Context())
		require.False(t, open, "it has ended")
	})
}

// TestAlertsAreToldOnce: also those that only the time opens.
func TestAlertsAreToldOnce(t *testing.T) {
	var mu sync.Mutex
	told := []string{}
	o := Options{OnAlerts: func(opened, closed []alert.Alert) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range opened {
			told = append(told, "+"+string(a.Code))
		}
		for _, a := range closed {
			told = append(told, "-"+string(a.Code))
		}
	}}
	toldSoFar := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
	runWith(t, o, func(t *testing.T, b *Board, s *source) {
		require.Empty(t, toldSoFar())
		s.set(func(s *source) { s.upkeep.Undeleted = []string{"x"} })
		after(time.Hour)
		require.Equal(t, []string{"+DELETION_FAILED"}, toldSoFar())
		s.set(func(s *source) { s.upkeep.Undeleted = nil })
		after(time.Hour)
		require.Equal(t, []string{"+DELETION_FAILED", "-DELETION_FAILED"}, toldSoFar())
		// The newest good backup grows old while nothing can be read.
		s.set(func(s *source) { s.hold["Summary"] = make(chan struct{}) })
		at := s.list.Backups[0].StartedAt.Add(24 * time.Hour)
		after(time.Until(at) - time.Minute)
		require.NotContains(t, toldSoFar(), "+BACKUP_TOO_OLD")
		after(2 * time.Minute)
		require.Contains(t, toldSoFar(), "+BACKUP_TOO_OLD")
	})
}

// TestHangingSourceEnds: a source that does not answer is given up after a while, and does not
// keep the board from ending.
func TestHangingSourceEnds(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) { s.hold["List"] = make(chan struct{}) })
		after(readApart)
		b.Refresh()
		after(readTimeout)
		require.ErrorIs(t, b.Snapshot().Fault, fault.NoWorker)
		require.Len(t, b.Snapshot().Backups, 1)
	})
}

// TestAcknowledgementIsReadBack: it changes the alert, and neither opens nor closes it.
func TestAcknowledgementIsReadBack(t *testing.T) {
	told := make(chan int, 100)
	o := Options{OnAlerts: func(opened, closed []alert.Alert) { told <- len(opened) + len(closed) }}
	runWith(t, o, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) { s.upkeep.Schedule.Missed = 1 })
		after(ReadUnseen)
		require.Equal(t, 1, <-told)
		ack := alert.Acknowledgement{Code: alert.ScheduleMissed, By: "op", At: time.Now()}
		b.Apply(func(s *Snapshot) { s.Upkeep.Acknowledged = append(s.Upkeep.Acknowledged, ack) })
		require.Equal(t, "op", b.Snapshot().Alerts[0].AcknowledgedBy)
		s.set(func(s *source) { s.upkeep.Acknowledged = []alert.Acknowledgement{ack} })
		after(time.Hour)
		require.Equal(t, "op", b.Snapshot().Alerts[0].AcknowledgedBy)
		require.Empty(t, told)
	})
}

func TestBackupsAreCompleted(t *testing.T) {
	o := Options{Complete: func(b *Backup, s *Snapshot) { b.Thumbprint = string(b.BackupID) + s.Instance.Name }}
	runWith(t, o, func(t *testing.T, b *Board, s *source) {
		require.Equal(t, "alocal", b.Snapshot().Backups[0].Thumbprint)
		require.False(t, b.Snapshot().Backups[0].Scheduled)
		s.set(func(s *source) {
			by := overview("b", backup.Succeeded, 0)
			by.RequestedBy = scheduler
			s.list.Backups = append([]backup.Overview{by}, s.list.Backups...)
			s.upkeep.Schedule.BackupID = "a"
		})
		after(ReadUnseen)
		require.True(t, b.Snapshot().Backups[0].Scheduled)
		require.True(t, b.Snapshot().Backups[1].Scheduled)
	})
}

// TestManyAtOnce has readers, writers and followers meet; what they see only grows.
func TestManyAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		s.set(func(s *source) { s.running = "run" })
		var group sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 8 {
			group.Go(func() {
				var last int64
				for range 200 {
					now := b.Snapshot()
					require.GreaterOrEqual(t, now.Number, last)
					last = now.Number
					b.Looked()
					b.Refresh()
				}
			})
			group.Go(func() {
				for i := range 100 {
					b.Apply(func(s *Snapshot) { s.Unserved = []backup.Service{backup.Service(fmt.Sprint(i))} })
				}
			})
			group.Go(func() {
				var last int64
				for now := range b.Subscribe(ctx) {
					require.Greater(t, now.Number, last)
					last = now.Number
					_ = fmt.Sprint(now.Unserved, now.Alerts, now.Backups)
				}
			})
		}
		for i := range 20 {
			after(time.Second)
			select {
			case s.watched <- progress(int64(i), ""):
			case <-time.After(time.Second):
			}
		}
		cancel()
		group.Wait()
		close(s.watched)
	})
}

// TestNextMovesOn: when the next backup is due is told without another reading.
func TestNextMovesOn(t *testing.T) {
	run(t, func(t *testing.T, b *Board, s *source) {
		begin := time.Now()
		s.set(func(s *source) { s.upkeep.Schedule.Anchor = begin.Add(-10 * time.Hour) })
		after(ReadUnseen)
		require.True(t, begin.Add(2*time.Hour).Equal(b.Snapshot().Next))
		s.set(func(s *source) { s.hold["Upkeep"] = make(chan struct{}) })
		after(2 * time.Hour)
		require.True(t, begin.Add(14*time.Hour).Equal(b.Snapshot().Next))
		require.NotContains(t, codes(b.Snapshot()), alert.ScheduleMissed, "whether it was started is not known")
	})
}
