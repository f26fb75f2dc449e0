package recovery

import (
	"context"
	"slices"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/privsep"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/secret"
)

// Planning is what is asked of an instance for plans. [control.Controller] documents the methods.
type Planning interface {
	Control
	BeginRestorePlan(ctx context.Context, in flow.RestorePlanInput) (control.Begun, error)
	Restores(ctx context.Context, in restores.Input) (restores.Output, error)
	Operation(ctx context.Context, id string) (operation.Operation, error)
}

// Plans are the restores of one instance that callers plan, read and let be done. Make one with
// [NewPlans]; it may be used concurrently.
type Plans struct {
	control Planning
	keys    Keys
	held    *holder
}

// NewPlans makes one. After is what [time.AfterFunc] does, and ends a key that is held.
func NewPlans(c Planning, keys Keys, now func() time.Time, after func(time.Duration, func()) (stop func() bool)) *Plans {
	return &Plans{control: c, keys: keys, held: &holder{now: now, after: after}}
}

// Request is what is to be planned.
type Request struct {
	Backup    backup.ID
	Target    string // as the workers' configuration names it
	Selection restore.Selection
	Policies  map[backup.Service]restore.Policy
}

// Validate refuses with USAGE what cannot be planned, before a key is asked for.
func (r Request) Validate() error {
	if !flow.TargetName.MatchString(r.Target) {
		return fault.Usagef("the target has no name: those of workers have at most 40 small letters, digits and '-'")
	}
	return r.Selection.Validate()
}

// Given is a private key that comes with a call, and the backup that it opens. The key is not
// changed and not kept.
type Given struct {
	Backup backup.ID // may be empty where this process knows what the plan is of
	Key    privsep.OperatorKey
}

// Consent is what a caller agrees to who has read a plan.
type Consent struct {
	// Target is the name of the target, which is changed.
	Target string
	// Production is the target's ID, where it may be the cloud that was backed up; Irreversible are
	// the titles of steps that cannot be undone, or [restore.AllIrreversible].
	Production   string
	Irreversible []string
}

// Plan begins to plan a restore. The operation ends with the plan's ID, and from now on the key of
// the backup is held for the caller. Errors are those of [privsep.KeyOpener.OpenKey] and of the
// methods of [Planning].
func (p *Plans) Plan(ctx context.Context, r Request, key privsep.OperatorKey, by string) (control.Begun, error) {
	if err := r.Validate(); err != nil {
		return control.Begun{}, err
	}
	opened, err := p.open(ctx, r.Backup, key)
	if err != nil {
		return control.Begun{}, err
	}
	return p.begin(ctx, flow.RestorePlanInput{RestoreAccess: flow.RestoreAccess{Target: r.Target, Key: secret.NewTransfer(opened.Key.Text()), RequestedBy: by},
		BackupID: r.Backup, Selection: r.Selection, Policies: r.Policies, Recipients: opened.Recipients})
}

// open opens the key of a backup.
func (p *Plans) open(ctx context.Context, id backup.ID, key privsep.OperatorKey) (privsep.OpenedKey, error) {
	file, err := p.control.KeyFile(ctx, id)
	if err != nil {
		return privsep.OpenedKey{}, err
	}
	return p.keys.OpenKey(ctx, key, file.KeyAge, file.Public)
}

// begin begins to make a plan, and holds the key that it brings.
func (p *Plans) begin(ctx context.Context, in flow.RestorePlanInput) (control.Begun, error) {
	begun, err := p.control.BeginRestorePlan(ctx, in)
	if err == nil && begun.ID == "" {
		err = fault.Newf(fault.AnswerRefused, "the making of the plan has no ID")
	}
	if err != nil {
		return control.Begun{}, err
	}
	kind := restore.OfBackup
	if in.Undoes != "" {
		kind = restore.OfUndo
	}
	p.held.hold(&heldKey{by: in.RequestedBy, run: begun.ID, kind: kind, target: in.Target, backup: in.BackupID, recipients: in.Recipients, key: []byte(in.Key.Reveal())})
	return begun, nil
}

