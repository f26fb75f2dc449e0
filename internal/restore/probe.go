package restore

import "context"

// probe refuses what needs something that no plan can bring back and that the target does not
// have.
func (w *weaving) probe(ctx context.Context) error {
	lacking := map[groupKey]bool{}
	for i, s := range w.steps {
		for _, need := range w.needs[i] {
			if need.Soft || w.refused[s.Key] {
				continue
			}
			for _, key := range w.index.find(need) {
				g := w.groups[key]
				prober, ok := w.restorers[key.service].(Prober)
				if !ok || g == nil || !g.barren {
					continue
				}
				if _, known := lacking[key]; !known {
					lacks, err := prober.Lacks(ctx, w.index.items(key, w.planner.Source), w.planner.Map)
					if err != nil {
						return err
					}
					lacking[key] = lacks
				}
				if lacking[key] {
					w.refuse(Refusal{Key: s.Key, Code: RefusedMissing, Detail: "it needs " + need.Target + ", which cannot be brought back and which the target does not have"})
				}
			}
		}
	}
	return nil
}
