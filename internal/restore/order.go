package restore

import (
	"cmp"
	"slices"
	"strings"
)

// Codes of refusals that the engine makes itself. Restorers have further ones.
const (
	RefusedDiffers = "DIFFERS"            // the policy is to fail
	RefusedNeed    = "NEED_REFUSED"       // what it needs is refused
	RefusedMissing = "NEED_MISSING"       // what it needs can neither be brought back nor is there
	RefusedCycle   = "NEEDS_ITSELF"       // it needs what needs it
	RefusedStale   = "STALE"              // moved while the plan was applied
	RefusedMade    = "NOT_AS_WRITTEN"     // the target confirmed the write and holds something else
	RefusedBlocked = "NEED_NOT_CONFIRMED" // what it needs did not come about
	RefusedNames   = "SOURCE_NAMES"       // it has names of the source that the map has nothing for
)

// order sets stage and level of steps so that each comes behind what it needs. Steps of a
// cycle, and those that need a refused step, are refused as well.
func order(steps []Step, refused map[Key]bool) []Refusal {
	var refusals []Refusal
	refuse := func(s Step, code, detail string) {
		if !refused[s.Key] {
			refused[s.Key] = true
			refusals = append(refusals, Refusal{Key: s.Key, Code: code, Detail: detail})
		}
	}
	waits, dependants := make([]int, len(steps)), make([][]int, len(steps))
	for i, s := range steps {
		for _, need := range behind(s) {
			waits[i]++
			dependants[need] = append(dependants[need], i)
		}
	}
	var ready []int
	for i := range steps {
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	for done := 0; done < len(ready); done++ {
		i := ready[done]
		for _, d := range dependants[i] {
			after(&steps[d], steps[i])
			if refused[steps[i].Key] {
				refuse(steps[d], RefusedNeed, "it needs "+steps[i].Key.String()+", which is refused")
			}
			if waits[d]--; waits[d] == 0 {
				ready = append(ready, d)
			}
		}
	}
	for i, n := range waits {
		if n > 0 {
			refuse(steps[i], RefusedCycle, "it is in, or behind, a circle of needs: "+strings.Join(circle(steps, waits, i), ", "))
		}
	}
	return refusals
}

// behind are the steps that have to come first.
func behind(s Step) []int {
	needs := slices.Clone(s.Needs)
	if s.Within >= 0 {
		needs = append(needs, s.Within)
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}

// after moves a step behind another one.
func after(s *Step, need Step) {
	switch {
	case need.Stage > s.Stage:
		s.Stage, s.Level = need.Stage, need.Level+1
	case need.Stage == s.Stage:
		s.Level = max(s.Level, need.Level+1)
	}
}

// circle names the first few steps that wait for each other, from one on.
func circle(steps []Step, waits []int, from int) (names []string) {
	seen := map[int]bool{}
	for i := from; !seen[i] && len(names) < 5; {
		seen[i] = true
		names = append(names, steps[i].Key.String())
		for _, need := range behind(steps[i]) {
			if waits[need] > 0 {
				i = need
				break
			}
		}
	}
	return names
}

// drop leaves refused steps out and numbers the others again.
func (p *Plan) drop(refused map[Key]bool) {
	moved, kept := make([]int, len(p.Steps)), []Step{}
	for i, s := range p.Steps {
		moved[i] = -1
		if !refused[s.Key] {
			moved[i] = len(kept)
			kept = append(kept, s)
		}
	}
	for i := range kept {
		s := &kept[i]
		needs := []int{}
		for _, need := range s.Needs {
			if moved[need] >= 0 {
				needs = append(needs, moved[need])
			}
		}
		s.Needs = needs
		if s.Within >= 0 {
			s.Within = moved[s.Within]
		}
	}
	p.Steps = kept
}

// sortRest brings refusals and losses into an order that does not depend on what answered
// first.
func (p *Plan) sortRest() {
	slices.SortFunc(p.Refusals, func(a, b Refusal) int {
		return cmp.Or(compareKeys(a.Key, b.Key), cmp.Compare(a.Code, b.Code))
	})
	slices.SortFunc(p.Losses, func(a, b Loss) int {
		return cmp.Or(compareKeys(a.Key, b.Key), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
	})
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Phase, b.Phase))
}