// Made tells of an operation that has ended, which may have made a plan. Those who look at
// operations call it; what is not told is asked for when a plan is wanted.
func (p *Plans) Made(o operation.Operation) {
	if o.Kind == operation.Plan && !o.Running {
		made := ""
		if o.Plan != nil && o.Fault == nil {
			made = o.Plan.PlanID
		}
		p.held.made(o.ID, made)
	}
}

// lent finds what is held of a plan for a caller: KEY_NOT_HELD when nothing is.
func (p *Plans) lent(ctx context.Context, planID, by string) (lent, error) {
	if found, ok := p.held.find(planID, by); ok {
		return found, nil
	}
	for _, run := range p.held.making(by) {
		o, err := p.control.Operation(ctx, run)
		if err != nil {
			return lent{}, err
		}
		p.Made(o)
		if found, ok := p.held.find(planID, by); ok {
			return found, nil
		}
	}
	return lent{}, fault.Newf(fault.KeyNotHeld, "the key of plan %.16s is not held for you: another caller gave it, or more than %s ago, or this service was started since", planID, HeldFor)
}

// Open takes the key of a plan again, holds it for the caller, and returns the plan's first page.
func (p *Plans) Open(ctx context.Context, planID string, given Given, by string) (planpage.Page, error) {
	id := given.Backup
	if of, ok := p.held.of(planID); ok && id == "" {
		id = of.backup
	}
	if id == "" {
		return planpage.Page{}, fault.Usagef("this process does not know which backup plan %.16s is of: name it with the key", planID)
	}
	opened, err := p.open(ctx, id, given.Key)
	if err != nil {
		return planpage.Page{}, err
	}
	text := opened.Key.Text()
	page, err := p.page(ctx, planID, planpage.Changes, 0, firstRows, secret.NewTransfer(text))
	if err != nil {
		return page, err
	}
	if page.BackupID != id {
		return planpage.Page{}, fault.Newf(fault.KeyDoesNotFit, "plan %.16s is of backup %s, and the key is that of %s", planID, page.BackupID, id)
	}
	p.held.hold(&heldKey{by: by, planID: planID, kind: page.Kind, target: page.Target.Name, backup: id, recipients: opened.Recipients, key: []byte(text.Reveal())})
	return page, nil
}

// firstRows is how many rows the first page has where it is not said.
const firstRows = 100

// page reads a page with the key of the plan's backup.
func (p *Plans) page(ctx context.Context, planID string, section planpage.Section, from, count int, key secret.Transfer) (planpage.Page, error) {
	out, err := p.control.Restores(ctx, restores.Input{PlanID: planID, Keys: map[string]secret.Transfer{planID: key}, Section: section, From: from, Count: count})
	if err != nil {
		return planpage.Page{}, err
	}
	p.held.note(known{planID: planID, kind: out.Page.Kind, backup: out.Page.BackupID, target: out.Page.Target.Name})
	return *out.Page, nil
}

// Page reads a page of a plan whose key is held for the caller: KEY_NOT_HELD when it is not.
func (p *Plans) Page(ctx context.Context, planID string, section planpage.Section, from, count int, by string) (planpage.Page, error) {
	held, err := p.lent(ctx, planID, by)
	if err != nil {
		return planpage.Page{}, err
	}
	return p.page(ctx, planID, section, from, count, held.key)
}

