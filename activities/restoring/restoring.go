package restoring

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/operator/restoring"
	"infrabackup/internal/repository"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/seal"
)

// idle is how long what is open is kept for the next step of a run that does not come.
const idle = 5 * time.Minute

// Dependencies is what the activities work with. All fields are required.
type Dependencies struct {
	// Targets are the configuration files of the targets that this worker may write to, by
	// name.
	Targets map[string]string
	// Repository connects to the share, and lists the keys that are trusted to have signed a
	// backup.
	Repository func(ctx context.Context) (repo *repository.Repository, trusted []byte, err error)
	// BackingUp says that a backup is being made, which nothing is restored beside; nil when
	// not.
	BackingUp func(ctx context.Context) (*fault.Fault, error)
	// Step is told of every step that has ended, from several goroutines.
	Step func(ctx context.Context)
}

// Activities answers for the activities of restores. Its methods may be called from several
// goroutines; those about the same restore wait for each other.
type Activities struct {
	Dependencies

	mu   sync.Mutex
	open map[string]*session // by the plan's ID
}

// New makes the activities. Close them when the workers have stopped.
func New(d Dependencies) *Activities {
	return &Activities{Dependencies: d, open: map[string]*session{}}
}

// session is a restore that is open.
type session struct {
	turn chan struct{} // holds one token: whoever takes it uses the rest
	in   flow.RestoreInput

	*place
	restoration *restoring.Restoration
	cancel      context.CancelFunc // of what was opened
	expiry      *time.Timer
}

// place is what a restore reads from and writes to.
type place struct {
	key     seal.Identity
	repo    *repository.Repository
	trusted []byte
	target  *restoring.Target
	backups []restoring.Backup
}

// places opens what a request names. The context is that of what is opened.
func (a *Activities) places(ctx context.Context, in flow.RestoreAccess) (p *place, err error) {
	file, ok := a.Targets[in.Target]
	if !ok {
		return nil, fault.Newf(fault.TargetNotConfigured, "this worker has no target %s", in.Target)
	}
	keys, err := seal.ParseIdentities([]byte(in.Key.Reveal()))
	if err != nil || len(keys) != 1 {
		return nil, fault.New(fault.RequestRefused, "the request does not bring one key", nil)
	}
	p = &place{key: keys[0]}
	if p.repo, p.trusted, err = a.Repository(ctx); err != nil {
		return nil, err
	}
	if p.target, err = restoring.OpenTarget(ctx, file); err != nil {
		return nil, err
	}
	return p, nil
}

// backup opens the backup of an ID, which a trusted key has signed. It implements
// [restoring.Opener].
func (p *place) backup(ctx context.Context, id backup.ID) (restoring.Backup, error) {
	b, err := p.repo.OpenSigned(ctx, backup.Ref{ID: id}, p.trusted)
	if err != nil {
		return restoring.Backup{}, err
	}
	if b.Manifest().BackupKey != p.key.Public() {
		return restoring.Backup{}, fault.Newf(fault.KeyDoesNotFit, "the key that came with the request is not that of backup %s", id)
	}
	opened := restoring.OpenWith(ctx, b, p.key)
	p.backups = append(p.backups, opened)
	return opened, nil
}

func (p *place) close() error {
	var errs []error
	for _, b := range p.backups {
		errs = append(errs, b.Close())
	}
	p.target.Close()
	return errors.Join(errs...)
}

// application is how plans of the share are applied.
func (p *place) application() restoring.Application {
	return restoring.Application{State: p.repo.Restores()}
}

