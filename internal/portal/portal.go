package portal

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"infrabackup/internal/board"
	"infrabackup/internal/control"
	"infrabackup/internal/control/operation"
	"infrabackup/internal/flow"
	"infrabackup/internal/operations"
	"infrabackup/internal/portal/assets"
	"infrabackup/internal/portal/comparing"
	"infrabackup/internal/portal/draft"
	"infrabackup/internal/portal/drills"
	"infrabackup/internal/portal/pace"
	"infrabackup/internal/portal/preview"
	"infrabackup/internal/portal/quota"
	"infrabackup/internal/portal/restores"
	"infrabackup/internal/schedule"
	"infrabackup/internal/secret"
)

// Board tells what is known of an instance.
type Board interface {
	Snapshot() *board.Snapshot
	// Subscribe gives the newest snapshots until ctx ends.
	Subscribe(ctx context.Context) <-chan *board.Snapshot
	Looked() // somebody looks at a page
}

// Control does what an operator asks for.
type Control interface {
	BeginBackup(ctx context.Context, by string) (control.Begun, error)
	BeginChange(ctx context.Context, wanted control.Wanted) (control.Begun, error)
	BeginPrune(ctx context.Context, dryRun, acrossHole bool, by string) (control.Begun, error)
	BeginVerify(ctx context.Context, id, by string) (control.Begun, error)
	Operation(ctx context.Context, id string) (operation.Operation, error)
	Cancel(ctx context.Context) error
	Challenges(ctx context.Context, by string) ([]control.Challenge, error)
	Prove(ctx context.Context, answer secret.String, by string) (flow.KeyState, error)
	// SetSchedule sets the schedule over the one that was seen: SETTINGS_CHANGED when another is
	// set by now.
	SetSchedule(ctx context.Context, setting, over schedule.Setting, by string) error
	// PruneBy tells what the retention of a setting would remove now; nothing is removed.
	PruneBy(ctx context.Context, setting schedule.Setting, by string) (operation.PruneResult, error)
	Acknowledge(ctx context.Context, one flow.AlertAcknowledgement) error
}

// Session is a browser that is logged in.
type Session interface {
	Name() string            // of the person, for people
	Subject() string         // of the person, as changes name who made them
	Role() string            // for people
	May(action string) error // nil when the role allows the action
	Fresh() bool             // the login is recent enough for what is dangerous
	ExpiresAt() time.Time    // the end, without another request
}

// The actions that a role allows, named as Azure's role definitions name them.
const (
	ActionRead        = "Microsoft.Backup.Admin/backupLocations/read"
	ActionBackup      = "Microsoft.Backup.Admin/backupLocations/createBackup/action"
	ActionVerify      = "Microsoft.Backup.Admin/backupLocations/backups/verify/action"
	ActionCancel      = "Microsoft.Backup.Admin/backupLocations/backups/cancel/action"
	ActionPruneDryRun = "Microsoft.Backup.Admin/backupLocations/pruneExternalStore/dryRun/action"
	ActionPrune       = "Microsoft.Backup.Admin/backupLocations/pruneExternalStore/action"
	ActionProve       = "Microsoft.Backup.Admin/backupLocations/proveKey/action"
	ActionAcknowledge = "Microsoft.Backup.Admin/backupLocations/alerts/acknowledge/action"
	ActionWrite       = "Microsoft.Backup.Admin/backupLocations/write"

	ActionPlanRestore   = "Microsoft.Backup.Admin/backupLocations/restores/plan/action"
	ActionApplyRestore  = "Microsoft.Backup.Admin/backupLocations/restores/apply/action"
	ActionCompare       = "Microsoft.Backup.Admin/backupLocations/backups/diff/action"
	ActionCancelRestore = "Microsoft.Backup.Admin/backupLocations/restores/cancel/action"
)

// Instance is one cloud with what knows of it and what acts on it.
type Instance struct {
	Name    string
	Board   Board
	Control Control
	// Plans are its restores, and Restoring the one that runs.
	Plans     restores.Plans
	Restoring restores.Running
	Drills    drills.Drills
	Diffs     comparing.Diffs
}

