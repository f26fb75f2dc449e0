package restore_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/restoretest"
)

func actions(p *restore.Plan) map[string]restore.Action {
	all := map[string]restore.Action{}
	for _, s := range p.Steps {
		name := s.ID
		if s.Phase != "" {
			name += "/" + s.Phase
		}
		all[name] = s.Action
	}
	return all
}

// TestPlanHoldsWhatIsChecked: a plan of many files does not hold them all.
func TestPlanHoldsWhatIsChecked(t *testing.T) {
	w := newWorld(t, map[string]thing{"other": {Value: "wanted"}})
	w.place.values["other"] = "differs"
	require.Equal(t, restore.Update, actions(w.plan())["other"])
	require.Equal(t, len("differs"), w.place.held)
	w.place.held, w.place.unchecked = 0, true
	require.Equal(t, restore.Update, actions(w.plan())["other"])
	require.Zero(t, w.place.held)
}

func TestPlanAndApply(t *testing.T) {
	w := newWorld(t, map[string]thing{
		"net":    {Value: "n"},
		"subnet": {Value: "s", Within: "net"},
		"nic":    {Value: "i", Needs: []string{"subnet"}},
		"vm":     {Value: "v", Needs: []string{"nic"}, Links: []string{"vm2"}},
		"vm2":    {Value: "w", Needs: []string{"nic"}, Links: []string{"vm"}, Lost: "its password"},
		"there":  {Value: "same"},
		"other":  {Value: "wanted"},
	})
	w.place.values["there"], w.place.values["other"], w.place.values["foreign"] = "same", "differs", "stays"
	before := w.place.dump()
	p := w.plan()
	require.Equal(t, map[string]restore.Action{"net": restore.Create, "subnet": restore.Along, "nic": restore.Create, "vm": restore.Create, "vm/links": restore.Update,
		"vm2": restore.Create, "vm2/links": restore.Update, "there": restore.Skip, "other": restore.Update}, actions(p))
	require.Equal(t, 1, p.Header.Counts.Lost)
	require.Equal(t, before, w.place.dump(), "a plan writes nothing")

	j := &restoretest.Journal{}
	totals, err := apply(t.Context(), w.run(p, j, nil))
	require.NoError(t, err)
	require.True(t, totals.Whole(), "%+v", totals)
	for id, thing := range w.things {
		require.Equal(t, thing.Value, w.place.values[id])
	}
	require.Equal(t, "stays", w.place.values["foreign"])
	require.Less(t, slices.Index(w.place.log, "ARM thing nic"), slices.Index(w.place.log, "ARM thing vm"))
	require.NotContains(t, w.place.log, "ARM thing subnet", "it came along")

	_, err = apply(t.Context(), w.run(p, j, nil))
	code(t, fault.PlanApplied, err)

	undo, err := restore.UndoPlan(t.Context(), p, j, "test", w.now)
	require.NoError(t, err)
	totals, err = apply(t.Context(), w.run(undo, &restoretest.Journal{}, j))
	require.NoError(t, err)
	require.True(t, totals.Whole(), "%+v", totals)
	require.Equal(t, before, w.place.dump())
}

