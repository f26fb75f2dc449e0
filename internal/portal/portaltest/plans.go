package portaltest

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
)

// PlanID is the plan that [Plans] holds the key of; of any other it holds none.
var PlanID = strings.Repeat("3f2a91c0", 8)

// UndoID is a plan of an undo, and ProductionID one for the cloud that was backed up.
var UndoID, ProductionID = strings.Repeat("0badcafe", 8), strings.Repeat("c10d0000", 8)

// Plans are restores that are invented, and record what they were asked for.
type Plans struct {
	mu    sync.Mutex
	calls []string
	// Fail, when set, is what everything fails with.
	Fail error
	// State is how far the plan of [PlanID] is, planned when empty.
	State string
	// At is the restore that runs, nil for none.
	At *flow.RestoreAt
	// Keys are what was given as private keys.
	Keys []string
	// Consent is what was agreed to last.
	Consent recovery.Consent
}

// Calls returns what was asked for so far.
func (p *Plans) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.calls...)
}

func (p *Plans) note(format string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, fmt.Sprintf(format, args...))
	return p.Fail
}

func (p *Plans) taken(key privsep.OperatorKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Keys = append(p.Keys, string(key.File), string(key.Password))
}

// Plan implements restores.Plans.
func (p *Plans) Plan(_ context.Context, r recovery.Request, key privsep.OperatorKey, by string) (control.Begun, error) {
	p.taken(key)
	return control.Begun{ID: "op-plan"}, p.note("plan %s into %s by %s: %v %v", r.Backup, r.Target, by, r.Selection, r.Policies[backup.CA])
}

// Made implements restores.Plans.
func (p *Plans) Made(operation.Operation) {}

// Open implements restores.Plans.
func (p *Plans) Open(_ context.Context, planID string, given recovery.Given, by string) (planpage.Page, error) {
	p.taken(given.Key)
	return planpage.Page{}, p.note("open %.8s with %s by %s", planID, given.Backup, by)
}

// Page implements restores.Plans.
func (p *Plans) Page(_ context.Context, planID string, section planpage.Section, from, count int, by string) (planpage.Page, error) {
	if err := p.note("page %.8s %s %d by %s", planID, section, from, by); err != nil {
		return planpage.Page{}, err
	}
	kind := restore.OfBackup
	state := "planned"
	switch planID {
	case PlanID:
		state = cmp.Or(p.State, state)
	case ProductionID:
	case UndoID:
		kind, state = restore.OfUndo, "ended"
	default:
		return planpage.Page{}, fault.Newf(fault.KeyNotHeld, "the key of plan %.16s is not held for you", planID)
	}
	return planpage.Of(invented(planID, kind), state, section, from, count), nil
}

// Apply implements restores.Plans.
func (p *Plans) Apply(_ context.Context, planID string, c recovery.Consent, by string) (control.Begun, error) {
	p.mu.Lock()
	p.Consent = c
	p.mu.Unlock()
	err := p.note("apply %.8s by %s", planID, by)
	if err == nil && c.Target != "site-b" {
		err = fault.Newf(fault.PlanConsent, "the plan changes the target site-b, which is agreed to by its name")
	}
	return control.Begun{ID: "op-restore"}, err
}

// Undo implements restores.Plans.
func (p *Plans) Undo(_ context.Context, planID, by string) (control.Begun, error) {
	return control.Begun{ID: "op-plan"}, p.note("undo %.8s by %s", planID, by)
}

// List implements restores.Plans.
func (p *Plans) List(_ context.Context, by string) ([]restore.Listed, bool, error) {
	return []restore.Listed{
		{PlanID: PlanID, Kind: restore.OfBackup, BackupID: ID(0), Target: "site-b", State: "planned"},
		{PlanID: UndoID, Kind: restore.OfUndo, BackupID: ID(0), Target: "site-b", State: "ended"},
		{PlanID: strings.Repeat("77", 32), State: "for another key"},
	}, true, p.note("list by %s", by)
}

// Held implements restores.Plans.
func (p *Plans) Held(string, string) time.Time { return Now.Add(40 * time.Minute) }

// Forget implements restores.Plans.
func (p *Plans) Forget(by string) { _ = p.note("forget %s", by) }

// Restoring implements restores.Running.
func (p *Plans) Restoring(context.Context) (flow.RestoreAt, error) {
	if p.At == nil {
		return flow.RestoreAt{}, fault.Newf(fault.ItemNotFound, "no restore runs")
	}
	return *p.At, nil
}

// StopRestore implements restores.Running.
func (p *Plans) StopRestore(ctx context.Context) (flow.RestoreAt, error) {
	if err := p.note("stop"); err != nil {
		return flow.RestoreAt{}, err
	}
	return p.Restoring(ctx)
}

// invented is a plan with something of everything.
func invented(id string, kind restore.Kind) *restore.Plan {
	p := &restore.Plan{Header: restore.Header{
		PlanID: id, Kind: kind, Production: id == ProductionID, CreatedAt: Now.Add(-time.Hour), Expires: Now.Add(23 * time.Hour),
		Origin: restore.Origin{BackupID: ID(0)}, Target: restore.Fingerprint{Name: "site-b", DeploymentID: "9c1c2f6e-94ab-4c7a-8f2e-0a7c5d1b3e44"},
	}}
	if kind == restore.OfUndo {
		p.Header.Undoes = PlanID
	}
	for i := range 120 {
		s := restore.Step{N: i, Key: restore.Key{Service: backup.AD, Kind: "user", ID: fmt.Sprintf("CN=person %d,OU=Tenants,DC=azurestack,DC=local", i)}, Name: fmt.Sprint("person ", i), Action: restore.Create, Reason: restore.ReasonMissing,
			Fields: []string{"displayName", "mail", "memberOf"}, AddedBy: restore.Selected, Reversible: restore.Reversibility{Grade: restore.Reversible}}
		switch i % 4 {
		case 1:
			s.Action, s.Reason, s.Reversible = restore.Update, restore.ReasonDiffers, restore.Reversibility{Grade: restore.PartlyReversible, Why: "the time of the last logon stays"}
		case 2:
			s.Action, s.Reason, s.Fields = restore.Skip, restore.ReasonSame, nil
		}
		if i == 40 {
			s.Key.Kind, s.Reversible = "policy <b>", restore.Reversibility{Grade: restore.Irreversible, Why: "the versions before are purged"}
		}
		p.Steps = append(p.Steps, s)
	}
	p.Refusals = []restore.Refusal{{Key: restore.Key{Service: backup.CA, Kind: "certificate", ID: "61:00:00:0f"}, Code: "NAME_TAKEN", Detail: "another certificate has this number; revoke it first"}}
	p.Losses = []restore.Loss{{Key: restore.Key{Service: backup.AD, Kind: "user", ID: "CN=svc-crp"}, Code: "PASSWORD", Detail: "passwords are in no backup: set a new one"}}
	c := &p.Header.Counts
	*c = restore.Counts{Steps: 120, Create: 60, Update: 30, Skip: 30, Irreversible: 1, Partly: 30, Refused: 1, Lost: 1}
	return p
}
