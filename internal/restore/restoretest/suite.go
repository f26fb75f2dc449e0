package restoretest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/mapping"
)

// Suite is what [Run] needs to know of a restorer.
type Suite struct {
	// Empty makes a backup and a target that holds nothing of it. It is called for every
	// test, and gives the same backup each time.
	Empty func(t *testing.T) World
	// Drifted makes the same backup and a target that was the source of it and moved on:
	// something differs, something is gone, and something came after the backup.
	Drifted func(t *testing.T) World
	// MaxCrashes is at how many writes of a restore it is ended; all when 0.
	MaxCrashes int
}

// World is a backup and a target that it is restored to.
type World struct {
	Source   *restore.Source
	Restorer restore.Restorer
	// State is all of the target that a restore may not change by chance: two targets
	// with the same content have the same state. It leaves out what changes by itself.
	State func() string
	// Move changes something in the target that every plan made before is about.
	Move func()
	// Kept makes sure that what came after the backup, and what is the service's own, is
	// as it was. Nil when there is nothing of the kind.
	Kept func(t *testing.T)
	// Log says what the target itself counts as made, by name; nil when it counts nothing.
	Log func() map[string]int
	// Undone makes sure that the target is as an undo has to leave it, with the states
	// before and after the restore. Nil demands the state before.
	Undone func(t *testing.T, before, after string)
	// Spared are steps that may come about with another one, such as rights that an object
	// that is made has by itself. Nil for none.
	Spared func(s restore.Step) bool
}

// errEnded is how a wrapped write says that the process was ended.
var errEnded = errors.New("ended by the test")

// Run holds a restorer to its contract.
func Run(t *testing.T, s Suite) {
	for name, open := range map[string]func(*testing.T) World{"empty": s.Empty, "drifted": s.Drifted} {
		t.Run(name+"/applied once", func(t *testing.T) { appliedOnce(t, open(t)) })
		t.Run(name+"/stale", func(t *testing.T) { stale(t, open(t)) })
		t.Run(name+"/undone", func(t *testing.T) { undone(t, open(t)) })
		t.Run(name+"/ended at any write", func(t *testing.T) { s.ended(t, open) })
		t.Run(name+"/pure", func(t *testing.T) { pure(t, open(t)) })
	}
}

// appliedOnce: a plan changes nothing, what is applied is what was planned, and a second
// plan has nothing to do.
func appliedOnce(t *testing.T, w World) {
	run := newRunner(t, w)
	before := w.State()
	p := run.plan(t)
	require.Equal(t, before, w.State(), "a plan writes nothing")
	require.NotZero(t, writing(p), "the test has something to do")
	run.apply(t, p, &Journal{}, nil)
	planned := map[string]int{}
	for _, step := range p.Steps {
		if key := step.Key.String(); step.Writes() && (run.writes[key] > 0 || w.Spared == nil || !w.Spared(step)) {
			planned[key] = 1
		}
	}
	require.Equal(t, planned, run.writes, "what was planned was written, once, and nothing else")
	w.kept(t)
	again := run.plan(t)
	for _, step := range again.Steps {
		require.Equal(t, restore.Skip, step.Action, "%s is there already: %v", step.Key, step.Fields)
	}
	require.Equal(t, len(p.Refusals), len(again.Refusals), "%v", again.Refusals)
}

// stale: what moved between plan and apply is noticed before the first write.
func stale(t *testing.T, w World) {
	run := newRunner(t, w)
	p := run.plan(t)
	w.Move()
	before := w.State()
	_, err := restore.Apply(t.Context(), run.run(t, p, &Journal{}, nil))
	require.ErrorIs(t, err, fault.PlanStale)
	require.Empty(t, run.writes)
	require.Equal(t, before, w.State())
}

// undone: what can be taken back is taken back, by a plan of its own.
func undone(t *testing.T, w World) {
	run := newRunner(t, w)
	before := w.State()
	p, j := run.plan(t), &Journal{}
	run.apply(t, p, j, nil)
	after := w.State()
	run.undo(t, p, j)
	w.kept(t)
	if w.Undone != nil {
		w.Undone(t, before, after)
		return
	}
	require.Equal(t, before, w.State())
}

