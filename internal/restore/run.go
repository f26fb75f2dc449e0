package restore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
)

// Run applies a plan. Its fields are set before it is used and not changed after. Its
// methods are called from one goroutine.
type Run struct {
	Plan      *Plan
	Restorers []Restorer
	// Source is the backup, for plans of kind OfBackup.
	Source *Source
	// Undone is the journal of the restore that is taken back, for plans of kind OfUndo.
	Undone  Journal
	Journal Journal
	Map     *mapping.Map
	// Target is what is there now.
	Target  Fingerprint
	Consent Consent
	Now     func() time.Time
	// Progress, when not nil, is told of every step that has ended, from several
	// goroutines.
	Progress func(Outcome)

	wants    wantSource
	scanner  *residual.Scanner // of the source's names, nil when the target has them
	statuses []Status
}

// Consent is what an operator agrees to.
type Consent struct {
	// Production is the deployment ID of a target that may be the cloud that was backed up.
	Production string
	// Irreversible are keys, as [Key.String] has them, of steps that cannot be undone. The
	// word "all" stands for every one.
	Irreversible []string
}

// AllIrreversible stands for every step that cannot be undone.
const AllIrreversible = "all"

// wantSource makes wants again for steps of a plan.
type wantSource interface {
	wants(ctx context.Context, steps []Step) (map[int]Want, error)
}

// Open makes the run ready, and refuses what can be refused without looking at the target's
// items: TARGET_FOREIGN, TARGET_PRODUCTION, PLAN_CONSENT, PLAN_APPLIED, and
// PLAN_DIFFERS for another mapping. It reads the catalog and what the journal has.
func (r *Run) Open(ctx context.Context) error {
	h := r.Plan.Header
	switch {
	case !r.Target.Is(h.Target):
		return fault.Newf(fault.TargetForeign, "the plan was made for %s, and this is %s", described(h.Target), described(r.Target))
	case h.Production && (r.Consent.Production == "" || r.Consent.Production != h.Target.ID()):
		return fault.Newf(fault.TargetProduction, "the target %s may be the cloud that was backed up; its ID is %s", described(h.Target), h.Target.ID())
	}
	digest, err := MappingDigest(r.Map)
	if err != nil {
		return err
	}
	if digest != h.Mapping {
		return fault.New(fault.PlanDiffers, "the plan was made with another mapping", nil)
	}
	if h.Kind == OfBackup {
		r.scanner = residual.New(r.Map.Names().Site())
	}
	for _, pair := range r.Plan.Pairs {
		if err := r.Map.Learn(pair); err != nil {
			return err
		}
	}
	if err := r.consented(); err != nil {
		return err
	}
	if r.wants, err = r.source(ctx); err != nil {
		return err
	}
	return r.recall(ctx)
}

// ID is what names a target for consent: the first of its deployment ID, domain, CA, domain
// name and name that it has.
func (f Fingerprint) ID() string {
	for _, id := range []string{f.DeploymentID, f.DomainSID, f.CA, f.FQDN} {
		if id != "" {
			return id
		}
	}
	return f.Name
}

func described(f Fingerprint) string {
	if f.Name != "" && f.Name != f.ID() {
		return f.Name + " (" + f.ID() + ")"
	}
	return f.ID()
}

func (r *Run) consented() error {
	if slices.Contains(r.Consent.Irreversible, AllIrreversible) {
		return nil
	}
	for _, s := range r.Plan.Steps {
		if s.Writes() && s.Reversible.Grade == Irreversible && !slices.Contains(r.Consent.Irreversible, s.Key.String()) {
			return fault.Newf(fault.PlanConsent, "step %d, %s, cannot be undone: %s", s.N, s.Key, s.Reversible.Why)
		}
	}
	return nil
}

