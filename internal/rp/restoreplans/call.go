package restoreplans

import (
	"context"
	"net/url"

	"infrabackup/internal/apierror"
	"infrabackup/internal/backup"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
	"infrabackup/internal/rp/jsonbody"
	"infrabackup/internal/rp/operatorkey"
	"infrabackup/internal/rp/rows"
)

// Plans are the restores of an instance that callers plan, read and let be done.
// [recovery.Plans] documents the methods.
type Plans interface {
	Plan(ctx context.Context, r recovery.Request, key privsep.OperatorKey, by string) (control.Begun, error)
	Made(o operation.Operation)
	Open(ctx context.Context, planID string, given recovery.Given, by string) (planpage.Page, error)
	Page(ctx context.Context, planID string, section planpage.Section, from, count int, by string) (planpage.Page, error)
	Apply(ctx context.Context, planID string, consent recovery.Consent, by string) (control.Begun, error)
	Undo(ctx context.Context, planID, by string) (control.Begun, error)
	List(ctx context.Context, by string) (all []restore.Listed, more bool, err error)
}

// Call is one request about plans.
type Call struct {
	Plans  Plans
	By     string // who calls
	PlanID string // that the address names, empty where it names none
	Body   []byte // nil for none; it is cleared
	// Newest is the newest backup that can be restored from; the error says that there is none, or
	// that it is not known yet.
	Newest func() (backup.ID, error)
}

// List is the answer to a question for the restores.
type List struct {
	Value []restore.Listed `json:"value"`
	More  bool             `json:"more"` // there are others than those that are told
}

// Make begins to plan a restore.
func (c Call) Make(ctx context.Context) (control.Begun, error) {
	o, err := object(c.Body, true, memberBackup, "target", "services", "items", "patterns", "policy", "policies", memberKey)
	if err != nil {
		return control.Begun{}, err
	}
	r, err := requestOf(o, c.Newest)
	if err != nil {
		return control.Begun{}, err
	}
	key, given, err := operatorkey.Of(o, memberKey)
	if err != nil {
		return control.Begun{}, err
	}
	if !given {
		return control.Begun{}, apierror.Content(memberKey, "is missing")
	}
	defer key.Clear()
	begun, err := c.Plans.Plan(ctx, r, key, c.By)
	return begun, refused(err)
}

// Read reads a page of the plan, as the query says.
func (c Call) Read(ctx context.Context, query url.Values) (planpage.Page, error) {
	section := planpage.Section(query.Get("section"))
	if section == "" {
		section = planpage.Steps
	}
	if !section.Known() {
		return planpage.Page{}, rows.Refused("section", "is not one of steps, changes, irreversible, refused and lost")
	}
	from, count, err := rows.Of(query, restore.MaxSteps, planpage.MaxRows)
	if err != nil {
		return planpage.Page{}, err
	}
	page, err := c.Plans.Page(ctx, c.PlanID, section, from, count, c.By)
	return page, refused(err)
}

// Open takes the key of the plan again, and returns the plan's first page.
func (c Call) Open(ctx context.Context) (planpage.Page, error) {
	o, err := object(c.Body, true, memberBackup, memberKey)
	if err != nil {
		return planpage.Page{}, err
	}
	page, given, err := c.again(ctx, o)
	if err == nil && !given {
		err = apierror.Content(memberKey, "is missing")
	}
	return page, err
}

// again holds the key that a body brings, if it brings one.
func (c Call) again(ctx context.Context, o jsonbody.Object) (page planpage.Page, given bool, err error) {
	id, err := backupOf(o, c.Newest)
	if err != nil {
		return page, false, err
	}
	key, given, err := operatorkey.Of(o, memberKey)
	if err != nil || !given {
		return page, given, err
	}
	defer key.Clear()
	page, err = c.Plans.Open(ctx, c.PlanID, recovery.Given{Backup: id, Key: key}, c.By)
	return page, true, refused(err)
}

// Apply begins to do what the plan says, or goes on with it.
func (c Call) Apply(ctx context.Context) (control.Begun, error) {
	o, err := object(c.Body, true, memberConsent, memberBackup, memberKey)
	if err != nil {
		return control.Begun{}, err
	}
	consent, err := consentOf(o)
	if err != nil {
		return control.Begun{}, err
	}
	if _, _, err := c.again(ctx, o); err != nil {
		return control.Begun{}, err
	}
	begun, err := c.Plans.Apply(ctx, c.PlanID, consent, c.By)
	return begun, refused(err)
}

// Undo begins to plan how the restore is taken back.
func (c Call) Undo(ctx context.Context) (control.Begun, error) {
	o, err := object(c.Body, false, memberBackup, memberKey)
	if err != nil {
		return control.Begun{}, err
	}
	if _, _, err := c.again(ctx, o); err != nil {
		return control.Begun{}, err
	}
	begun, err := c.Plans.Undo(ctx, c.PlanID, c.By)
	return begun, refused(err)
}

// List lists the restores.
func (c Call) List(ctx context.Context) (List, error) {
	all, more, err := c.Plans.List(ctx, c.By)
	return List{all, more}, err
}