func TestPoliciesAndSelection(t *testing.T) {
	things := map[string]thing{"a": {Value: "a"}, "b": {Value: "b", Needs: []string{"a", "c"}}, "c": {Value: "c"}, "d": {Value: "d", Needs: []string{"b"}}, "e": {Value: "e"}}
	t.Run("needs come along, unless they are there", func(t *testing.T) {
		w := newWorld(t, things)
		w.place.values["c"] = "something else, and it stays"
		planner := w.planner()
		planner.Selection = restore.Selection{Items: []string{"D"}}
		p, err := planner.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]restore.Action{"a": restore.Create, "b": restore.Create, "d": restore.Create}, actions(p))
		for _, s := range p.Steps {
			require.Equal(t, s.ID != "d", s.AddedBy == restore.Needed, s.ID)
		}
	})
	t.Run("skip", func(t *testing.T) {
		w := newWorld(t, things)
		w.place.values["a"] = "differs"
		planner := w.planner()
		planner.Policies = map[backup.Service]restore.Policy{service: restore.PolicySkip}
		p, err := planner.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, restore.Skip, actions(p)["a"])
	})
	t.Run("fail", func(t *testing.T) {
		w := newWorld(t, things)
		w.place.values["a"] = "differs"
		planner := w.planner()
		planner.Policies = map[backup.Service]restore.Policy{service: restore.PolicyFail}
		p, err := planner.Plan(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[string]restore.Action{"c": restore.Create, "e": restore.Create}, actions(p))
		require.Len(t, p.Refusals, 3, "and what needs it")
	})
	t.Run("taken", func(t *testing.T) {
		w := newWorld(t, things)
		w.place.taken["b"] = true
		p := w.plan()
		require.Equal(t, map[string]restore.Action{"a": restore.Create, "c": restore.Create, "e": restore.Create}, actions(p))
		require.Equal(t, "NAME_TAKEN", p.Refusals[0].Code)
	})
	t.Run("a circle", func(t *testing.T) {
		w := newWorld(t, map[string]thing{"a": {Value: "a", Needs: []string{"b"}}, "b": {Value: "b", Needs: []string{"a"}}, "c": {Value: "c"}, "d": {Value: "d", Needs: []string{"a"}}})
		p := w.plan()
		require.Equal(t, map[string]restore.Action{"c": restore.Create}, actions(p))
		require.Len(t, p.Refusals, 3)
	})
	t.Run("nothing", func(t *testing.T) {
		w := newWorld(t, things)
		planner := w.planner()
		planner.Selection = restore.Selection{Patterns: []string{"z*"}}
		_, err := planner.Plan(t.Context())
		code(t, fault.ItemNotFound, err)
	})
}

// TestRefusedBeforeAnythingIsWritten causes each reason.
func TestRefusedBeforeAnythingIsWritten(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*world, *restore.Plan, *restore.Run)
		want   fault.Code
	}{
		"the live state moved": {func(w *world, _ *restore.Plan, _ *restore.Run) { w.place.values["b"] = "moved" }, fault.PlanStale},
		"absent is a state":    {func(w *world, _ *restore.Plan, _ *restore.Run) { w.place.values["a"] = "a" }, fault.PlanStale},
		"another body":         {func(w *world, _ *restore.Plan, _ *restore.Run) { w.things["a"] = thing{Value: "z"} }, fault.PlanDiffers},
		"gone from the backup": {func(w *world, _ *restore.Plan, _ *restore.Run) { delete(w.things, "a") }, fault.PlanDiffers},
		"expired":              {func(w *world, _ *restore.Plan, _ *restore.Run) { w.now = w.now.Add(25 * time.Hour) }, fault.PlanExpired},
		"another target":       {func(_ *world, _ *restore.Plan, r *restore.Run) { r.Target = cloud }, fault.TargetForeign},
		"production": {func(_ *world, p *restore.Plan, r *restore.Run) {
			p.Header.Production, r.Consent.Production = true, "yes"
		}, fault.TargetProduction},
		"a final step": {func(_ *world, p *restore.Plan, _ *restore.Run) {
			p.Steps[0].Reversible = restore.Reversibility{Grade: restore.Irreversible, Why: "it is final"}
		}, fault.PlanConsent},
		"no restorer": {func(_ *world, _ *restore.Plan, r *restore.Run) { r.Restorers = nil }, fault.TargetNotConfigured},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, map[string]thing{"a": {Value: "a"}, "b": {Value: "b"}})
			w.place.values["b"] = "differs"
			p := w.plan()
			r := w.run(p, &restoretest.Journal{}, nil)
			test.change(w, p, r)
			before := w.place.dump()
			_, err := apply(t.Context(), r)
			code(t, test.want, err)
			require.Equal(t, before, w.place.dump())
		})
	}
}

func TestATargetThatDoesNotKeepWhatItConfirmed(t *testing.T) {
	w := newWorld(t, map[string]thing{"a": {Value: "a"}, "b": {Value: "b", Needs: []string{"a"}}})
	w.place.lie["a"] = true
	totals, err := apply(t.Context(), w.run(w.plan(), &restoretest.Journal{}, nil))
	require.NoError(t, err)
	require.Equal(t, restore.Totals{Failed: 1, Blocked: 1}, totals)
}