func (r *Run) source(ctx context.Context) (wantSource, error) {
	if r.Plan.Header.Kind == OfUndo {
		return newJournalWants(ctx, r.Undone)
	}
	restorers := byService(r.Restorers)
	index, err := r.Source.index(ctx, restorers)
	if err != nil {
		return nil, err
	}
	return &backupWants{source: r.Source, index: index, restorers: restorers, mapping: r.Map}, nil
}

// recall reads what became of steps before.
func (r *Run) recall(ctx context.Context) error {
	r.statuses = make([]Status, len(r.Plan.Steps))
	batches := r.Plan.Batches()
	all := len(batches) > 0
	for _, b := range batches {
		outcomes, ended, err := r.Journal.Outcome(ctx, b.Number)
		if err != nil {
			return err
		}
		if !ended {
			all = false
			continue
		}
		if err := r.note(b, outcomes); err != nil {
			return err
		}
	}
	if all {
		return fault.New(fault.PlanApplied, "the plan was applied before", nil)
	}
	return nil
}

// note keeps the statuses of a batch.
func (r *Run) note(b Batch, outcomes []Outcome) error {
	if len(outcomes) != b.To-b.From {
		return fault.Newf(fault.JournalInvalid, "batch %d has %d outcomes of %d steps", b.Number, len(outcomes), b.To-b.From)
	}
	for i, o := range outcomes {
		if o.N != b.From+i {
			return fault.Newf(fault.JournalInvalid, "batch %d lists step %d in the place of %d", b.Number, o.N, b.From+i)
		}
		r.statuses[o.N] = o.Status
		for _, pair := range o.Learned {
			if err := r.Map.Learn(pair); err != nil {
				return err
			}
		}
	}
	return nil
}

// Begun reports whether anything of the plan was sent, or may have been.
func (r *Run) Begun(ctx context.Context) (bool, error) {
	for _, b := range r.Plan.Batches() {
		if _, begun, err := r.Journal.Before(ctx, b.Number); begun || err != nil {
			return begun, err
		}
		if _, ended, err := r.Journal.Outcome(ctx, b.Number); ended || err != nil {
			return ended, err
		}
	}
	return false, nil
}

// Compare makes every want of a batch again and reads what is live, and writes nothing.
// It is called for all batches before the first is done. PLAN_DIFFERS when something else
// would be written than the plan says, PLAN_STALE when the target moved, PLAN_EXPIRED.
func (r *Run) Compare(ctx context.Context, b Batch) error {
	if r.Now().After(r.Plan.Header.Expires) {
		return fault.Newf(fault.PlanExpired, "the plan could be applied until %s", r.Plan.Header.Expires.Format(time.RFC3339))
	}
	steps := r.Plan.Steps[b.From:b.To]
	wants, err := r.again(ctx, steps)
	if err != nil {
		return err
	}
	return r.each(ctx, steps, func(ctx context.Context, s Step) error {
		live, err := r.read(ctx, s, wants[s.N])
		if err != nil {
			return err
		}
		if live.Digest != s.Live {
			return fault.Newf(fault.PlanStale, "%s is not as it was when the plan was made", s.Key)
		}
		return nil
	})
}

// again makes the wants of steps and compares them with the plan.
func (r *Run) again(ctx context.Context, steps []Step) (map[int]Want, error) {
	wants, err := r.wants.wants(ctx, steps)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		want, ok := wants[s.N]
		if !ok || want.Key != s.Key {
			return nil, fault.Newf(fault.PlanDiffers, "this version would write nothing of %s", s.Key)
		}
		if want.Digest() != s.Desired {
			return nil, fault.Newf(fault.PlanDiffers, "this version would write something else than the plan says of %s", s.Key)
		}
	}
	return wants, nil
}

// read reads what is live and learns from it.
func (r *Run) read(ctx context.Context, s Step, want Want) (State, error) {
	live, err := r.restorer(s.Service).Live(ctx, want, r.Map)
	if err != nil {
		return live, err
	}
	for _, pair := range live.Learned {
		if err := r.Map.Learn(pair); err != nil {
			return live, err
		}
	}
	return live, nil
}