// Plan makes a plan and lays it on the share.
func (a *Activities) Plan(ctx context.Context, in flow.RestorePlanInput) (out flow.RestorePlan, err error) {
	recipients := make([]seal.Recipient, 0, len(in.Recipients))
	for _, text := range in.Recipients {
		recipient, err := seal.ParseRecipient(text)
		if err != nil {
			return out, err
		}
		recipients = append(recipients, recipient)
	}
	p, err := a.places(ctx, in.RestoreAccess)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if in.Undoes != "" {
		return p.undo(ctx, in, recipients)
	}
	b, err := p.backup(ctx, in.BackupID)
	if err != nil {
		return out, err
	}
	plan, err := restoring.Plan(ctx, b, p.target, restoring.Request{Selection: in.Selection, Policies: in.Policies, Site: in.Site})
	if err != nil {
		return out, err
	}
	if err := restoring.Keep(ctx, plan, []seal.Identity{p.key}, p.application().State, recipients...); err != nil {
		return out, err
	}
	out = flow.RestorePlan{PlanID: plan.Header.PlanID, Counts: plan.Header.Counts}
	if plan.Header.Production {
		out.Production = plan.Header.Target.ID()
	}
	return out, nil
}

// undo makes the plan of an undo.
func (p *place) undo(ctx context.Context, in flow.RestorePlanInput, recipients []seal.Recipient) (flow.RestorePlan, error) {
	application := p.application()
	application.Recipients = recipients
	u, err := restoring.PrepareUndo(ctx, in.Undoes, []seal.Identity{p.key}, p.target, p.backup, application)
	if err != nil {
		return flow.RestorePlan{}, err
	}
	return flow.RestorePlan{PlanID: u.Plan.Header.PlanID, Counts: u.Plan.Header.Counts, Begun: u.Begun}, u.Close()
}

// Look reads a page of a plan, or the list of restores. It needs the share alone, and no target.
func (a *Activities) Look(ctx context.Context, in restores.Input) (out restores.Output, err error) {
	keys := map[string]seal.Identity{}
	for id, text := range in.Keys {
		parsed, err := seal.ParseIdentities([]byte(text.Reveal()))
		if err != nil || len(parsed) != 1 {
			return out, fault.New(fault.RequestRefused, "the request brings what is not one key", nil)
		}
		keys[id] = parsed[0]
	}
	repo, _, err := a.Repository(ctx)
	if err != nil {
		return out, err
	}
	if in.PlanID == "" {
		out.List, out.More, err = restoring.ListKeyed(ctx, repo.Restores(), keys, restores.MaxListed)
		return out, err
	}
	plan, state, err := restoring.Look(ctx, repo.Restores(), in.PlanID, keys[in.PlanID])
	if err != nil {
		return out, err
	}
	page := planpage.Of(plan, state, in.Section, in.From, in.Count)
	return restores.Output{Page: &page}, nil
}

// Open makes a restore ready, and refuses what can be refused before the target's items are
// looked at.
func (a *Activities) Open(ctx context.Context, in flow.RestoreInput) (flow.OpenedRestore, error) {
	if f, err := a.BackingUp(ctx); err != nil {
		return flow.OpenedRestore{}, err
	} else if f != nil {
		return flow.OpenedRestore{}, f
	}
	var out flow.OpenedRestore
	err := a.with(ctx, in, func(ctx context.Context, r *restore.Run) (err error) {
		out.Batches = len(r.Plan.Batches())
		out.Begun, err = r.Begun(ctx)
		return err
	})
	return out, err
}

