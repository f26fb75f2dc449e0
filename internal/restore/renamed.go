package restore

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
)

// MappingDigest is the digest of the names and pairs that were given to a restore. What it
// learns is not among them.
func MappingDigest(m *mapping.Map) (string, error) {
	given := []mapping.Pair{}
	for _, p := range m.Pairs() {
		if p.How == mapping.Given {
			given = append(given, p)
		}
	}
	data, err := json.Marshal(given)
	if err != nil {
		return "", fault.New(fault.Internal, "encode the pairs that were given", err)
	}
	if site := m.Names().Site(); site != nil {
		names, err := site.Canonical()
		if err != nil {
			return "", fault.New(fault.Internal, "encode the names that were given", err)
		}
		data = append(append(data, '\n'), names...)
	}
	return Digest(data), nil
}

// LossNames is the code of what comes back with the source's names into a target that has
// others.
const LossNames = "NAMES_KEPT"

// maxNamed bounds what a message names.
const maxNamed = 10

// sourceNames refuses to write names of the source. A nil scanner looks for none.
func sourceNames(r Restorer, scanner *residual.Scanner, want Want, m *mapping.Map) (*Refusal, error) {
	renamer, ok := r.(Renamer)
	if !ok || scanner == nil || want.Absent {
		return nil, nil
	}
	sent, err := renamer.Sent(want, m)
	if err != nil {
		return nil, err
	}
	return refusalOf(want.Key, scanner.Find(sent)), nil
}

// refusalOf says where names of the source are, nil when there are none.
func refusalOf(key Key, found []residual.Finding) *Refusal {
	if len(found) == 0 {
		return nil
	}
	texts := make([]string, 0, len(found))
	for _, f := range found {
		texts = append(texts, f.String())
	}
	return &Refusal{Key: key, Code: RefusedNames, Detail: fields(texts) + ": the map has nothing for it, or it cannot be replaced there; complete the map, or write the item by hand"}
}

// pending are SIDs of a want that are learned when their accounts are made.
type pending struct {
	key  Key
	sids []residual.Finding
}

// looksThrough looks for names of the source in what a step would send, and for names of which
// the map does not say whether they are the target's.
func (w *weaving) looksThrough(service backup.Service, want Want) error {
	renamer, ok := w.restorers[service].(Renamer)
	if w.scanner == nil {
		return nil
	}
	if !ok {
		w.losses = append(w.losses, Loss{Key: want.Key, Code: LossNames, Detail: "it comes back with the names of the source, which are signed or cannot be told from its content; look through it before it is used"})
		return nil
	}
	sent, err := renamer.Sent(want, w.planner.Map)
	if err != nil {
		return err
	}
	for _, name := range w.scanner.Unlisted(sent) {
		w.unlisted[name] = true
	}
	var left, later []residual.Finding
	for _, f := range w.scanner.Find(sent) {
		if f.SID != "" && w.await(f.SID, want) {
			later = append(later, f)
		} else {
			left = append(left, f)
		}
	}
	if refusal := refusalOf(want.Key, left); refusal != nil {
		w.refuse(*refusal)
	} else if len(later) > 0 {
		w.pending = append(w.pending, pending{want.Key, later})
	}
	return nil
}

// await makes sure that an account is looked at, and reports whether the backup has it.
func (w *weaving) await(sid string, want Want) bool {
	groups := w.index.called(sid)
	for _, key := range groups {
		if w.groups[key] == nil {
			w.groups[key] = &woven{addedBy: Needed, neededBy: want.Key.String(), candidate: true}
			w.queue = append(w.queue, key)
		}
	}
	return len(groups) > 0
}

// called returns the groups of any service that go by a name.
func (x *index) called(text string) (all []groupKey) {
	for _, service := range backup.Services() {
		all = append(all, x.names[name{service, strings.ToLower(text)}]...)
	}
	return all
}

// principalsFirst puts accounts to which the chosen items give access in front: what they are
// in the target has to be known before these are looked at.
func (w *weaving) principalsFirst() {
	var accounts []groupKey
	for _, g := range w.queue {
		for _, i := range w.index.groups[g] {
			for _, ref := range w.index.entries[i].References {
				if ref.Relation != "principal" {
					continue
				}
				for _, key := range w.index.called(ref.Target) {
					if w.groups[key] == nil {
						w.groups[key] = &woven{addedBy: Needed, neededBy: string(g.service) + " " + g.name, candidate: true}
						accounts = append(accounts, key)
					}
				}
			}
		}
	}
	w.queue = append(accounts, w.queue...)
	slices.SortStableFunc(w.queue, func(a, b groupKey) int { return a.service.Order() - b.service.Order() })
}

// next are the groups that are looked at together. What is learned of one service counts for
// the next.
func (w *weaving) next(done int) []groupKey {
	end := min(done+chunk, len(w.queue))
	if w.scanner != nil {
		for i := done + 1; i < end; i++ {
			if w.queue[i].service != w.queue[done].service {
				end = i
			}
		}
	}
	return w.queue[done:end]
}

// known keeps what was learned of something that the target has and the plan leaves out.
func (w *weaving) known(l looked) error {
	if w.scanner == nil {
		return nil
	}
	for _, f := range l.wants {
		for _, pair := range f.live.Learned {
			_, before := w.planner.Map.Find(pair.Old)
			if err := w.planner.Map.Learn(pair); err != nil {
				return err
			}
			if !before {
				w.pairs = append(w.pairs, pair)
			}
		}
	}
	return nil
}

// named ends the look for names: MAP_INCOMPLETE for what the map has to have, and a refusal
// for accounts that do not come.
func (w *weaving) named() error {
	if len(w.unlisted) > 0 {
		all := slices.Sorted(maps.Keys(w.unlisted))
		more := ""
		if len(all) > maxNamed {
			all, more = all[:maxNamed], ", …"
		}
		return fault.Newf(fault.MapIncomplete, "the map does not say what these are in the target: %s%s", strings.Join(all, ", "), more)
	}
	for _, p := range w.pending {
		left := slices.DeleteFunc(p.sids, func(f residual.Finding) bool {
			_, known := w.planner.Map.Find(f.SID)
			return known || slices.ContainsFunc(w.index.called(f.SID), w.comes)
		})
		if refusal := refusalOf(p.key, left); refusal != nil {
			w.refuse(*refusal)
		}
	}
	return nil
}

// comes reports whether the plan makes or has what a group is about.
func (w *weaving) comes(g groupKey) bool {
	return slices.ContainsFunc(w.stepsOf(g), func(i int) bool { return !w.refused[w.steps[i].Key] })
}