func (r *Run) restorer(service backup.Service) Restorer { return byService(r.Restorers)[service] }

// each calls fn for steps of one service, as many at a time as its restorer takes.
func (r *Run) each(ctx context.Context, steps []Step, fn func(context.Context, Step) error) error {
	if len(steps) == 0 {
		return nil
	}
	restorer := r.restorer(steps[0].Service)
	if restorer == nil {
		return fault.Newf(fault.TargetNotConfigured, "the target has nothing to restore %s to", steps[0].Service)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, restorer.Lanes()))
	for _, s := range steps {
		g.Go(func() error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return fn(ctx, s)
		})
	}
	return g.Wait()
}

// Do does a batch, or what is left of it, and returns what became of it. A batch that has
// ended is not done again. Errors end the run for now: the same call later goes on where
// this one was ended.
func (r *Run) Do(ctx context.Context, b Batch) (Totals, error) {
	return r.batch(ctx, b, true)
}

// Settle finds out what became of a batch that was begun and not ended, and writes nothing.
// What was not begun is entered as undone.
func (r *Run) Settle(ctx context.Context, b Batch) (Totals, error) {
	return r.batch(ctx, b, false)
}

func (r *Run) batch(ctx context.Context, b Batch, write bool) (Totals, error) {
	var totals Totals
	outcomes, ended, err := r.Journal.Outcome(ctx, b.Number)
	if err != nil {
		return totals, err
	}
	if !ended {
		if outcomes, err = r.carryOut(ctx, b, write); err != nil {
			return totals, err
		}
		if err := r.Journal.PutOutcome(ctx, b.Number, outcomes); err != nil {
			return totals, err
		}
	}
	totals.add(outcomes)
	return totals, r.note(b, outcomes)
}

func (r *Run) carryOut(ctx context.Context, b Batch, write bool) ([]Outcome, error) {
	steps := r.Plan.Steps[b.From:b.To]
	outcomes := make([]Outcome, len(steps))
	before, begun, err := r.Journal.Before(ctx, b.Number)
	if err != nil {
		return nil, err
	}
	if !begun && !write {
		for i, s := range steps {
			outcomes[i] = Outcome{N: s.N, Status: Undone}
		}
		return outcomes, nil
	}
	wants, err := r.again(ctx, steps)
	if err != nil {
		return nil, err
	}
	if !begun {
		if before, err = r.before(ctx, steps, wants); err != nil {
			return nil, err
		}
		if err := r.Journal.PutBefore(ctx, b.Number, before); err != nil {
			return nil, err
		}
	}
	saved := map[int]State{}
	for _, one := range before {
		saved[one.N] = one.State
	}
	err = r.each(ctx, steps, func(ctx context.Context, s Step) error {
		was, ok := saved[s.N]
		if !ok {
			return fault.Newf(fault.JournalInvalid, "batch %d says nothing of step %d", b.Number, s.N)
		}
		o, err := r.step(ctx, s, wants[s.N], was, write)
		if err != nil {
			return err
		}
		o.N = s.N
		outcomes[s.N-b.From] = o
		if r.Progress != nil {
			r.Progress(o)
		}
		return nil
	})
	return outcomes, err
}

// before reads the states of a batch.
func (r *Run) before(ctx context.Context, steps []Step, wants map[int]Want) ([]Before, error) {
	all := make([]Before, len(steps))
	var mu sync.Mutex
	err := r.each(ctx, steps, func(ctx context.Context, s Step) error {
		live, err := r.read(ctx, s, wants[s.N])
		mu.Lock()
		defer mu.Unlock()
		all[s.N-steps[0].N] = Before{N: s.N, State: live}
		return err
	})
	return all, err
}

// errInDoubt is the cause of outcomes that nobody can tell apart.
var errInDoubt = errors.New("it is neither as it was nor as it should be")