// ended ends a restore before and behind each write, and goes on with a new process. Then
// it is undone, and the undo is ended in the same way.
func (s Suite) ended(t *testing.T, open func(*testing.T) World) {
	whole := open(t)
	run := newRunner(t, whole)
	p := run.plan(t)
	run.apply(t, p, &Journal{}, nil)
	want, most := whole.State(), writing(p)
	if s.MaxCrashes > 0 {
		most = min(most, s.MaxCrashes)
	}
	for at := range most {
		for _, sent := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, sent %t", at, sent), func(t *testing.T) {
				w := open(t)
				run := newRunner(t, w)
				before := w.State()
				p, j := run.plan(t), &Journal{}
				run.endAt(at, sent)
				_, err := restore.Apply(t.Context(), run.run(t, p, j, nil))
				require.ErrorIs(t, err, errEnded)
				run.apply(t, p, j, nil)
				require.Equal(t, want, w.State(), "as if it had not been ended")
				w.once(t)
				w.kept(t)
				after := w.State()
				undo := run.undoPlan(t, p, j)
				if undo == nil {
					return
				}
				run.endAt(at%max(1, writing(undo)), sent)
				journal := &Journal{}
				if _, err := restore.Apply(t.Context(), run.run(t, undo, journal, j)); err != nil {
					require.ErrorIs(t, err, errEnded)
					run.apply(t, undo, journal, j)
				}
				w.kept(t)
				if w.Undone != nil {
					w.Undone(t, before, after)
				} else {
					require.Equal(t, before, w.State())
				}
			})
		}
	}
}

// pure: wants of the same items are the same, their keys differ, and verdicts do not change
// with the times that they are asked for.
func pure(t *testing.T, w World) {
	run := newRunner(t, w)
	var items []restore.Item
	groups := map[string][]restore.Item{}
	require.NoError(t, w.Source.Catalog(t.Context(), func(e backup.CatalogEntry) error {
		item := restore.Item{CatalogEntry: e, Read: func(ctx context.Context) ([]byte, error) { return w.Source.Item(ctx, e) }}
		items = append(items, item)
		group := w.Restorer.Group(e)
		groups[group] = append(groups[group], item)
		return nil
	}))
	require.NotEmpty(t, items)
	keys := map[restore.Key]bool{}
	for group, items := range groups {
		wants, losses, err := w.Restorer.Wants(items, run.mapping(t))
		require.NoError(t, err, group)
		again, lost, err := w.Restorer.Wants(items, run.mapping(t))
		require.NoError(t, err, group)
		require.Equal(t, losses, lost)
		require.Len(t, again, len(wants))
		for i, want := range wants {
			require.True(t, bytes.Equal(want.Body, again[i].Body), "%s", want.Key)
			require.False(t, keys[want.Key], "%s is wanted twice", want.Key)
			keys[want.Key] = true
			require.Equal(t, w.Restorer.Service(), want.Service)
			m := run.mapping(t)
			live, err := w.Restorer.Live(t.Context(), want, m)
			require.NoError(t, err)
			require.Equal(t, !live.Exists && !live.Deleted, live.Digest == restore.AbsentDigest, "%s", want.Key)
			require.Equal(t, w.Restorer.Verdict(want, live, m), w.Restorer.Verdict(want, live, m), "%s", want.Key)
			if renamer, ok := w.Restorer.(restore.Renamer); ok {
				sent, err := renamer.Sent(want, m)
				require.NoError(t, err)
				require.True(t, json.Valid(sent), "%s", want.Key)
			}
			second, err := w.Restorer.Live(t.Context(), want, m)
			require.NoError(t, err)
			require.Equal(t, live.Digest, second.Digest, "%s changes by itself", want.Key)
		}
	}
}

func (w World) kept(t *testing.T) {
	t.Helper()
	if w.Kept != nil {
		w.Kept(t)
	}
}

func (w World) once(t *testing.T) {
	t.Helper()
	if w.Log == nil {
		return
	}
	for name, times := range w.Log() {
		require.LessOrEqual(t, times, 1, "%s was made more than once", name)
	}
}

func writing(p *restore.Plan) (n int) {
	for _, step := range p.Steps {
		if step.Writes() {
			n++
		}
	}
	return n
}

// runner makes plans and runs of a world, and stands between the engine and the restorer.
type runner struct {
	restore.Restorer
	world World
	now   time.Time

	mu     sync.Mutex
	writes map[string]int // that were sent, by key
	calls  int
	end    func(call int, sent bool) bool
}