// Apply begins to do what a plan says, or goes on with it. What was not agreed to is refused:
// PLAN_CONSENT and TARGET_PRODUCTION. KEY_NOT_HELD when no key is held for the caller.
func (p *Plans) Apply(ctx context.Context, planID string, consent Consent, by string) (control.Begun, error) {
	held, err := p.lent(ctx, planID, by)
	if err != nil {
		return control.Begun{}, err
	}
	page, err := p.page(ctx, planID, planpage.Irreversible, 0, planpage.MaxRows, held.key)
	if err != nil {
		return control.Begun{}, err
	}
	if err := consent.to(page); err != nil {
		return control.Begun{}, err
	}
	begun, err := p.control.BeginRestore(ctx, flow.RestoreInput{
		RestoreAccess: flow.RestoreAccess{Target: page.Target.Name, Key: held.key, RequestedBy: by}, PlanID: planID, BackupID: page.BackupID,
		Consent: restore.Consent{Production: consent.Production, Irreversible: consent.Irreversible},
	})
	if err == nil && begun.ID == "" {
		err = fault.Newf(fault.AnswerRefused, "the restore has no ID")
	}
	return begun, err
}

// to reports what of a plan was not agreed to. Steps beyond the first page are left to the run,
// which compares all of them before the first write.
func (c Consent) to(page planpage.Page) error {
	switch {
	case c.Target != page.Target.Name:
		return fault.Newf(fault.PlanConsent, "the plan changes the target %s, which is agreed to by its name", page.Target.Name)
	case page.Production && c.Production != page.Target.ID:
		return fault.Newf(fault.TargetProduction, "the target %s may be the cloud that was backed up; its ID is %s", page.Target.Name, page.Target.ID)
	case slices.Contains(c.Irreversible, restore.AllIrreversible):
		return nil
	}
	for _, s := range page.Steps {
		if !slices.Contains(c.Irreversible, s.Title) {
			return fault.Newf(fault.PlanConsent, "step %d, %s, cannot be undone: %s", s.N, s.Title, s.Reversible.Why)
		}
	}
	return nil
}

// Undo begins to plan how a restore is taken back. That plan is read and applied as any other.
// KEY_NOT_HELD when no key of the restore's plan is held for the caller.
func (p *Plans) Undo(ctx context.Context, planID, by string) (control.Begun, error) {
	held, err := p.lent(ctx, planID, by)
	if err != nil {
		return control.Begun{}, err
	}
	page, err := p.page(ctx, planID, planpage.Changes, 0, 1, held.key)
	if err != nil {
		return control.Begun{}, err
	}
	if page.Kind == restore.OfUndo {
		return control.Begun{}, fault.Usagef("this is an undo itself: plan the restore again")
	}
	return p.begin(ctx, flow.RestorePlanInput{RestoreAccess: flow.RestoreAccess{Target: page.Target.Name, Key: held.key, RequestedBy: by},
		BackupID: page.BackupID, Undoes: planID, Recipients: held.recipients})
}

// List lists the restores that lie beside the backups. Of those whose key is held for the caller,
// and of those that this process has seen, it says what they are of. More says that there are
// others than those that are told.
func (p *Plans) List(ctx context.Context, by string) (all []restore.Listed, more bool, err error) {
	for _, run := range p.held.making(by) {
		if o, err := p.control.Operation(ctx, run); err == nil { // else it is told as the others are
			p.Made(o)
		}
	}
	keys := p.held.all(by)
	out, err := p.control.Restores(ctx, restores.Input{Keys: keys})
	if err != nil {
		return nil, false, err
	}
	all = append([]restore.Listed{}, out.List...)
	for i := range all {
		if of, ok := p.held.of(all[i].PlanID); ok && all[i].Kind == "" {
			all[i].Kind, all[i].BackupID, all[i].Target = of.kind, of.backup, of.target
		}
	}
	slices.SortStableFunc(all, func(a, b restore.Listed) int { // what is known of before the rest
		switch {
		case (a.Kind == "") == (b.Kind == ""):
			return 0
		case a.Kind != "":
			return -1
		}
		return 1
	})
	return all, out.More, nil
}

// Held reports until when the key of a plan is held for a caller; the zero time when it is not.
func (p *Plans) Held(planID, by string) time.Time { return p.held.until(planID, by) }

// Forget wipes the keys that are held for a caller, who has logged out.
func (p *Plans) Forget(by string) {
	if by != "" {
		p.held.forget(by)
	}
}

// Close wipes every key.
func (p *Plans) Close() { p.held.forget("") }