// TestRandomRestores restores generated graphs onto drifted places, with crashes around
// writes and in the journal, and undoes them.
func TestRandomRestores(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 13))
		things := map[string]thing{}
		n := 1 + random.IntN(40)
		for i := range n {
			th := thing{Value: fmt.Sprint("v", random.IntN(5))}
			for range random.IntN(3) {
				if i > 0 {
					th.Needs = append(th.Needs, fmt.Sprint("t", random.IntN(i)))
				}
			}
			for range random.IntN(2) {
				th.Links = append(th.Links, fmt.Sprint("t", random.IntN(n)))
			}
			slices.Sort(th.Links)
			th.Links = slices.Compact(th.Links)
			things[fmt.Sprint("t", i)] = th
		}
		w := newWorld(t, things)
		for i := range n {
			if random.IntN(3) == 0 {
				w.place.values[fmt.Sprint("t", i)] = fmt.Sprint("v", random.IntN(5))
			}
		}
		before := w.place.dump()
		p := w.plan()
		crashes := 0
		crash := func(string, bool) error {
			if crashes < 30 && random.IntN(4) == 0 {
				crashes++
				return errCrash
			}
			return nil
		}
		through := func(p *restore.Plan, j, undone *restoretest.Journal) {
			j.Fail = func(string, int) error { return crash("", false) }
			w.place.crash = crash
			for {
				var u restore.Journal
				if undone != nil {
					u = undone
				}
				totals, err := apply(t.Context(), w.run(p, j, u))
				if errors.Is(err, errCrash) {
					continue
				}
				require.NoError(t, err, "seed %d", seed)
				require.True(t, totals.Whole(), "seed %d: %+v", seed, totals)
				break
			}
			for key, times := range w.place.writes {
				require.Equal(t, 1, times, "seed %d: %s was written more than once", seed, key)
			}
			clear(w.place.writes)
		}
		j := &restoretest.Journal{}
		through(p, j, nil)
		for id, th := range things {
			require.Equal(t, th.Value, w.place.values[id], "seed %d", seed)
			require.ElementsMatch(t, th.Links, w.place.links[id], "seed %d", seed)
		}
		undo, err := restore.UndoPlan(t.Context(), p, j, "test", w.now)
		if fault.CodeOf(err) == fault.ItemNotFound {
			require.Equal(t, before, w.place.dump())
			continue
		}
		require.NoError(t, err)
		crashes = 0
		through(undo, &restoretest.Journal{}, j)
		require.Equal(t, before, w.place.dump(), "seed %d", seed)
	}
}

// TestEndedAnywhere ends a restore for good at any write, settles it and undoes what was
// done.
func TestEndedAnywhere(t *testing.T) {
	things := map[string]thing{"a": {Value: "a"}, "b": {Value: "b", Needs: []string{"a"}}, "c": {Value: "c", Needs: []string{"b"}, Links: []string{"a"}}, "d": {Value: "d"}}
	for at := range 10 {
		w := newWorld(t, maps.Clone(things))
		w.place.values["d"] = "was"
		before := w.place.dump()
		p, j, writes := w.plan(), &restoretest.Journal{}, 0
		w.place.crash = func(string, bool) error {
			if writes++; writes > at {
				return errCrash
			}
			return nil
		}
		_, err := apply(t.Context(), w.run(p, j, nil))
		if err == nil {
			continue
		}
		w.place.crash = nil
		_, err = restore.UndoPlan(t.Context(), p, j, "test", w.now)
		code(t, fault.RestoreRunning, err)
		_, err = restore.Settle(t.Context(), w.run(p, j, nil))
		require.NoError(t, err)
		undo, err := restore.UndoPlan(t.Context(), p, j, "test", w.now)
		if fault.CodeOf(err) != fault.ItemNotFound {
			require.NoError(t, err)
			_, err = apply(t.Context(), w.run(undo, &restoretest.Journal{}, j))
			require.NoError(t, err)
		}
		require.Equal(t, before, w.place.dump(), "ended at write %d", at)
	}
}

// TestUndoKnowsWhatCameAlong: what needs a part is taken back before what brought the part.
func TestUndoKnowsWhatCameAlong(t *testing.T) {
	w := newWorld(t, map[string]thing{"net": {Value: "n"}, "subnet": {Value: "s", Within: "net"}, "a": {Value: "a", Needs: []string{"subnet"}}, "z": {Value: "z", Needs: []string{"subnet"}}})
	p, j := w.plan(), &restoretest.Journal{}
	_, err := apply(t.Context(), w.run(p, j, nil))
	require.NoError(t, err)
	undo, err := restore.UndoPlan(t.Context(), p, j, "test", w.now)
	require.NoError(t, err)
	require.Len(t, undo.Steps, 3)
	require.Equal(t, "net", undo.Steps[2].ID)
	require.Equal(t, []int{0, 1}, undo.Steps[2].Needs)
}
