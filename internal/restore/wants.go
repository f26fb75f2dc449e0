package restore

import (
	"context"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
)

// backupWants makes wants again from the backup.
type backupWants struct {
	source    *Source
	index     *index
	restorers map[backup.Service]Restorer
	mapping   *mapping.Map
}

func (b *backupWants) wants(ctx context.Context, steps []Step) (map[int]Want, error) {
	made, found := map[groupKey]map[Key]Want{}, map[int]Want{}
	for _, s := range steps {
		g := groupKey{s.Service, s.Group}
		wants, ok := made[g]
		if !ok {
			restorer := b.restorers[s.Service]
			if restorer == nil {
				return nil, fault.Newf(fault.TargetNotConfigured, "the target has nothing to restore %s to", s.Service)
			}
			items := b.index.items(g, b.source)
			if b.index.digest(items) != s.Backup {
				return nil, fault.Newf(fault.PlanDiffers, "the backup has something else of %s than the plan was made of", s.Key)
			}
			all, _, err := restorer.Wants(items, b.mapping)
			if err != nil {
				return nil, err
			}
			wants = map[Key]Want{}
			for _, w := range all {
				wants[w.Key] = w
			}
			made[g] = wants
		}
		if w, ok := wants[s.Key]; ok {
			found[s.N] = w
		}
	}
	return found, nil
}

// journalWants are the wants of an undo: what the journal of the restore says. It keeps
// where each lies, and reads the batches that a call needs.
type journalWants struct {
	journal Journal
	batch   map[Key]int
}

func newJournalWants(ctx context.Context, j Journal) (*journalWants, error) {
	w := &journalWants{journal: j, batch: map[Key]int{}}
	for batch := 0; ; batch++ {
		outcomes, ended, err := j.Outcome(ctx, batch)
		if err != nil {
			return nil, err
		}
		if !ended {
			return w, nil
		}
		for _, o := range outcomes {
			if o.Inverse != nil {
				w.batch[o.Inverse.Key] = batch
			}
		}
	}
}

func (w *journalWants) wants(ctx context.Context, steps []Step) (map[int]Want, error) {
	number, batches, found := map[Key]int{}, map[int]bool{}, map[int]Want{}
	for _, s := range steps {
		if batch, ok := w.batch[s.Key]; ok {
			number[s.Key], batches[batch] = s.N, true
		}
	}
	for batch := range batches {
		outcomes, _, err := w.journal.Outcome(ctx, batch)
		if err != nil {
			return nil, err
		}
		for _, o := range outcomes {
			if o.Inverse == nil {
				continue
			}
			if n, ok := number[o.Inverse.Key]; ok {
				found[n] = *o.Inverse
			}
		}
	}
	return found, nil
}