// Options says what the page is made of.
type Options struct {
	Instances []Instance
	// Session returns the session of a request, false when there is none.
	Session func(*http.Request) (Session, bool)
	// Alive reports whether the session of a request's context has not ended, without making
	// it last longer; nil for what the session itself says. Streams ask.
	Alive func(context.Context) bool
	// Login takes POST /login with the fields token and return; Logout takes POST /logout.
	Login, Logout http.Handler
	// IssuerLogin is the path at which a login at an issuer begins, with the query's return
	// and fresh; empty when there is no issuer. TokenLogin says that Login takes API tokens.
	IssuerLogin string
	TokenLogin  bool
	// TemporalUI is the address of the namespace in the Temporal Web UI, such as
	// https://temporal.example.com/namespaces/default; empty for no links.
	TemporalUI string
	Now        func() time.Time // time.Now when nil
	// Logger gets what could not be drawn; slog.Default when nil.
	Logger *slog.Logger
	// Heartbeat is how often a stream shows that it lives, 15 s when zero.
	Heartbeat time.Duration
	// Questions is how many about operations the pages of one person ask in a second, 2 when
	// zero, and those of all five times as many.
	Questions int
}

// maxForm bounds what a form may have, with the file in it.
const maxForm = 64 << 10

// handler is the page of all instances.
type handler struct {
	Options
	instances map[string]*Instance
	mux       *http.ServeMux
	kept      *keptForms
	drafts    *draft.Store
	plans     *preview.Store
	paces     map[string]*pace.Pace
	streams   *quota.Streams
	asked     *operations.Cache
}

// New returns the page. It answers for /, /login, /logout, /assets/ and /i/. The listener before
// it gives answers the headers of pages, and refuses what other sites send.
func New(o Options) (http.Handler, error) {
	if o.Session == nil || o.Login == nil || o.Logout == nil {
		return nil, fmt.Errorf("the page needs sessions, a login and a logout")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = 15 * time.Second
	}
	h := &handler{
		Options: o, instances: map[string]*Instance{}, mux: http.NewServeMux(), kept: newKeptForms(o.Now), drafts: draft.NewStore(o.Now), plans: preview.NewStore(o.Now),
		paces: map[string]*pace.Pace{}, streams: quota.NewStreams(), asked: operations.New(o.Now, o.questions(5), o.questions(1)),
	}
	for i := range o.Instances {
		instance := &o.Instances[i]
		if h.instances[instance.Name] != nil {
			return nil, fmt.Errorf("instance %s is given twice", instance.Name)
		}
		h.instances[instance.Name], h.paces[instance.Name] = instance, &pace.Pace{}
	}
	h.routes()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		h.mux.ServeHTTP(w, r)
	}), nil
}

// questions is how many about operations so many people may ask.
func (o *Options) questions(people int) operations.Limit {
	n := people * cmp.Or(max(o.Questions, 0), 2)
	return operations.Limit{PerSecond: float64(n), Burst: float64(n), AtOnce: n}
}