func newRunner(_ *testing.T, w World) *runner {
	return &runner{Restorer: w.Restorer, world: w, now: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), writes: map[string]int{}}
}

// Names implements [restore.Namer] for restorers that do.
func (r *runner) Names(e backup.CatalogEntry) []string {
	if namer, ok := r.Restorer.(restore.Namer); ok {
		return namer.Names(e)
	}
	return nil
}

// Begun implements [restore.Resumer] for restorers that do.
func (r *runner) Begun(want restore.Want, before, live restore.State) bool {
	resumer, ok := r.Restorer.(restore.Resumer)
	return ok && resumer.Begun(want, before, live)
}

// endAt ends the run at its nth write from now, before it is sent or behind.
func (r *runner) endAt(n int, sent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = 0
	r.end = func(call int, behind bool) bool { return call == n && behind == sent }
}

// Write implements [restore.Restorer].
func (r *runner) Write(ctx context.Context, want restore.Want, v restore.Verdict, live restore.State, m *mapping.Map) error {
	r.mu.Lock()
	call, end := r.calls, r.end
	r.calls++
	r.mu.Unlock()
	if end != nil && end(call, false) {
		return errEnded
	}
	err := r.Restorer.Write(ctx, want, v, live, m)
	r.mu.Lock()
	r.writes[want.Key.String()]++
	r.mu.Unlock()
	if err == nil && end != nil && end(call, true) {
		return errEnded
	}
	return err
}

var (
	cloud  = restore.Fingerprint{FQDN: "a.example.com", DeploymentID: "11111111-2222-4333-8444-555555555555"}
	target = restore.Fingerprint{FQDN: "b.example.com", DeploymentID: "99999999-2222-4333-8444-555555555555"}
)

func (r *runner) mapping(t *testing.T) *mapping.Map {
	m, err := mapping.New()
	require.NoError(t, err)
	return m
}

func (r *runner) plan(t *testing.T) *restore.Plan {
	t.Helper()
	planner := &restore.Planner{Source: r.world.Source, Restorers: []restore.Restorer{r}, Map: r.mapping(t), Target: target,
		Origin: restore.Origin{BackupID: "1945dfe4-d16c-4b36-9096-1deceb046647", Cloud: cloud}, Product: "infrabackup test", Now: func() time.Time { return r.now }}
	p, err := planner.Plan(t.Context())
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, p.Encode(&file))
	read, err := restore.DecodePlan(&file)
	require.NoError(t, err)
	return read
}

func (r *runner) run(t *testing.T, p *restore.Plan, j, undone restore.Journal) *restore.Run {
	return &restore.Run{Plan: p, Restorers: []restore.Restorer{r}, Source: r.world.Source, Journal: j, Undone: undone, Map: r.mapping(t), Target: target,
		Consent: restore.Consent{Irreversible: []string{restore.AllIrreversible}}, Now: func() time.Time { return r.now }}
}

// apply applies a plan, or goes on with one, to its end.
func (r *runner) apply(t *testing.T, p *restore.Plan, j, undone restore.Journal) {
	t.Helper()
	r.mu.Lock()
	r.end = nil
	r.mu.Unlock()
	run := r.run(t, p, j, undone)
	var mu sync.Mutex
	var bad []restore.Outcome
	run.Progress = func(o restore.Outcome) {
		mu.Lock()
		defer mu.Unlock()
		if !o.Status.Good() {
			bad = append(bad, o)
		}
	}
	totals, err := restore.Apply(t.Context(), run)
	require.NoError(t, err)
	require.True(t, totals.Whole(), "%+v %+v", totals, bad)
}

// undoPlan is nil when the restore changed nothing.
func (r *runner) undoPlan(t *testing.T, p *restore.Plan, j restore.Journal) *restore.Plan {
	t.Helper()
	undo, err := restore.UndoPlan(t.Context(), p, j, "infrabackup test", r.now)
	if fault.CodeOf(err) == fault.ItemNotFound {
		return nil
	}
	require.NoError(t, err)
	return undo
}

func (r *runner) undo(t *testing.T, p *restore.Plan, j restore.Journal) {
	t.Helper()
	undo := r.undoPlan(t, p, j)
	require.NotNil(t, undo, "the restore changed something")
	r.apply(t, undo, &Journal{}, j)
}
