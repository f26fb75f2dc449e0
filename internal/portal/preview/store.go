package preview

import (
	"sync"
	"time"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/schedule"
)

const (
	keptFor = 10 * time.Minute // how long it is shown what would go
	maxKept = 32
)

// Store has what workers found that settings would remove: the newest for each person and
// instance. A page asks for consent to what is here, and not to what a link says.
type Store struct {
	now func() time.Time
	mu  sync.Mutex
	all map[draft.Owner]found
}

type found struct {
	setting schedule.Setting
	result  operation.PruneResult
	at      time.Time
}

// NewStore makes an empty one.
func NewStore(now func() time.Time) *Store { return &Store{now: now, all: map[draft.Owner]found{}} }

// Put keeps what was found for a setting, in the place of what was found before.
func (p *Store) Put(of draft.Owner, setting schedule.Setting, result operation.PruneResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.all[of]; !known && len(p.all) >= maxKept {
		var oldest *draft.Owner
		for other, its := range p.all {
			if oldest == nil || its.at.Before(p.all[*oldest].at) {
				oldest = &other
			}
		}
		delete(p.all, *oldest)
	}
	p.all[of] = found{setting, result, p.now()}
}

// Get returns what was found for a setting lately, false when nothing was.
func (p *Store) Get(of draft.Owner, setting schedule.Setting) (operation.PruneResult, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.all[of]
	return known.result, ok && known.setting == setting && p.now().Sub(known.at) <= keptFor
}