// routes is the table of all addresses with what a caller must be allowed to.
func (h *handler) routes() {
	h.mux.HandleFunc("GET /assets/{name}", assets.Serve)
	h.mux.HandleFunc("GET /login", h.loginPage)
	h.mux.Handle("POST /login", h.Login)
	h.mux.HandleFunc("POST /logout", h.logout)
	h.mux.HandleFunc("GET /{$}", h.front)
	h.mux.HandleFunc("/", h.noPage)
	for path, get := range map[string]func(*request){
		"": (*request).overview, "events": (*request).events,
		"backups": (*request).backups, "backups/{id}": (*request).backup, "cancel": (*request).cancelPage,
		"enable": (*request).enablePage, "enable/{step}": (*request).enableStep,
		"settings": (*request).settings, "settings/{what}": (*request).settingsForm, "settings/key/{step}": (*request).keyStep,
		"operations/{id}": (*request).operation, "schedule": (*request).schedulePage, "schedule/shorten": (*request).shortenPage,
		"prune": (*request).prunePage, "alerts": (*request).alerts, "alerts/acknowledge": (*request).acknowledgePage, "history": (*request).history,
		"restores": restoring(restores.List), "restores/new": only(ActionPlanRestore, restoring(restores.New)), "restores/current": restoring(restores.Current), "restores/plans/{plan}": only(ActionPlanRestore, restoring(restores.Read)),
		"drills": drilling(drills.List), "drills/{drill}": drilling(drills.Show), "diffs/new": only(ActionCompare, compare(comparing.New)), "diffs/{diff}": only(ActionCompare, compare(comparing.Read)),
	} {
		if path == "" {
			path = "{$}"
		}
		h.mux.HandleFunc("GET /i/{instance}/"+path, h.reading(get))
	}
	for _, p := range []change{
		{path: "backups", action: ActionBackup, do: (*request).beginBackup},
		{path: "backups/{id}/verify", action: ActionVerify, do: (*request).beginVerify},
		{path: "cancel", form: "cancel", action: ActionCancel, do: (*request).cancel},
		{path: "enable/{step}", form: "enable", action: ActionWrite, fresh: true, do: (*request).enableSubmit},
		{path: "settings/share", form: "settings/share", action: ActionWrite, fresh: true, do: (*request).changeShare},
		{path: "settings/account", form: "settings/account", action: ActionWrite, fresh: true, do: (*request).changeAccount},
		{path: "settings/key", form: "settings/key", action: ActionWrite, do: (*request).chooseKey},
		{path: "settings/key/{step}", form: "settings/key", action: ActionWrite, fresh: true, do: (*request).keySubmit},
		{path: "settings/challenge", form: "settings/proof", action: ActionProve, do: (*request).challenge},
		{path: "settings/proof", form: "settings/proof", action: ActionProve, do: (*request).prove},
		{path: "schedule", form: "schedule", action: ActionWrite, do: (*request).setSchedule},
		{path: "prune/preview", form: "prune", action: ActionPruneDryRun, do: (*request).previewPrune},
		{path: "prune", form: "prune", action: ActionPrune, fresh: true, do: (*request).beginPrune},
		{path: "restores/new", form: "restores/new", action: ActionPlanRestore, do: restoring(restores.Plan)},
		{path: "restores/cancel", form: "restores", action: ActionCancelRestore, do: restoring(restores.Cancel)},
		{path: "restores/plans/{plan}/open", form: "restores/plans/{plan}", action: ActionPlanRestore, do: restoring(restores.Open)},
		{path: "restores/plans/{plan}/apply", form: "restores/plans/{plan}", action: ActionApplyRestore, fresh: true, do: restoring(restores.Apply)},
		{path: "restores/plans/{plan}/undo", form: "restores/plans/{plan}", action: ActionApplyRestore, do: restoring(restores.Undo)},
		{path: "diffs/new", form: "diffs/new", action: ActionCompare, do: compare(comparing.Begin)},
		{path: "alerts", form: "alerts", action: ActionAcknowledge, do: (*request).acknowledge},
		{path: "alerts/acknowledge", form: "alerts/acknowledge", action: ActionAcknowledge, do: (*request).acknowledge},
	} {
		h.mux.HandleFunc("POST /i/{instance}/"+p.path, h.changing(p))
	}
}

// logout ends the session, what its person has typed and not sent, and the keys held for them.
func (h *handler) logout(w http.ResponseWriter, r *http.Request) {
	if session, ok := h.Session(r); ok {
		h.drafts.DropAll(session.Subject())
		for _, instance := range h.instances {
			instance.Plans.Forget(session.Subject())
		}
	}
	h.Logout.ServeHTTP(w, r)
}

// noPage answers what no route takes: another method of a page that there is, or no page.
func (h *handler) noPage(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := h.mux.Handler(other); pattern != "/" {
			allow = append(allow, method)
		}
	}
	if len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		h.message(w, r, http.StatusMethodNotAllowed, "This page is not for that", "Nothing was changed. Go to the page itself, and use what is there.")
		return
	}
	h.message(w, r, http.StatusNotFound, "There is no such page", "The address may be mistyped, or what it names may be gone.")
}

// front leads to the only instance, or lists them.
func (h *handler) front(w http.ResponseWriter, r *http.Request) {
	if len(h.Instances) == 1 {
		http.Redirect(w, r, "/i/"+h.Instances[0].Name+"/", http.StatusSeeOther)
		return
	}
	session, ok := h.Session(r)
	if !ok {
		h.toLogin(w, r, "/", false)
		return
	}
	p := h.page("Instances", session)
	if err := session.May(ActionRead); err != nil {
		h.message(w, r, http.StatusForbidden, "Your role does not allow this", "Ask an owner for another role.")
		return
	}
	type row struct {
		Name   string
		Answer answer
	}
	var rows []row
	for _, instance := range h.Instances {
		rows = append(rows, row{instance.Name, answerOf(instance.Board.Snapshot(), h.Now())})
	}
	p.Data = rows
	h.render(w, http.StatusOK, "instances", p)
}
