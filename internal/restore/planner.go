package restore

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/restore/mapping"
	"infrabackup/internal/restore/residual"
)

// DefaultLife is how long a plan may be applied.
const DefaultLife = 24 * time.Hour

// Planner makes plans. Its fields are set before it is used and not changed after.
type Planner struct {
	Source    *Source
	Restorers []Restorer
	Map       *mapping.Map
	Origin    Origin
	Target    Fingerprint
	Selection Selection
	// Policies say what becomes of what differs; PolicyUpdate where a service has none.
	Policies map[backup.Service]Policy
	Product  string
	Now      func() time.Time
	// Progress, when not nil, is told how many of the known groups were looked at. It is
	// called from one goroutine.
	Progress func(done, known int)
}

// chunk is how many groups are looked at before their preflight.
const chunk = 256

// Plan looks at everything that was asked for and what that needs, and writes nothing.
// Errors: ITEM_NOT_FOUND when nothing of the backup was asked for, USAGE for a selection
// that cannot be understood, LIMIT_EXCEEDED beyond [MaxSteps], TARGET_… and what the
// source says.
func (p *Planner) Plan(ctx context.Context) (*Plan, error) {
	if err := p.Selection.Validate(); err != nil {
		return nil, err
	}
	restorers := byService(p.Restorers)
	index, err := p.Source.index(ctx, restorers)
	if err != nil {
		return nil, err
	}
	w := &weaving{planner: p, scanner: residual.New(p.Map.Names().Site()), unlisted: map[string]bool{}, restorers: restorers, index: index, groups: map[groupKey]*woven{}, byKey: map[Key]int{}, needs: map[int][]Need{}, refused: map[Key]bool{}}
	for _, g := range index.order {
		if index.selected(g, p.Selection) {
			w.groups[g] = &woven{addedBy: Selected}
			w.queue = append(w.queue, g)
		}
	}
	if w.scanner != nil {
		w.principalsFirst()
	}
	if len(w.queue) == 0 {
		return nil, fault.Newf(fault.ItemNotFound, "backup %s has nothing of what was asked for that this version can bring back", p.Origin.BackupID)
	}
	for done := 0; done < len(w.queue); {
		next := w.next(done)
		if err := w.look(ctx, next); err != nil {
			return nil, err
		}
		done += len(next)
		if p.Progress != nil {
			p.Progress(done, len(w.queue))
		}
	}
	if err := w.named(); err != nil {
		return nil, err
	}
	if err := w.probe(ctx); err != nil {
		return nil, err
	}
	return w.plan()
}

// byService is the restorers by what they bring back.
func byService(all []Restorer) map[backup.Service]Restorer {
	m := map[backup.Service]Restorer{}
	for _, r := range all {
		m[r.Service()] = r
	}
	return m
}

// woven is what is known of a group.
type woven struct {
	addedBy, neededBy string
	// candidate groups are looked at because something needs them, and are taken into the
	// plan only when the target does not have them.
	candidate bool
	// barren groups have nothing that can be written.
	barren bool
}

// weaving is a plan that is being made.
type weaving struct {
	planner   *Planner
	restorers map[backup.Service]Restorer
	index     *index
	groups    map[groupKey]*woven
	queue     []groupKey

	steps    []Step
	byKey    map[Key]int    // step of a want
	needs    map[int][]Need // of a step
	within   []Key          // of a step
	refused  map[Key]bool
	refusals []Refusal
	losses   []Loss

	// Into a target with other names than the source's:
	scanner  *residual.Scanner
	unlisted map[string]bool // names that the site has to have and has not
	pending  []pending
	pairs    []mapping.Pair

	groupSteps map[groupKey][]int
}

// found is a want with what is live.
type found struct {
	want    Want
	live    State
	verdict Verdict
}

// looked is the outcome of looking at a group.
type looked struct {
	wants  []found
	losses []Loss
	backup string // digest of its items
}

