package portal

import (
	"sync"
	"time"

	"infrabackup/internal/control/operation"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/schedule"
)

const (
	planFor  = 10 * time.Minute // how long it is shown what would go
	maxPlans = 32
)

// plans are what workers found that settings would remove: the newest for each person and
// instance. A page asks for consent to what is here, and not to what a link says.
type plans struct {
	now func() time.Time
	mu  sync.Mutex
	all map[draft.Owner]plan
}

type plan struct {
	setting schedule.Setting
	result  operation.PruneResult
	at      time.Time
}

func newPlans(now func() time.Time) *plans { return &plans{now: now, all: map[draft.Owner]plan{}} }

func (p *plans) put(of draft.Owner, setting schedule.Setting, result operation.PruneResult) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.all[of]; !known && len(p.all) >= maxPlans {
		var oldest *draft.Owner
		for other, its := range p.all {
			if oldest == nil || its.at.Before(p.all[*oldest].at) {
				oldest = &other
			}
		}
		delete(p.all, *oldest)
	}
	p.all[of] = plan{setting, result, p.now()}
}

// get returns what was found for a setting lately, false when nothing was.
func (p *plans) get(of draft.Owner, setting schedule.Setting) (operation.PruneResult, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.all[of]
	return known.result, ok && known.setting == setting && p.now().Sub(known.at) <= planFor
}