// Compare compares the whole plan with the target.
func (a *Activities) Compare(ctx context.Context, in flow.RestoreInput) (struct{}, error) {
	return struct{}{}, a.with(ctx, in, func(ctx context.Context, r *restore.Run) error {
		for _, b := range r.Plan.Batches() {
			if err := r.Compare(ctx, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// Batch does one batch of steps. One that was done before is not done again.
func (a *Activities) Batch(ctx context.Context, in flow.RestoreBatchInput) (restore.Totals, error) {
	var totals restore.Totals
	err := a.with(ctx, in.RestoreInput, func(ctx context.Context, r *restore.Run) (err error) {
		batches := r.Plan.Batches()
		if in.Number >= len(batches) {
			return fault.Newf(fault.RequestRefused, "the plan has %d batches, and no batch %d", len(batches), in.Number)
		}
		totals, err = r.Do(ctx, batches[in.Number])
		return err
	})
	return totals, err
}

// CloseRestore forgets what is open of a restore.
func (a *Activities) CloseRestore(ctx context.Context, in flow.RestoreInput) (struct{}, error) {
	s := a.session(in)
	select {
	case <-s.turn:
	case <-ctx.Done():
		return struct{}{}, ctx.Err()
	}
	err := s.forget()
	a.drop(s)
	return struct{}{}, err
}

// Close forgets everything.
func (a *Activities) Close() error {
	a.mu.Lock()
	sessions := a.open
	a.open = map[string]*session{}
	a.mu.Unlock()
	var errs []error
	for _, s := range sessions {
		<-s.turn
		errs = append(errs, s.forget())
		s.turn <- struct{}{}
	}
	return errors.Join(errs...)
}

// session is that of a restore, which need not be open.
func (a *Activities) session(in flow.RestoreInput) *session {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.open[in.PlanID]
	if s == nil {
		s = &session{turn: make(chan struct{}, 1), in: in}
		s.turn <- struct{}{}
		a.open[in.PlanID] = s
	}
	return s
}

// drop takes a session that was forgotten off the list, and lets those who wait for it find it
// empty.
func (a *Activities) drop(s *session) {
	a.mu.Lock()
	if a.open[s.in.PlanID] == s {
		delete(a.open, s.in.PlanID)
	}
	a.mu.Unlock()
	s.turn <- struct{}{}
}

// with does work with a restore that is open, or is opened for that. After an error nothing
// stays open: a connection may be the reason.
func (a *Activities) with(ctx context.Context, in flow.RestoreInput, work func(context.Context, *restore.Run) error) (err error) {
	s := a.session(in)
	select {
	case <-s.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.forget())
			a.drop(s)
			return
		}
		s.expiry = time.AfterFunc(idle, func() { a.expire(s) })
		s.turn <- struct{}{}
	}()
	if s.expiry != nil {
		s.expiry.Stop()
	}
	if s.restoration != nil && !sameAccess(s.in, in) {
		// Another run, which has to show again that it may.
		if err := s.forget(); err != nil {
			return err
		}
	}
	if s.restoration == nil {
		if err := a.openRestoration(ctx, s, in); err != nil {
			return err
		}
	}
	s.restoration.Progress = func(restore.Outcome) { a.Step(ctx) }
	return work(ctx, s.restoration.Run)
}

// sameAccess reports whether two requests bring the same key, for the same target, with the same
// consent.
func sameAccess(a, b flow.RestoreInput) bool {
	return a.RestoreAccess == b.RestoreAccess && a.BackupID == b.BackupID && a.Consent.Production == b.Consent.Production &&
		slices.Equal(a.Consent.Irreversible, b.Consent.Irreversible)
}

// expire forgets a restore whose next step does not come. One that came meanwhile has it in use,
// or has stopped this.
func (a *Activities) expire(s *session) {
	select {
	case <-s.turn:
		_ = s.forget() // nobody is left to tell
		a.drop(s)
	default:
	}
}

// openRestoration opens everything that a restore needs. It stays open when ctx has ended.
func (a *Activities) openRestoration(ctx context.Context, s *session, in flow.RestoreInput) (err error) {
	s.in = in
	kept, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)() // while it is being opened
	if s.place, err = a.places(kept, in.RestoreAccess); err != nil {
		cancel()
		return err
	}
	s.cancel = cancel
	application := s.application()
	application.Consent = in.Consent
	s.restoration, err = restoring.OpenRestoration(kept, in.PlanID, []seal.Identity{s.key}, s.target, s.backup, application)
	if err == nil && s.restoration.Plan.Header.Origin.BackupID != in.BackupID {
		err = fault.Newf(fault.RequestRefused, "the plan is of backup %s, and the request names another one", s.restoration.Plan.Header.Origin.BackupID)
	}
	return err
}

// forget closes what is open. Whoever calls it holds the turn.
func (s *session) forget() error {
	var errs []error
	if s.restoration != nil {
		errs = append(errs, s.restoration.Close())
	}
	if s.place != nil {
		errs = append(errs, s.place.close())
	}
	if s.cancel != nil {
		s.cancel()
	}
	if s.expiry != nil {
		s.expiry.Stop()
	}
	s.restoration, s.place, s.cancel, s.expiry = nil, nil, nil, nil
	return errors.Join(errs...)
}
