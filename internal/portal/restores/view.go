package restores

import (
	"context"
	"embed"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/fault"
	"infrabackup/internal/flow"
	"infrabackup/internal/flow/restores"
	"infrabackup/internal/privsep"
	"infrabackup/internal/recovery"
	"infrabackup/internal/restore"
	"infrabackup/internal/restore/planpage"
)

// Templates are the pages' own parts, which are drawn in the layout of package portal.
//
//go:embed *.html
var Templates embed.FS

// Plans are the restores of an instance. [recovery.Plans] documents the methods.
type Plans interface {
	Plan(ctx context.Context, r recovery.Request, key privsep.OperatorKey, by string) (control.Begun, error)
	Made(o operation.Operation)
	Open(ctx context.Context, planID string, given recovery.Given, by string) (planpage.Page, error)
	Page(ctx context.Context, planID string, section planpage.Section, from, count int, by string) (planpage.Page, error)
	Apply(ctx context.Context, planID string, consent recovery.Consent, by string) (control.Begun, error)
	Undo(ctx context.Context, planID, by string) (control.Begun, error)
	List(ctx context.Context, by string) (all []restore.Listed, more bool, err error)
	Held(planID, by string) time.Time
	Forget(by string)
}

// Running is the restore that runs. [control.Controller] documents the methods.
type Running interface {
	Restoring(ctx context.Context) (flow.RestoreAt, error)
	StopRestore(ctx context.Context) (flow.RestoreAt, error)
}

// View is one request by a person who is logged in, and what package portal does for it. Fields
// are required.
type View struct {
	Request *http.Request
	// Context bounds what is asked and begun; of a form it lasts when the browser goes away.
	Context context.Context //nolint:containedctx // it lives as long as the request
	By      string
	Board   *board.Snapshot
	Now     time.Time
	Plans   Plans
	Running Running

	// Enter takes a question to the workers from what the person may ask, false when nothing is
	// left; Later says so. What it returns is called when the question is answered.
	Enter func() (leave func(), ok bool)
	Later func(title, cause string)

	Typed  func(field string) string      // what the form holds
	Fill   func(values map[string]string) // what the form holds
	Wrong  func(field, message string)    // what is wrong with it
	Refuse func(field string, err error)  // the same, of a fault
	Show   func(status int, name, title string, data any)
	To     func(rest string) // leads to an address below the instance
	Failed func(err error)   // a page that says why something is not possible
}

// ask bounds a question for a page.
const ask = 40 * time.Second

// Asking begins what a page asks of the workers: false, and answered, when the person asks too much.
// Each question is a run of its own, so it counts as those about operations do.
func (v *View) Asking() (ctx context.Context, done func(), ok bool) {
	leave, ok := v.Enter()
	if !ok {
		v.Later("Ask again in a moment", "There are too many questions to the workers now.")
		return nil, nil, false
	}
	ctx, cancel := context.WithTimeout(v.Context, ask)
	return ctx, func() { cancel(); leave() }, true
}

// plan is the ID of the plan that the address names; false, and answered, where it is none.
func (v *View) plan() (string, bool) {
	id := strings.ToLower(v.Request.PathValue("plan"))
	if restores.IsPlanID(id) {
		return id, true
	}
	v.Failed(fault.Newf(fault.ItemNotFound, "there is no such plan"))
	return "", false
}

// Value reads a field of the form that was sent, without blanks around it.
func (v *View) Value(name string) string { return strings.TrimSpace(v.Request.PostForm.Get(name)) }