// look reads what the target has of groups, and enters what follows.
func (w *weaving) look(ctx context.Context, groups []groupKey) error {
	results := make([]looked, len(groups))
	limits := map[backup.Service]chan struct{}{}
	for service, r := range w.restorers {
		limits[service] = make(chan struct{}, max(1, r.Lanes()))
	}
	g, looking := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i, key := range groups {
		g.Go(func() error {
			limit := limits[key.service]
			select {
			case limit <- struct{}{}:
			case <-looking.Done():
				return context.Cause(looking)
			}
			defer func() { <-limit }()
			var err error
			results[i], err = w.lookAt(looking, key)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	checks := map[backup.Service][]Checked{}
	for i, key := range groups {
		if err := w.enter(key, results[i], checks); err != nil {
			return err
		}
	}
	for service, steps := range checks {
		refusals, err := w.restorers[service].Check(ctx, steps, w.planner.Map)
		if err != nil {
			return err
		}
		for _, r := range refusals {
			w.refuse(r)
		}
	}
	return nil
}

func (w *weaving) lookAt(ctx context.Context, key groupKey) (looked, error) {
	r, m := w.restorers[key.service], w.planner.Map
	items := w.index.items(key, w.planner.Source)
	wants, losses, err := r.Wants(items, m)
	if err != nil {
		return looked{}, err
	}
	l := looked{losses: losses, backup: w.index.digest(items)}
	for _, want := range wants {
		live, err := r.Live(ctx, want, m)
		if err != nil {
			return looked{}, err
		}
		verdict := r.Verdict(want, live, m)
		if verdict.Same || verdict.Refused != nil || verdict.Unchecked {
			live.Document = nil // nothing looks at it any more, and a plan has many
		}
		l.wants = append(l.wants, found{want: want, live: live, verdict: verdict})
	}
	return l, nil
}

// enter makes steps of a group.
func (w *weaving) enter(key groupKey, l looked, checks map[backup.Service][]Checked) error {
	g := w.groups[key]
	g.barren = len(l.wants) == 0
	if g.candidate {
		there := len(l.wants) > 0
		for _, f := range l.wants {
			if f.want.Phase == "" && !f.live.Exists {
				there = false
			}
		}
		if there || g.barren {
			return w.known(l) // the target has it, or nothing of it can be written
		}
	}
	w.losses = append(w.losses, l.losses...)
	policy := w.planner.Policies[key.service]
	for _, f := range l.wants {
		if len(w.steps) >= MaxSteps {
			return fault.Newf(fault.LimitExceeded, "the plan would have more than %d steps", MaxSteps)
		}
		for _, pair := range f.live.Learned {
			if err := w.planner.Map.Learn(pair); err != nil {
				return err
			}
		}
		s := Step{Key: f.want.Key, Name: f.want.Name, Stage: f.want.Stage, Group: key.name, Backup: l.backup, Live: f.live.Digest, Desired: f.want.Digest(),
			Fields: f.want.Fields, Within: -1, AddedBy: g.addedBy, NeededBy: g.neededBy, Reversible: f.verdict.Reversible, Supplies: f.want.Supplies}
		switch {
		case f.verdict.Refused != nil:
			w.refuse(*f.verdict.Refused)
		case f.verdict.Same:
			s.Action, s.Reason = Skip, ReasonSame
		case f.live.Exists && policy == PolicySkip:
			s.Action, s.Reason, s.Fields = Skip, ReasonPolicy, f.verdict.Fields
		case f.live.Exists && policy == PolicyFail:
			w.refuse(Refusal{Key: f.want.Key, Code: RefusedDiffers, Detail: "the target has another state of it, and the policy is to fail"})
		default:
			s.Action, s.Reason = f.verdict.Action, reasonOf(f.verdict.Action)
			if s.Action == Update {
				s.Fields = f.verdict.Fields
			}
			checks[key.service] = append(checks[key.service], Checked{Want: f.want, Live: f.live, Action: s.Action})
			if err := w.looksThrough(key.service, f.want); err != nil {
				return err
			}
		}
		if s.Action == Skip {
			s.Supplies, s.Reversible = nil, Reversibility{Grade: Reversible}
		}
		i := len(w.steps)
		w.byKey[s.Key] = i
		w.steps = append(w.steps, s)
		w.within = append(w.within, f.want.Within)
		if s.Action != Skip {
			w.needs[i] = f.want.Needs
			w.follow(f.want)
		}
	}
	return nil
}

func reasonOf(a Action) Reason {
	switch a {
	case Create:
		return ReasonMissing
	case Undelete:
		return ReasonDeleted
	}
	return ReasonDiffers
}

// follow puts what a want needs into the queue, unless it is known.
func (w *weaving) follow(want Want) {
	for _, need := range want.Needs {
		for _, key := range w.index.find(need) {
			if w.groups[key] == nil {
				w.groups[key] = &woven{addedBy: Needed, neededBy: want.Key.String(), candidate: true}
				w.queue = append(w.queue, key)
			}
		}
	}
}

func (w *weaving) refuse(r Refusal) {
	if !w.refused[r.Key] {
		w.refused[r.Key] = true
		w.refusals = append(w.refusals, r)
	}
}

// plan puts the steps into order.
func (w *weaving) plan() (*Plan, error) {
	p := w.planner
	digest, err := MappingDigest(p.Map)
	if err != nil {
		return nil, err
	}
	now := p.Now().UTC().Truncate(time.Second)
	plan := &Plan{Steps: w.steps, Losses: w.losses, Header: Header{Format: PlanFormat, Kind: OfBackup, CreatedAt: now, Expires: now.Add(DefaultLife), Product: p.Product,
		Origin: p.Origin, Target: p.Target, Production: p.Target.MayBe(p.Origin.Cloud), Selection: p.Selection, Policies: p.Policies, Mapping: digest, Site: p.Map.Names().Site()}, Pairs: w.pairs}
	w.link(plan)
	w.refusals = append(w.refusals, order(plan.Steps, w.refused)...)
	plan.drop(w.refused)
	plan.Refusals = w.refusals
	plan.sortSteps()
	plan.sortRest()
	plan.count()
	return plan, plan.sign()
}

// link turns needs into numbers of steps.
func (w *weaving) link(plan *Plan) {
	for i := range plan.Steps {
		s := &plan.Steps[i]
		if w.within[i] != (Key{}) {
			if parent, ok := w.byKey[w.within[i]]; ok {
				s.Within = parent
				if s.Writes() && plan.Steps[parent].Writes() {
					s.Action, s.Reason = Along, ReasonWithin
				}
			}
		}
		if s.Phase != "" {
			object := s.Key
			object.Phase = ""
			if first, ok := w.byKey[object]; ok && first != i {
				s.Needs = append(s.Needs, first)
			}
		}
		for _, need := range w.needs[i] {
			w.linkNeed(s, i, need)
		}
	}
}

func (w *weaving) linkNeed(s *Step, i int, need Need) {
	targets := w.index.find(need)
	if len(targets) == 0 && !need.Soft {
		s.Unmet = append(s.Unmet, string(need.Service)+" "+need.Target)
	}
	if need.Soft {
		return
	}
	for _, target := range targets {
		for _, other := range w.stepsOf(target) {
			if other != i && w.steps[other].Phase == "" && w.steps[other].Key != s.Key {
				s.Needs = append(s.Needs, other)
			}
		}
	}
}

// stepsOf are the steps that a group's items led to.
func (w *weaving) stepsOf(g groupKey) []int {
	if w.groupSteps == nil {
		w.groupSteps = map[groupKey][]int{}
		for i, s := range w.steps {
			key := groupKey{s.Service, s.Group}
			w.groupSteps[key] = append(w.groupSteps[key], i)
		}
	}
	return w.groupSteps[g]
}
